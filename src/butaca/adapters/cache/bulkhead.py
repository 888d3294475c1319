"""A bulkhead: upstream may hang, and most threads go on answering."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from butaca.adapters.deadline import seconds_left
from butaca.core.errors import CatalogueBusy


class Bulkhead:
    """Places for the threads that wait for upstream.

    While upstream is quick one may queue for a place, for `patience` seconds at most. When
    whoever went first has been away for longer than that, upstream is slow, and nobody queues.
    """

    def __init__(
        self, places: int, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.patience = patience
        self._places = places
        self._clock = clock
        self._changed = threading.Condition()
        self._taken_at: list[float] = []

    @contextmanager
    def place(self, *, may_queue: bool) -> Iterator[None]:
        """Hold a place. Raises CatalogueBusy where there is none."""
        with self._changed:
            seconds = min(self.patience, seconds_left()) if may_queue else 0.0
            self._wait_for_place(self._clock() + seconds)
            taken_at = self._clock()
            self._taken_at.append(taken_at)
        try:
            yield
        finally:
            with self._changed:
                self._taken_at.remove(taken_at)
                self._changed.notify()

    def _wait_for_place(self, until: float) -> None:
        while len(self._taken_at) >= self._places:
            seconds = min(until, self._taken_at[0] + self.patience) - self._clock()
            if seconds <= 0:
                raise CatalogueBusy
            self._changed.wait(seconds)
