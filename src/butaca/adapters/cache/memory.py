"""The in-memory cache of a process, which works without Redis."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from butaca.adapters.cache.entries import CacheEntry


class MemoryCache:
    """An LRU cache of at most `size` values, each of which expires after `retention` seconds.

    A value copied from another cache keeps its age, so that it is never fresher here.
    """

    def __init__(
        self, size: int, retention: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._retention = retention
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[object, float]] = OrderedDict()

    def get(self, key: str) -> CacheEntry[object] | None:
        """Return the latest entry for a key, fresh or stale."""
        with self._lock:
            if (found := self._entries.get(key)) is None:
                return None
            value, created_at = found
            age = self._clock() - created_at
            if age >= self._retention:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return CacheEntry(value, age)

    def drop(self, key: str) -> None:
        """Remove the entry for a key."""
        with self._lock:
            self._entries.pop(key, None)

    def put(self, key: str, value: object, age: float = 0.0) -> None:
        """Store a value that is `age` seconds old, unless a newer one is stored."""
        created_at = self._clock() - age
        with self._lock:
            if (found := self._entries.get(key)) and found[1] > created_at:
                return
            self._entries[key] = (value, created_at)
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)
