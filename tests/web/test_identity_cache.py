"""Values derived from an object are computed once, and live as long as the object."""

import gc
from collections.abc import Callable
from dataclasses import replace

from butaca.web.identity_cache import IdentityCache
from tests.builders import make_details


def counting() -> tuple[list[int], Callable[[], int]]:
    """Return what has been made so far, and what makes one more."""
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    return made, make


def test_what_was_made_of_an_object_is_made_once() -> None:
    made, make = counting()
    once, movie = IdentityCache[int](), make_details()
    assert [once(movie, make) for _ in range(3)] == [0, 0, 0]
    assert made == [0]


def test_an_equal_object_is_another_one() -> None:
    _, make = counting()
    once, movie = IdentityCache[int](), make_details()
    twin = replace(movie)
    assert movie == twin
    assert [once(movie, make), once(twin, make)] == [0, 1]


def test_what_was_made_of_an_object_is_forgotten_with_it() -> None:
    _, make = counting()
    once, movie = IdentityCache[int](), make_details()
    once(movie, make)
    assert len(once) == 1
    del movie
    gc.collect()
    assert len(once) == 0


def test_what_cannot_be_made_is_tried_again() -> None:
    made, make = counting()
    once, movie = IdentityCache[int](), make_details()

    def fail() -> int:
        raise ValueError

    try:
        once(movie, fail)
    except ValueError:
        once(movie, make)
    assert made == [0]
