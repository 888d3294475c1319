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
        self._made: dict[int, tuple[weakref.ref[object], T]] = {}

    def __call__(self, thing: object, make: Callable[[], T]) -> T:
        """Return the value cached for an object, or derive it."""
        number = id(thing)
        remembered = self._made.get(number)
        if remembered and remembered[0]() is thing:
            return remembered[1]
        made = make()
        self._made[number] = (weakref.ref(thing, lambda _: self._made.pop(number, None)), made)
        return made

    def __len__(self) -> int:
        return len(self._made)
