"""A circuit breaker, so that an outage costs one call its timeout, and not every call."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Decides whether to call a service that may be unavailable.

    After a failure, no calls are made for `cooldown` seconds. Then a single probe is allowed, and
    no other call until its result is recorded. If none is recorded, the next probe is allowed after
    `probe_timeout` seconds.
    """

    def __init__(
        self, cooldown: float, probe_timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cooldown = cooldown
        self._probe_timeout = probe_timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._is_up = True
        self._next_call_at = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the last recorded call succeeded."""
        return self._is_up

    def allows_call(self) -> bool:
        """Return whether a call may be made now. The caller must then record its result."""
        if self._is_up:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_call_at:
                return False
            self._next_call_at = now + self._probe_timeout
            return True

    def record_failure(self) -> bool:
        """Start a cooldown; return whether the service was up before."""
        with self._lock:
            was_up, self._is_up = self._is_up, False
            self._next_call_at = self._clock() + self._cooldown
        return was_up

    def record_success(self) -> bool:
        """Allow all calls; return whether the service was down before."""
        if self._is_up:
            return False
        with self._lock:
            was_up, self._is_up = self._is_up, True
            self._next_call_at = 0.0
        return not was_up
