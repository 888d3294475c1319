"""The two cache layers: which one is read, and which entry wins."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from butaca.adapters.cache import MemoryCache, TieredCache
from butaca.adapters.cache.entries import CacheEntry
from butaca.adapters.cache.tiered import Call, Codec
from butaca.core.models import Fetched, Freshness, MovieRecord
from tests.builders import make_record, make_translation
from tests.fakes import FakeCache, FakeClock

TTL, DAY = 30, 86_400
CODEC: Codec[MovieRecord] = Codec(MovieRecord)
OLD, NEW = make_record(550, title="Old"), make_record(550, title="New")
CALL = Call("record:550", CODEC, lambda: Fetched(OLD, Freshness()))


@dataclass
class CountingCache(FakeCache):
    """A cache that counts its reads."""

    reads: int = 0

    def get(self, key: str) -> CacheEntry[bytes] | None:
        self.reads += 1
        return super().get(key)


@dataclass
class Pods:
    """Two pods on one cache."""

    cache: CountingCache = field(default_factory=CountingCache)

    def __post_init__(self) -> None:
        self.clock: FakeClock = self.cache.clock
        self.one, self.other = self.make_pod(), self.make_pod()

    def make_pod(self) -> TieredCache:
        return TieredCache(MemoryCache(10, DAY, self.clock.monotonic), self.cache, TTL)


@pytest.fixture
def pods() -> Pods:
    return Pods()


def test_unknown_call_is_a_miss(pods: Pods) -> None:
    assert pods.one.get(CALL) is None


def test_stored_response_is_found(pods: Pods) -> None:
    assert pods.one.put(CALL, OLD) is True

    assert pods.one.get(CALL) == CacheEntry(OLD, 0.0)


def test_response_stored_by_one_pod_is_found_by_all(pods: Pods) -> None:
    pods.one.put(CALL, OLD)

    assert pods.other.get(CALL) == CacheEntry(OLD, 0.0)


def test_missing_movie_is_found_by_all_pods(pods: Pods) -> None:
    pods.one.put(CALL, None)

    assert pods.other.get(CALL) == CacheEntry(None, 0.0)


def test_fresh_memory_entry_skips_redis(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL - 0.5)

    assert pods.one.get(CALL) == CacheEntry(OLD, TTL - 0.5)
    assert pods.cache.reads == 0


def test_fresh_redis_entry_is_copied_to_memory(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.other.get(CALL)
    pods.other.get(CALL)

    assert pods.cache.reads == 1


def test_copied_entry_keeps_its_age(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(20)
    pods.other.get(CALL)
    pods.clock.advance(9.5)

    assert pods.other.get(CALL) == CacheEntry(OLD, 29.5)
    assert pods.cache.reads == 1


def test_copied_entry_expires_at_the_same_time(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(20)
    pods.other.get(CALL)
    pods.clock.advance(10)

    entry = pods.other.get(CALL)

    assert entry == CacheEntry(OLD, 30.0)
    assert not pods.other.is_fresh(entry)
    assert pods.cache.reads == 2


def test_newer_redis_entry_replaces_a_stale_memory_entry(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL)
    pods.other.put(CALL, NEW)
    pods.clock.advance(3)

    assert pods.one.get(CALL) == CacheEntry(NEW, 3.0)


def test_same_entry_is_stale_in_both_layers(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL + 3)

    assert pods.one.get(CALL) == CacheEntry(OLD, TTL + 3.0)
    assert pods.cache.reads == 1


def test_stale_redis_entry_is_found(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL + 3)

    assert pods.other.get(CALL) == CacheEntry(OLD, TTL + 3.0)


def test_stale_memory_entry_is_found_without_redis(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL + 3)
    pods.cache.is_down = True

    assert pods.one.get(CALL) == CacheEntry(OLD, TTL + 3.0)


def test_copied_stale_entry_is_found_without_redis(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL)
    pods.other.get(CALL)
    pods.cache.is_down = True
    pods.clock.advance(1)

    assert pods.other.get(CALL) == CacheEntry(OLD, TTL + 1.0)


def test_response_is_stored_in_memory_without_redis(pods: Pods) -> None:
    pods.cache.is_down = True

    assert pods.one.put(CALL, OLD) is False
    assert pods.one.get(CALL) == CacheEntry(OLD, 0.0)
    assert pods.other.get(CALL) is None


def test_older_entry_of_a_recovered_redis_is_ignored(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL)
    pods.cache.is_down = True
    pods.one.put(CALL, NEW)
    pods.clock.advance(TTL)
    pods.cache.is_down = False

    assert pods.one.get(CALL) == CacheEntry(NEW, float(TTL))
    assert pods.one.get(CALL) == CacheEntry(NEW, float(TTL))


def test_empty_recovered_redis_does_not_clear_memory(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL)
    pods.cache.entries.clear()

    assert pods.one.get(CALL) == CacheEntry(OLD, float(TTL))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'"text"', b"\x80\x04"])
def test_unreadable_entry_is_a_miss(pods: Pods, body: bytes) -> None:
    pods.cache.put(CALL.key, body)

    assert pods.one.get(CALL) is None


def test_unreadable_redis_entry_does_not_hide_the_memory_entry(pods: Pods) -> None:
    pods.one.put(CALL, OLD)
    pods.clock.advance(TTL)
    pods.cache.put(CALL.key, b"garbage")

    assert pods.one.get(CALL) == CacheEntry(OLD, float(TTL))


def test_entry_is_fresh_until_the_ttl(pods: Pods) -> None:
    assert pods.one.is_fresh(CacheEntry(OLD, 0.0))
    assert pods.one.is_fresh(CacheEntry(None, TTL - 0.001))
    assert not pods.one.is_fresh(CacheEntry(OLD, float(TTL)))


def test_lease_is_exclusive_across_pods(pods: Pods) -> None:
    with pods.one.lease(CALL, 10) as (one, _), pods.other.lease(CALL, 10) as (other, _):
        assert (one.is_leader, other.is_leader) == (True, False)


@given(st.none() | st.builds(lambda n, t: make_record(n, title=t), st.integers(1), st.text()))
def test_codec_round_trips_any_record(record: MovieRecord | None) -> None:
    assert CODEC.decode(CODEC.encode(record)) == record


def test_codec_round_trips_nested_values() -> None:
    record = make_record(1, make_translation("es", "ES"), release_date=None, runtime=None)

    assert CODEC.decode(CODEC.encode(record)) == record


STEPS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 1)),
    st.tuples(st.just("get"), st.integers(0, 1)),
    st.tuples(st.just("move"), st.integers(1, 40)),
    st.tuples(st.just("outage"), st.integers(0, 1)),
)


@given(st.lists(STEPS))
def test_age_of_an_entry_is_always_correct(steps: list[tuple[str, int]]) -> None:
    pods = Pods()
    both, created_at = (pods.one, pods.other), dict[str, float]()
    for number, (step, choice) in enumerate(steps):
        match step:
            case "put":
                created_at[str(number)] = pods.clock.seconds
                both[choice].put(CALL, make_record(550, title=str(number)))
            case "move":
                pods.clock.advance(choice)
            case "outage":
                pods.cache.is_down = bool(choice)
            case _:
                assert_age_is_correct(both[choice].get(CALL), created_at, pods.clock.seconds)


def assert_age_is_correct(
    entry: CacheEntry[Any] | None, created_at: dict[str, float], now: float
) -> None:
    if entry is not None:
        assert entry.age == now - created_at[entry.value.details.title]


def test_lookups_are_counted_by_layer_and_result() -> None:
    registry, cache = CollectorRegistry(), FakeCache()
    layers = TieredCache(MemoryCache(10, DAY, cache.clock.monotonic), cache, TTL, registry)
    layers.get(CALL)
    layers.put(CALL, OLD)
    layers.get(CALL)
    cache.clock.advance(TTL)
    layers.get(CALL)

    assert lookups(registry) == {
        ("memory", "miss"): 1,
        ("redis", "miss"): 1,
        ("memory", "fresh"): 1,
        ("memory", "stale"): 1,
        ("redis", "stale"): 1,
        ("redis", "fresh"): 0,
    }


def lookups(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    (metric,) = registry.collect()
    return {
        (sample.labels["layer"], sample.labels["result"]): sample.value
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
