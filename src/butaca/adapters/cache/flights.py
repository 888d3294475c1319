"""Request collapsing: at most one call in flight per key in this process."""

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
    """A call in flight."""

    def __init__(self, departed: float) -> None:
        self.departed = departed
        self.landed: Future[T] = Future()

    def lands_within(self, seconds: float) -> bool:
        """Wait for the call to finish; return whether it did."""
        return bool(wait([self.landed], max(seconds, 0)).done)

    def outcome(self) -> T:
        """Return the result of the call, or raise its failure."""
        if failure := self.landed.exception():
            raise _afresh(failure)
        return self.landed.result()


class Flights:
    """The calls in flight in this process, by key; each takes at most `deadline` seconds."""

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
            "Requests that made the call for their key, or waited for it, by role.",
            ("role",),
            registry=registry,
        )
        self._led, self._followed = boarded.labels("led"), boarded.labels("followed")

    def board(self, key: str) -> tuple[Flight[Any], bool]:
        """Return the call in flight for a key, and whether the caller must make it."""
        flight, leads = self._board(key)
        (self._led if leads else self._followed).inc()
        return flight, leads

    def send(self, key: str, flight: Flight[T], fly: Callable[[], T]) -> None:
        """Make the call in a background thread, in the context of the request."""
        work = threading.Thread(
            target=copy_context().run, args=(self._fly_alone, key, flight, fly), daemon=True
        )
        try:
            work.start()
        except RuntimeError:  # The system cannot start any more threads.
            self._fly_alone(key, flight, fly)

    def _fly_alone(self, key: str, flight: Flight[T], fly: Callable[[], T]) -> None:
        try:
            self.lead(key, flight, fly)
        except Refusal:
            pass  # Those that wait for the call receive it.
        except Exception:
            log.exception("catalogue.broke", extra={"call": told(key)})

    def _board(self, key: str) -> tuple[Flight[Any], bool]:
        with self._lock:
            if flight := self._flying.get(key):
                return flight, False
            flight = self._flying[key] = Flight(self._clock())
            return flight, True

    def lead(self, key: str, flight: Flight[T], fly: Callable[[], T]) -> T:
        """Make the call. Those that wait receive the same result or failure."""
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
    """Return a copy of a refusal for another thread to raise.

    Raising the same exception in many threads would grow one traceback, which keeps the frames of
    all their requests alive.
    """
    return copy(failure) if isinstance(failure, Refusal) else failure
