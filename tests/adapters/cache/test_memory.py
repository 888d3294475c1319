"""The in-process cache: its size, its time-to-live and the age of its entries."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butaca.adapters.cache import MemoryCache
from butaca.adapters.cache.entries import CacheEntry
from tests.fakes import FakeClock

DAY = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(seconds=1_000_000.0)


@pytest.fixture
def memory(clock: FakeClock) -> MemoryCache:
    return MemoryCache(3, DAY, clock.monotonic)


def kept_of(memory: MemoryCache, keys: str) -> str:
    """Return the keys under which something is kept."""
    return "".join(key for key in keys if memory.get(key))


def test_what_was_put_is_kept(memory: MemoryCache) -> None:
    memory.put("a", "one")

    assert memory.get("a") == CacheEntry("one", 0.0)


def test_an_unknown_key_is_nothing(memory: MemoryCache) -> None:
    memory.put("a", "one")

    assert memory.get("b") is None


def test_nothing_is_an_answer_like_any_other(memory: MemoryCache) -> None:
    memory.put("a", None)

    assert memory.get("a") == CacheEntry(None, 0.0)


def test_what_was_put_last_counts(memory: MemoryCache) -> None:
    memory.put("a", "one")
    memory.put("a", "two")

    assert memory.get("a") == CacheEntry("two", 0.0)


def test_an_answer_ages(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.move(12.5)

    assert memory.get("a") == CacheEntry("one", 12.5)


def test_reading_makes_nothing_younger(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.move(10)
    memory.get("a")
    clock.move(10)

    assert memory.get("a") == CacheEntry("one", 20.0)


def test_putting_again_makes_an_answer_young(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.move(10)
    memory.put("a", "one")

    assert memory.get("a") == CacheEntry("one", 0.0)


def test_an_answer_brings_the_age_that_it_has(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one", age=20)
    clock.move(5)

    assert memory.get("a") == CacheEntry("one", 25.0)


def test_an_older_answer_does_not_replace_a_younger_one(
    memory: MemoryCache, clock: FakeClock
) -> None:
    memory.put("a", "young")
    clock.move(10)
    memory.put("a", "old", age=11)

    assert memory.get("a") == CacheEntry("young", 10.0)


def test_a_younger_answer_replaces_an_older_one(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "old")
    clock.move(10)
    memory.put("a", "young", age=9)

    assert memory.get("a") == CacheEntry("young", 9.0)


def test_an_answer_is_kept_until_it_was_kept_long_enough(
    memory: MemoryCache, clock: FakeClock
) -> None:
    memory.put("a", "one")
    clock.move(DAY - 0.5)

    assert memory.get("a") == CacheEntry("one", DAY - 0.5)


def test_an_answer_is_gone_when_it_was_kept_long_enough(
    memory: MemoryCache, clock: FakeClock
) -> None:
    memory.put("a", "one")
    clock.move(DAY)

    assert memory.get("a") is None


def test_the_age_that_was_brought_counts_against_what_is_kept(
    memory: MemoryCache, clock: FakeClock
) -> None:
    memory.put("a", "one", age=DAY - 10)
    clock.move(10)

    assert memory.get("a") is None


def test_what_is_too_old_to_be_kept_is_not(memory: MemoryCache) -> None:
    memory.put("a", "one", age=DAY)

    assert memory.get("a") is None


def test_what_was_kept_long_enough_makes_room(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one", age=DAY)
    memory.put("b", "two")
    memory.put("c", "three")
    memory.get("a")
    memory.put("d", "four")

    assert kept_of(memory, "abcd") == "bcd"


def test_no_more_is_kept_than_there_is_room_for(memory: MemoryCache) -> None:
    for key in "abcde":
        memory.put(key, key)

    assert kept_of(memory, "abcde") == "cde"


def test_what_was_read_longest_ago_goes_first(memory: MemoryCache) -> None:
    for key in "abc":
        memory.put(key, key)
    memory.get("a")
    memory.put("d", "d")

    assert kept_of(memory, "abcd") == "acd"


def test_what_was_put_longest_ago_goes_first(memory: MemoryCache) -> None:
    for key in "abca":
        memory.put(key, key)
    memory.put("d", "d")

    assert kept_of(memory, "abcd") == "acd"


def test_what_replaces_takes_no_room(memory: MemoryCache) -> None:
    for key in "abccc":
        memory.put(key, key)

    assert kept_of(memory, "abc") == "abc"


def test_without_room_nothing_is_kept(clock: FakeClock) -> None:
    memory = MemoryCache(0, DAY, clock.monotonic)
    memory.put("a", "one")

    assert memory.get("a") is None


@given(st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"))))
def test_it_is_the_last_used_that_are_kept(size: int, uses: list[tuple[bool, str]]) -> None:
    memory, model = MemoryCache(size, DAY), list[str]()
    for is_put, key in uses:
        if is_put:
            memory.put(key, key)
        else:
            memory.get(key)
        if is_put or key in model:
            model = [*(each for each in model if each != key), key][-size:] if size else []

    assert kept_of(memory, "abcdef") == "".join(sorted(model))


def test_its_own_clock_goes_forward() -> None:
    memory = MemoryCache(3, DAY)
    started = time.monotonic()
    memory.put("a", "one")

    kept = memory.get("a")

    assert kept is not None
    assert 0 <= kept.age <= time.monotonic() - started


def test_threads_share_it_without_harm(clock: FakeClock) -> None:
    memory, barrier = MemoryCache(5, DAY, clock.monotonic), Barrier(8, timeout=20)

    def use(thread: int) -> None:
        barrier.wait()
        for step in range(500):
            key = "abcdefgh"[(step * 7 + thread) % 8]
            memory.put(key, key, age=DAY * (step % 3))
            found = memory.get(key)
            assert found is None or found.value == key

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(use, thread) for thread in range(8)]:
            future.result(20)

    assert len(kept_of(memory, "abcdefgh")) <= 5
