"""One goes, the others do not: at most one flight per key in this process."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from copy import copy
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter

from butaca.adapters.cache.entries import told
from butaca.core.errors import Refusal

T = TypeVar("T")
log = logging.getLogger("butaca.catalogue")


class Flight(Generic[T]):
    """A call that is on its way."""

    def __init__(self, departed: float) -> None:
        self.departed = departed
        self.landed: Future[T] = Future()

    def lands_within(self, seconds: float) -> bool:
        """Wait for it to land; tell whether it did."""
        return bool(wait([self.landed], max(seconds, 0)).done)

    def outcome(self) -> T:
        """Return what it brought, or raise what it failed with."""
        if failure := self.landed.exception():
            raise _afresh(failure)
        return self.landed.result()


class Flights:
    """The calls of this process that are on their way, by key; for `deadline` seconds at most."""

    def __init__(
        self,
        deadline: float = 6.0,
        clock: Callable[[], float] = time.monotonic,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.deadline = deadline
        self._clock = clock
        self._lock = threading.Lock()
        self._flying: dict[str, Flight[Any]] = {}
        boarded = Counter(
            "butaca_flights",
            "Requests that led the one flight of their key in this process, or followed it.",
            ("role",),
            registry=registry,
        )
        self._led, self._followed = boarded.labels("led"), boarded.labels("followed")

    def board(self, key: str) -> tuple[Flight[Any], bool]:
        """Return the flight for a key, and whether the caller is to lead it."""
        flight, leads = self._board(key)
        (self._led if leads else self._followed).inc()
        return flight, leads

    def send(self, key: str, flight: Flight[T], fly: Callable[[], T]) -> None:
        """Fly in a thread of its own, in the name of the request that asked."""
        work = threading.Thread(
            target=copy_context().run, args=(self._fly_alone, key, flight, fly), daemon=True
        )
        try:
            work.start()
        except RuntimeError:  # The system gives no more threads.
            self._fly_alone(key, flight, fly)

    def _fly_alone(self, key: str, flight: Flight[T], fly: Callable[[], T]) -> None:
        try:
            self.lead(key, flight, fly)
        except Refusal:
            pass  # Whoever still waits is told.
        except Exception:
            log.exception("catalogue.broke", extra={"call": told(key)})

    def _board(self, key: str) -> tuple[Flight[Any], bool]:
        with self._lock:
            if flight := self._flying.get(key):
                return flight, False
            flight = self._flying[key] = Flight(self._clock())
            return flight, True

    def lead(self, key: str, flight: Flight[T], fly: Callable[[], T]) -> T:
        """Fly. Those who wait get what the caller gets, a failure included."""
        try:
            answer = fly()
        except BaseException as failure:
            self._land(key)
            flight.landed.set_exception(_afresh(failure))
            raise
        self._land(key)
        flight.landed.set_result(answer)
        return answer

    def _land(self, key: str) -> None:
        with self._lock:
            del self._flying[key]


def _afresh(failure: BaseException) -> BaseException:
    """Return a refusal for another thread to raise.

    Each raise adds to the traceback of an exception, and a traceback keeps the requests of all its
    frames alive.
    """
    return copy(failure) if isinstance(failure, Refusal) else failure
