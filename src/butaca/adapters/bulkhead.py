"""A bulkhead: whoever is behind it may hang, and most threads go on answering."""

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
    """How many places there are, how many are taken, and what came of those who found none."""

    places: int
    taken: int
    queued: int
    """How many had to queue, since the start."""

    refused: int
    """How many got no place, since the start."""

    seconds: float
    """For which they queued, all together."""


class _Turn:
    """Somebody who wants a place, and the moment from which they have it."""

    __slots__ = ("_gate", "taken_at")

    def __init__(self) -> None:
        self.taken_at: float | None = None
        self._gate = Lock()
        self._gate.acquire()

    def come(self, now: float) -> None:
        """Give them a place."""
        self.taken_at = now
        self._gate.release()

    def wait(self, seconds: float) -> None:
        """Wait until they have one, for so long at most."""
        self._gate.acquire(timeout=seconds)


class Bulkhead:
    """Places for the threads that wait for upstream, which is TMDB or the database.

    While upstream is quick one may queue for a place, for `longest_queue` seconds at most; whoever
    came first goes first. When somebody has had a place for longer than `patience`, upstream is
    slow, and nobody queues.
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
        """Return how it is going."""
        with self._lock:
            return Occupancy(
                self._places, len(self._taken_at), self._queued, self._refused, self._seconds
            )

    @contextmanager
    def place(self, *, may_queue: bool) -> Iterator[None]:
        """Hold a place. Where there is none, raises what `busy` is."""
        turn = _Turn()
        with self._lock:
            self._turns.append(turn)
            self._let_in()
        if turn.taken_at is None:
            self._queue(turn, min(self._longest_queue, seconds_left()) if may_queue else 0.0)
        try:
            yield
        finally:
            with self._lock:
                self._taken_at.remove(cast("float", turn.taken_at))
                self._let_in()

    def _let_in(self) -> None:
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
        """Wait for a turn; tell whether it came. If not, it is taken out of the queue."""
        while True:
            with self._lock:
                if turn.taken_at is not None:
                    return True
                seconds = min(until, self._taken_at[0] + self.patience) - self._clock()
                if seconds <= 0:
                    self._turns.remove(turn)
                    return False
            turn.wait(seconds)
