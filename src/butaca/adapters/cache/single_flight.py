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

from butaca.adapters.cache.entries import redacted
from butaca.core.errors import DomainError

T = TypeVar("T")
log = logging.getLogger("butaca.catalogue")


class InFlightCall(Generic[T]):
    """A call in flight."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.future: Future[T] = Future()

    def wait(self, seconds: float) -> bool:
        """Wait for the call to finish; return whether it did."""
        return bool(wait([self.future], max(seconds, 0)).done)

    def result(self) -> T:
        """Return the result of the call, or raise its failure."""
        if failure := self.future.exception():
            raise _copy_of(failure)
        return self.future.result()


class SingleFlight:
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
        self._in_flight: dict[str, InFlightCall[Any]] = {}
        requests = Counter(
            "butaca_single_flight_requests",
            "Requests that made the call for their key, or waited for it, by role.",
            ("role",),
            registry=registry,
        )
        self._leaders, self._followers = requests.labels("leader"), requests.labels("follower")

    def join(self, key: str) -> tuple[InFlightCall[Any], bool]:
        """Return the call in flight for a key, and whether the caller must make it."""
        flight, is_leader = self._join(key)
        (self._leaders if is_leader else self._followers).inc()
        return flight, is_leader

    def run_in_background(self, key: str, flight: InFlightCall[T], call: Callable[[], T]) -> None:
        """Make the call in a background thread, in the context of the request."""
        thread = threading.Thread(
            target=copy_context().run, args=(self._run_and_log, key, flight, call), daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # The system cannot start any more threads.
            self._run_and_log(key, flight, call)

    def _run_and_log(self, key: str, flight: InFlightCall[T], call: Callable[[], T]) -> None:
        try:
            self.run(key, flight, call)
        except DomainError:
            pass  # The requests that wait for the call receive it.
        except Exception:
            log.exception("catalogue.unexpected_error", extra={"call": redacted(key)})

    def _join(self, key: str) -> tuple[InFlightCall[Any], bool]:
        with self._lock:
            if flight := self._in_flight.get(key):
                return flight, False
            flight = self._in_flight[key] = InFlightCall(self._clock())
            return flight, True

    def run(self, key: str, flight: InFlightCall[T], call: Callable[[], T]) -> T:
        """Make the call. The requests that wait for it receive the same result or failure."""
        try:
            result = call()
        except BaseException as failure:
            self._remove(key)
            flight.future.set_exception(_copy_of(failure))
            raise
        self._remove(key)
        flight.future.set_result(result)
        return result

    def _remove(self, key: str) -> None:
        with self._lock:
            del self._in_flight[key]


def _copy_of(failure: BaseException) -> BaseException:
    """Return a copy of a domain error, for another thread to raise; copy no other exception.

    Raising the same exception in many threads would grow one traceback, which keeps the frames of
    all their requests alive.
    """
    return copy(failure) if isinstance(failure, DomainError) else failure
