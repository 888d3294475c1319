"""The in-memory cache of a process, which works without Redis."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from butaca.adapters.cache.entries import CacheEntry


class MemoryCache:
    """An LRU cache of at most `size` answers, each of which expires after `kept_for` seconds.

    An answer is stored with the age that it has elsewhere, so that it is never fresher here.
    """

    def __init__(
        self, size: int, kept_for: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._kept_for = kept_for
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, tuple[object, float]] = OrderedDict()

    def get(self, key: str) -> CacheEntry[object] | None:
        """Return the latest answer for a key, fresh or stale."""
        with self._lock:
            if (found := self._answers.get(key)) is None:
                return None
            value, born = found
            age = self._clock() - born
            if age >= self._kept_for:
                del self._answers[key]
                return None
            self._answers.move_to_end(key)
            return CacheEntry(value, age)

    def drop(self, key: str) -> None:
        """Remove the answer for a key."""
        with self._lock:
            self._answers.pop(key, None)

    def put(self, key: str, value: object, age: float = 0.0) -> None:
        """Store an answer that is `age` seconds old, unless a newer one is stored."""
        born = self._clock() - age
        with self._lock:
            if (found := self._answers.get(key)) and found[1] > born:
                return
            self._answers[key] = (value, born)
            self._answers.move_to_end(key)
            if len(self._answers) > self._size:
                self._answers.popitem(last=False)
