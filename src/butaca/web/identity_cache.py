"""Values that are derived from an object once and live as long as the object."""

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class IdentityCache(Generic[T]):
    """Caches the values derived from objects, by the identity of each object.

    Entities compare by all their nested fields, which takes longer than deriving the value.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[object], T]] = {}

    def __call__(self, source: object, derive: Callable[[], T]) -> T:
        """Return the value cached for an object, or derive it."""
        key = id(source)
        entry = self._entries.get(key)
        if entry and entry[0]() is source:
            return entry[1]
        value = derive()
        self._entries[key] = (weakref.ref(source, lambda _: self._entries.pop(key, None)), value)
        return value

    def __len__(self) -> int:
        return len(self._entries)
