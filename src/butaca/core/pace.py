"""Going no faster than somebody else permits."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """Lets whoever waits pass evenly, at most `rate` times a second. Not for several threads."""

    rate: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = 0.0

    def wait_turn(self) -> None:
        """Return as soon as it is one's turn."""
        now = self.clock()
        turn = max(now, self._next)
        self._next = turn + 1 / self.rate
        if turn > now:
            self.sleep(turn - now)
