"""A bulkhead: while upstream hangs, it blocks a few threads and leaves the others free."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import cast

from butaca.adapters.deadline import seconds_left
from butaca.core.errors import CatalogueBusy, Refusal


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The state of a bulkhead: its size, the places in use, and counts of waits and refusals."""

    places: int
    taken: int
    queued: int
    """The number of callers that had to wait, since the start."""

    refused: int
    """The number of callers that got no place, since the start."""

    seconds: float
    """The total time that callers waited, in seconds."""


class _Turn:
    """A caller that wants a place, and the time since which it has one."""

    __slots__ = ("_gate", "taken_at")

    def __init__(self) -> None:
        self.taken_at: float | None = None
        self._gate = Lock()
        self._gate.acquire()

    def come(self, now: float) -> None:
        """Grant the place."""
        self.taken_at = now
        self._gate.release()

    def wait(self, seconds: float) -> None:
        """Block until the place is granted, for the given time at most."""
        self._gate.acquire(timeout=seconds)


class Bulkhead:
    """Limits the number of threads that wait for upstream, which is TMDB or the database.

    While upstream is fast, a caller may wait for a place for up to `longest_queue` seconds, in FIFO
    order. Once a place has been held for longer than `patience` seconds, upstream is considered
    slow, and callers do not wait.
    """

    def __init__(
        self,
        places: int,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        busy: type[Refusal] = CatalogueBusy,
        longest_queue: float | None = None,
    ) -> None:
        self.patience = patience
        self._longest_queue = patience if longest_queue is None else longest_queue
        self._busy = busy
        self._places = places
        self._clock = clock
        self._lock = Lock()
        self._turns: deque[_Turn] = deque()
        self._taken_at: list[float] = []
        self._queued = self._refused = 0
        self._seconds = 0.0

    def occupancy(self) -> Occupancy:
        """Return the current state and the counts."""
        with self._lock:
            return Occupancy(
                self._places, len(self._taken_at), self._queued, self._refused, self._seconds
            )

    @contextmanager
    def place(self, *, may_queue: bool) -> Iterator[None]:
        """Hold a place. Raises the error `busy` if none becomes free in time."""
        turn = _Turn()
        with self._lock:
            self._turns.append(turn)
            self._admit()
        if turn.taken_at is None:
            self._queue(turn, min(self._longest_queue, seconds_left()) if may_queue else 0.0)
        try:
            yield
        finally:
            with self._lock:
                self._taken_at.remove(cast("float", turn.taken_at))
                self._admit()

    def _admit(self) -> None:
        while self._turns and len(self._taken_at) < self._places:
            now = self._clock()
            self._turns.popleft().come(now)
            self._taken_at.append(now)

    def _queue(self, turn: _Turn, seconds: float) -> None:
        started = self._clock()
        has_come = self._comes(turn, started + seconds)
        with self._lock:
            self._queued += seconds > 0
            self._refused += not has_come
            self._seconds += self._clock() - started
        if not has_come:
            raise self._busy

    def _comes(self, turn: _Turn, until: float) -> bool:
        """Wait for a place; return whether it was granted. If not, leave the queue."""
        while True:
            with self._lock:
                if turn.taken_at is not None:
                    return True
                seconds = min(until, self._taken_at[0] + self.patience) - self._clock()
                if seconds <= 0:
                    self._turns.remove(turn)
                    return False
            turn.wait(seconds)
