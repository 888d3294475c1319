"""One goes, the others do not: at most one flight per key in this process."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

T = TypeVar("T")


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
        return self.landed.result()


class Flights:
    """The calls of this process that are on their way, by key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flying: dict[str, Flight[Any]] = {}

    def board(self, key: str) -> tuple[Flight[Any], bool]:
        """Return the flight for a key, and whether the caller is to lead it."""
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
            flight.landed.set_exception(failure)
            raise
        self._land(key)
        flight.landed.set_result(answer)
        return answer

    def _land(self, key: str) -> None:
        with self._lock:
            del self._flying[key]
