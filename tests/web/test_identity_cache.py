"""Values derived from an object are computed once, and live as long as the object."""

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest

from butaca.web.identity_cache import IdentityCache
from tests.builders import make_details


def counting_factory() -> tuple[list[int], Callable[[], int]]:
    """Return a list of results, and a function that appends the next integer to it."""
    results: list[int] = []

    def derive() -> int:
        results.append(len(results))
        return results[-1]

    return results, derive


def test_value_is_derived_once_per_object() -> None:
    results, derive = counting_factory()
    cache, movie = IdentityCache[int](), make_details()
    assert [cache(movie, derive) for _ in range(3)] == [0, 0, 0]
    assert results == [0]


def test_equal_objects_have_separate_entries() -> None:
    _, derive = counting_factory()
    cache, movie = IdentityCache[int](), make_details()
    twin = replace(movie)
    assert movie == twin
    assert [cache(movie, derive), cache(twin, derive)] == [0, 1]


def test_entry_is_removed_with_its_object() -> None:
    _, derive = counting_factory()
    cache, movie = IdentityCache[int](), make_details()
    cache(movie, derive)
    assert len(cache) == 1
    del movie
    gc.collect()
    assert len(cache) == 0


def test_failed_derivation_is_not_cached() -> None:
    _, derive = counting_factory()
    cache, movie = IdentityCache[int](), make_details()

    def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache(movie, fail)
    assert cache(movie, derive) == 0
