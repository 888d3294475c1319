"""A bulkhead: while upstream hangs, it blocks a few threads and leaves the others free."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from butaca.adapters.deadline import seconds_left
from butaca.core.errors import CatalogueBusy, DomainError


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The state of a bulkhead: its size, the slots in use, and counts of waits and rejections."""

    size: int
    in_use: int
    waits: int
    """The number of callers that had to wait, since the start."""

    rejections: int
    """The number of callers that got no slot, since the start."""

    wait_seconds: float
    """The total time that callers waited, in seconds."""


class _Waiter:
    """A caller that wants a slot, and the time at which it was granted one."""

    __slots__ = ("_blocker", "granted_at")

    def __init__(self) -> None:
        self.granted_at: float | None = None
        self._blocker = Lock()
        self._blocker.acquire()

    def grant(self, now: float) -> None:
        """Grant the slot, and wake the caller."""
        self.granted_at = now
        self._blocker.release()

    def wait(self, timeout: float) -> None:
        """Block until the slot is granted, for `timeout` seconds at most."""
        self._blocker.acquire(timeout=timeout)


class Bulkhead:
    """Limits the number of threads that wait for upstream, which is TMDB or the database.

    While upstream is fast, a caller may wait for a slot for up to `max_wait` seconds, in FIFO
    order. Once a slot has been held for longer than `slow_after` seconds, upstream is considered
    slow, and callers do not wait.
    """

    def __init__(
        self,
        size: int,
        slow_after: float,
        clock: Callable[[], float] = time.monotonic,
        busy_error: type[DomainError] = CatalogueBusy,
        max_wait: float | None = None,
    ) -> None:
        self.slow_after = slow_after
        self._max_wait = slow_after if max_wait is None else max_wait
        self._busy_error = busy_error
        self._size = size
        self._clock = clock
        self._lock = Lock()
        self._queue: deque[_Waiter] = deque()
        # One time per slot in use, the oldest first.
        self._granted_at: list[float] = []
        self._waits = self._rejections = 0
        self._wait_seconds = 0.0

    def occupancy(self) -> Occupancy:
        """Return the current state and the counts."""
        with self._lock:
            return Occupancy(
                self._size,
                len(self._granted_at),
                self._waits,
                self._rejections,
                self._wait_seconds,
            )

    @contextmanager
    def slot(self, *, may_queue: bool) -> Iterator[None]:
        """Hold a slot. Raises `busy_error` if none becomes free in time."""
        waiter = _Waiter()
        with self._lock:
            self._queue.append(waiter)
            self._grant_free_slots()
        try:
            if waiter.granted_at is None:
                self._wait(waiter, min(self._max_wait, seconds_left()) if may_queue else 0.0)
            yield
        finally:
            self._leave(waiter)

    def _leave(self, waiter: _Waiter) -> None:
        """Release the slot of a caller, or remove it from the queue."""
        with self._lock:
            if waiter.granted_at is None:
                self._queue.remove(waiter)
            else:
                self._granted_at.remove(waiter.granted_at)
                self._grant_free_slots()

    def _grant_free_slots(self) -> None:
        while self._queue and len(self._granted_at) < self._size:
            now = self._clock()
            self._queue.popleft().grant(now)
            self._granted_at.append(now)

    def _wait(self, waiter: _Waiter, seconds: float) -> None:
        started = self._clock()
        is_granted = self._wait_until_granted(waiter, started + seconds)
        with self._lock:
            self._waits += seconds > 0
            self._rejections += not is_granted
            self._wait_seconds += self._clock() - started
        if not is_granted:
            raise self._busy_error

    def _wait_until_granted(self, waiter: _Waiter, give_up_at: float) -> bool:
        """Wait for a slot; return whether it was granted in time."""
        while True:
            with self._lock:
                if waiter.granted_at is not None:
                    return True
                slow_at = self._granted_at[0] + self.slow_after
                seconds = min(give_up_at, slow_at) - self._clock()
                if seconds <= 0:
                    return False
            waiter.wait(seconds)
