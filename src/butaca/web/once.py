"""What is made of an object once, and lives as long as it does."""

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Remembers what was made of objects, each by what it is and not by what it equals.

    Entities compare by all they hold, nested as they are: comparing takes longer than making.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[weakref.ref[object], T]] = {}

    def __call__(self, thing: object, make: Callable[[], T]) -> T:
        """Return what was made of a thing, or make it."""
        number = id(thing)
        remembered = self._made.get(number)
        if remembered and remembered[0]() is thing:
            return remembered[1]
        made = make()
        self._made[number] = (weakref.ref(thing, lambda _: self._made.pop(number, None)), made)
        return made

    def __len__(self) -> int:
        return len(self._made)
