"""Client-side rate limiting."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Throttle:
    """Spaces calls evenly, at most `rate` per second. Not thread-safe."""

    rate: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = 0.0

    def wait(self) -> None:
        """Block until the next call is allowed."""
        now = self.clock()
        start = max(now, self._next)
        self._next = start + 1 / self.rate
        if start > now:
            self.sleep(start - now)
