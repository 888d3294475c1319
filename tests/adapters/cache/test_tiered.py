"""The two cache layers: which one is read, and which one wins."""

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
FORM: Codec[MovieRecord] = Codec(MovieRecord)
OLD, NEW = make_record(550, title="Old"), make_record(550, title="New")
CALL = Call("record:550", FORM, lambda: Fetched(OLD, Freshness()))


@dataclass
class CountingCache(FakeCache):
    """A cache that counts how often it is asked."""

    asked: int = 0

    def get(self, key: str) -> CacheEntry[bytes] | None:
        self.asked += 1
        return super().get(key)


@dataclass
class Pods:
    """Two pods on one cache."""

    cache: CountingCache = field(default_factory=CountingCache)

    def __post_init__(self) -> None:
        self.clock: FakeClock = self.cache.clock
        self.one, self.other = self.pod(), self.pod()

    def pod(self) -> TieredCache:
        return TieredCache(MemoryCache(10, DAY, self.clock.monotonic), self.cache, TTL)


@pytest.fixture
def pods() -> Pods:
    return Pods()


def test_what_was_never_kept_is_nothing(pods: Pods) -> None:
    assert pods.one.find(CALL) is None


def test_what_is_kept_is_found(pods: Pods) -> None:
    assert pods.one.keep(CALL, OLD) is True

    assert pods.one.find(CALL) == CacheEntry(OLD, 0.0)


def test_what_a_pod_keeps_all_pods_find(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)

    assert pods.other.find(CALL) == CacheEntry(OLD, 0.0)


def test_that_there_is_no_such_movie_is_found_by_all_pods(pods: Pods) -> None:
    pods.one.keep(CALL, None)

    assert pods.other.find(CALL) == CacheEntry(None, 0.0)


def test_while_memory_is_fresh_the_cache_is_not_asked(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL - 0.5)

    assert pods.one.find(CALL) == CacheEntry(OLD, TTL - 0.5)
    assert pods.cache.asked == 0


