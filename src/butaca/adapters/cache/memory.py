"""The newest answers of this process: nobody is asked for them, and Redis may be away."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from butaca.adapters.cache.entries import Kept


class Memory:
    """At most `size` answers, each for `kept_for` seconds; what was used longest ago goes first.

    An answer brings the age that it has elsewhere, so that it is never fresher here than there.
    """

    def __init__(
        self, size: int, kept_for: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._kept_for = kept_for
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, tuple[object, float]] = OrderedDict()

    def get(self, key: str) -> Kept[object] | None:
        """Return what was put last under a key, fresh or stale."""
        with self._lock:
            if (found := self._answers.get(key)) is None:
                return None
            value, born = found
            age = self._clock() - born
            if age >= self._kept_for:
                del self._answers[key]
                return None
            self._answers.move_to_end(key)
            return Kept(value, age)

    def drop(self, key: str) -> None:
        """Keep nothing under a key."""
        with self._lock:
            self._answers.pop(key, None)

    def put(self, key: str, value: object, age: float = 0.0) -> None:
        """Keep an answer that is `age` seconds old, unless a younger one is kept."""
        born = self._clock() - age
        with self._lock:
            if (found := self._answers.get(key)) and found[1] > born:
                return
            self._answers[key] = (value, born)
            self._answers.move_to_end(key)
            if len(self._answers) > self._size:
                self._answers.popitem(last=False)
