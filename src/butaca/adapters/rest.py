"""The rest that somebody who is away gets, so that an outage costs one call and not each."""

import threading
import time
from collections.abc import Callable


class Rest:
    """Whether to call somebody who may be away.

    After a failure nobody calls for `seconds`; then one tries, and the others go on without
    until its verdict. Who gives none holds them back for `longest_try` seconds.
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
        """Whether the last call that somebody made went well."""
        return self._is_up

    def may_try(self) -> bool:
        """Tell whether to call now; whoever may says afterwards how it went."""
        if self._is_up:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._longest_try
            return True

    def failed(self) -> bool:
        """Begin a rest; tell whether that is news."""
        with self._lock:
            was_up, self._is_up = self._is_up, False
            self._next_try = self._clock() + self._seconds
        return was_up

    def succeeded(self) -> bool:
        """Let everybody call; tell whether that is news."""
        if self._is_up:
            return False
        with self._lock:
            was_up, self._is_up = self._is_up, True
            self._next_try = 0.0
        return not was_up