def test_what_was_found_fresh_is_remembered(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.other.find(CALL)
    pods.other.find(CALL)

    assert pods.cache.asked == 1


def test_what_was_found_is_remembered_with_its_age(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(20)
    pods.other.find(CALL)
    pods.clock.move(9.5)

    assert pods.other.find(CALL) == CacheEntry(OLD, 29.5)
    assert pods.cache.asked == 1


def test_memory_is_never_fresher_than_the_cache(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(20)
    pods.other.find(CALL)
    pods.clock.move(10)

    found = pods.other.find(CALL)

    assert found == CacheEntry(OLD, 30.0)
    assert not pods.other.is_fresh(found)
    assert pods.cache.asked == 2


def test_when_memory_is_stale_the_newer_answer_of_the_cache_counts(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL)
    pods.other.keep(CALL, NEW)
    pods.clock.move(3)

    assert pods.one.find(CALL) == CacheEntry(NEW, 3.0)


def test_when_memory_is_stale_so_is_the_same_answer_of_the_cache(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL + 3)

    assert pods.one.find(CALL) == CacheEntry(OLD, TTL + 3.0)
    assert pods.cache.asked == 1


def test_a_stale_answer_of_the_cache_is_found(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL + 3)

    assert pods.other.find(CALL) == CacheEntry(OLD, TTL + 3.0)


def test_while_the_cache_is_away_what_is_stale_in_memory_is_found(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL + 3)
    pods.cache.is_away = True

    assert pods.one.find(CALL) == CacheEntry(OLD, TTL + 3.0)


def test_what_was_stale_in_the_cache_is_remembered_while_it_is_away(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL)
    pods.other.find(CALL)
    pods.cache.is_away = True
    pods.clock.move(1)

    assert pods.other.find(CALL) == CacheEntry(OLD, TTL + 1.0)


def test_what_the_cache_does_not_keep_is_remembered(pods: Pods) -> None:
    pods.cache.is_away = True

    assert pods.one.keep(CALL, OLD) is False
    assert pods.one.find(CALL) == CacheEntry(OLD, 0.0)
    assert pods.other.find(CALL) is None


def test_a_cache_that_comes_back_with_an_older_answer_does_not_win(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL)
    pods.cache.is_away = True
    pods.one.keep(CALL, NEW)
    pods.clock.move(TTL)
    pods.cache.is_away = False

    assert pods.one.find(CALL) == CacheEntry(NEW, float(TTL))
    assert pods.one.find(CALL) == CacheEntry(NEW, float(TTL))


def test_a_cache_that_comes_back_empty_takes_nothing_away(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL)
    pods.cache.entries.clear()

    assert pods.one.find(CALL) == CacheEntry(OLD, float(TTL))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'"text"', b"\x80\x04"])
def test_an_unreadable_entry_is_a_miss(pods: Pods, body: bytes) -> None:
    pods.cache.put(CALL.key, body)

    assert pods.one.find(CALL) is None


def test_an_unreadable_entry_does_not_hide_what_is_remembered(pods: Pods) -> None:
    pods.one.keep(CALL, OLD)
    pods.clock.move(TTL)
    pods.cache.put(CALL.key, b"garbage")

    assert pods.one.find(CALL) == CacheEntry(OLD, float(TTL))


def test_an_answer_is_fresh_for_the_ttl(pods: Pods) -> None:
    assert pods.one.is_fresh(CacheEntry(OLD, 0.0))
    assert pods.one.is_fresh(CacheEntry(None, TTL - 0.001))
    assert not pods.one.is_fresh(CacheEntry(OLD, float(TTL)))


def test_leading_is_leading_over_all_pods(pods: Pods) -> None:
    with pods.one.lease(CALL, 10) as (one, _), pods.other.lease(CALL, 10) as (other, _):
        assert (one.leads, other.leads) == (True, False)


@given(st.none() | st.builds(lambda n, t: make_record(n, title=t), st.integers(1), st.text()))
def test_a_form_reads_what_it_wrote(record: MovieRecord | None) -> None:
    assert FORM.read(FORM.write(record)) == record


def test_a_form_keeps_what_is_within() -> None:
    record = make_record(1, make_translation("es", "ES"), release_date=None, runtime=None)

    assert FORM.read(FORM.write(record)) == record


STEPS = st.one_of(
    st.tuples(st.just("keep"), st.integers(0, 1)),
    st.tuples(st.just("find"), st.integers(0, 1)),
    st.tuples(st.just("move"), st.integers(1, 40)),
    st.tuples(st.just("away"), st.integers(0, 1)),
)


@given(st.lists(STEPS))
def test_what_is_found_is_as_old_as_it_is(steps: list[tuple[str, int]]) -> None:
    pods = Pods()
    both, born = (pods.one, pods.other), dict[str, float]()
    for number, (step, choice) in enumerate(steps):
        match step:
            case "keep":
                born[str(number)] = pods.clock.seconds
                both[choice].keep(CALL, make_record(550, title=str(number)))
            case "move":
                pods.clock.move(choice)
            case "away":
                pods.cache.is_away = bool(choice)
            case _:
                assert_true_age(both[choice].find(CALL), born, pods.clock.seconds)


def assert_true_age(found: CacheEntry[Any] | None, born: dict[str, float], now: float) -> None:
    if found is not None:
        assert found.age == now - born[found.value.details.title]


def test_what_is_found_is_counted_by_layer() -> None:
    registry, cache = CollectorRegistry(), FakeCache()
    layers = TieredCache(MemoryCache(10, DAY, cache.clock.monotonic), cache, TTL, registry)
    layers.find(CALL)
    layers.keep(CALL, OLD)
    layers.find(CALL)
    cache.clock.move(TTL)
    layers.find(CALL)

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
