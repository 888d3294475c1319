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


def cached_keys(memory: MemoryCache, keys: str) -> str:
    """Return those of the keys that have an entry."""
    return "".join(key for key in keys if memory.get(key))


def test_value_can_be_read_back(memory: MemoryCache) -> None:
    memory.put("a", "one")

    assert memory.get("a") == CacheEntry("one", 0.0)


def test_unknown_key_is_a_miss(memory: MemoryCache) -> None:
    memory.put("a", "one")

    assert memory.get("b") is None


def test_none_is_a_valid_value(memory: MemoryCache) -> None:
    memory.put("a", None)

    assert memory.get("a") == CacheEntry(None, 0.0)


def test_last_value_wins(memory: MemoryCache) -> None:
    memory.put("a", "one")
    memory.put("a", "two")

    assert memory.get("a") == CacheEntry("two", 0.0)


def test_entry_ages_with_the_clock(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.advance(12.5)

    assert memory.get("a") == CacheEntry("one", 12.5)


def test_reading_does_not_reset_the_age(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.advance(10)
    memory.get("a")
    clock.advance(10)

    assert memory.get("a") == CacheEntry("one", 20.0)


def test_storing_again_resets_the_age(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.advance(10)
    memory.put("a", "one")

    assert memory.get("a") == CacheEntry("one", 0.0)


def test_entry_keeps_its_initial_age(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one", age=20)
    clock.advance(5)

    assert memory.get("a") == CacheEntry("one", 25.0)


def test_older_value_does_not_replace_a_newer_one(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "new")
    clock.advance(10)
    memory.put("a", "old", age=11)

    assert memory.get("a") == CacheEntry("new", 10.0)


def test_newer_value_replaces_an_older_one(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "old")
    clock.advance(10)
    memory.put("a", "new", age=9)

    assert memory.get("a") == CacheEntry("new", 9.0)


def test_entry_is_available_until_the_retention_ends(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.advance(DAY - 0.5)

    assert memory.get("a") == CacheEntry("one", DAY - 0.5)


def test_entry_expires_when_the_retention_ends(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    clock.advance(DAY)

    assert memory.get("a") is None


def test_initial_age_counts_toward_the_retention(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one", age=DAY - 10)
    clock.advance(10)

    assert memory.get("a") is None


def test_value_older_than_the_retention_is_a_miss(memory: MemoryCache) -> None:
    memory.put("a", "one", age=DAY)

    assert memory.get("a") is None


def test_expired_entry_makes_room_when_it_is_read(memory: MemoryCache, clock: FakeClock) -> None:
    memory.put("a", "one")
    memory.put("b", "two")
    memory.put("c", "three", age=DAY)
    memory.get("c")
    memory.put("d", "four")

    assert cached_keys(memory, "abcd") == "abd"


def test_cache_does_not_exceed_its_size(memory: MemoryCache) -> None:
    for key in "abcde":
        memory.put(key, key)

    assert cached_keys(memory, "abcde") == "cde"


def test_reading_protects_an_entry_from_eviction(memory: MemoryCache) -> None:
    for key in "abc":
        memory.put(key, key)
    memory.get("a")
    memory.put("d", "d")

    assert cached_keys(memory, "abcd") == "acd"


def test_storing_again_protects_an_entry_from_eviction(memory: MemoryCache) -> None:
    for key in "abca":
        memory.put(key, key)
    memory.put("d", "d")

    assert cached_keys(memory, "abcd") == "acd"


def test_replacing_a_value_evicts_nothing(memory: MemoryCache) -> None:
    for key in "abccc":
        memory.put(key, key)

    assert cached_keys(memory, "abc") == "abc"


def test_cache_of_size_zero_stores_nothing(clock: FakeClock) -> None:
    memory = MemoryCache(0, DAY, clock.monotonic)
    memory.put("a", "one")

    assert memory.get("a") is None


@given(st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"))))
def test_most_recently_used_entries_are_kept(size: int, operations: list[tuple[bool, str]]) -> None:
    memory, model = MemoryCache(size, DAY), list[str]()
    for is_write, key in operations:
        if is_write:
            memory.put(key, key)
        else:
            memory.get(key)
        if is_write or key in model:
            model = [*(other for other in model if other != key), key][-size:] if size else []

    assert cached_keys(memory, "abcdef") == "".join(sorted(model))


def test_default_clock_is_monotonic() -> None:
    memory = MemoryCache(3, DAY)
    started = time.monotonic()
    memory.put("a", "one")

    entry = memory.get("a")

    assert entry is not None
    assert 0 <= entry.age <= time.monotonic() - started


def test_cache_is_thread_safe(clock: FakeClock) -> None:
    memory, barrier = MemoryCache(5, DAY, clock.monotonic), Barrier(8, timeout=20)

    def read_and_write(thread: int) -> None:
        barrier.wait()
        for step in range(500):
            key = "abcdefgh"[(step * 7 + thread) % 8]
            memory.put(key, key, age=DAY * (step % 3))
            entry = memory.get(key)
            assert entry is None or entry.value == key

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(read_and_write, thread) for thread in range(8)]:
            future.result(20)

    assert len(cached_keys(memory, "abcdefgh")) <= 5
