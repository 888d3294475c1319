"""A circuit breaker, so that an outage costs one call its timeout, and not every call."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Decides whether to call a service that may be unavailable.

    After a failure, no calls are made for `seconds`. Then one caller tries, and the others do
    without until it reports the result. If it reports none, they are held back for `longest_try`
    seconds.
    """

    def __init__(
        self, seconds: float, longest_try: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._longest_try = longest_try
        self._clock = clock
        self._lock = threading.Lock()
        self._is_up = True
        self._next_try = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the last reported call succeeded."""
        return self._is_up

    def allows_call(self) -> bool:
        """Return whether to call now. A caller that may must report how the call ended."""
        if self._is_up:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._longest_try
            return True

    def failed(self) -> bool:
        """Report a failure and start a rest; return whether the service was up before."""
        with self._lock:
            was_up, self._is_up = self._is_up, False
            self._next_try = self._clock() + self._seconds
        return was_up

    def succeeded(self) -> bool:
        """Report a success and let everybody call; return whether the service was down before."""
        if self._is_up:
            return False
        with self._lock:
            was_up, self._is_up = self._is_up, True
            self._next_try = 0.0
        return not was_up
