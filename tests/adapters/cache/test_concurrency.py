"""Concurrent requests to the cached catalogue: one calls, the others hit, wait or are rejected."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Barrier, Semaphore
from typing import Any

import pytest

from butaca.adapters.bulkhead import Bulkhead
from butaca.adapters.cache import (
    CachedCatalogue,
    MemoryCache,
    RedisCache,
    SharedHealth,
    SingleFlight,
    TieredCache,
)
from butaca.adapters.cache.entries import Lease
from butaca.adapters.deadline import deadline_in, seconds_left
from butaca.adapters.redis import RedisLink
from butaca.core.errors import (
    CatalogueBusy,
    CatalogueTimedOut,
    CatalogueUnavailable,
    MovieNotFound,
)
from butaca.core.models import Fetched, Freshness, Source
from tests.adapters.cache.harness import (
    COOLDOWN,
    DAY,
    FETCHES,
    KEY,
    POPULAR,
    PROBE_TIMEOUT,
    TIMEOUT,
    TTL,
    Fetch,
    GatedCatalogue,
    Harness,
    WatchedClock,
    populate,
)
from tests.fakes import FakeCache, FakeCatalogue
from tests.redis_time import advance_redis
from tests.waiting import wait_until

THREADS = 16


class GatedHarness(Harness):
    """A harness whose upstream has a gate, and whose clock records the threads that read it."""

    upstream: GatedCatalogue
    clock: WatchedClock

    def __init__(self, **changes: Any) -> None:
        upstream = GatedCatalogue()
        super().__init__(FakeCache(WatchedClock()), upstream, **{"slow_after": TIMEOUT, **changes})

    def cache_and_expire(self) -> Fetched[Any]:
        self.upstream.gate.set()
        cached = super().cache_and_expire()
        self.upstream.gate.clear()
        self.upstream.wait_for_call()
        self.clock.readers.clear()
        return cached


@pytest.fixture
def gated() -> GatedHarness:
    return GatedHarness()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def start_fetches(
    pool: ThreadPoolExecutor, gated: GatedHarness, fetch: Fetch = FETCHES["popular"]
) -> list[Future[Fetched[Any]]]:
    """Start many equal requests without an entry; return when one calls upstream."""
    futures = [pool.submit(fetch, gated.cached) for _ in range(THREADS)]
    gated.clock.wait_for(threads=THREADS)
    gated.upstream.wait_for_call()
    return futures


def source_of(future: Future[Fetched[Any]]) -> Source:
    return future.result(TIMEOUT).freshness.source


# --- without an entry ----------------------------------------------------------------------


def test_concurrent_misses_make_one_call(
    gated: GatedHarness, pool: ThreadPoolExecutor, fetch: Fetch
) -> None:
    futures = start_fetches(pool, gated, fetch)
    gated.upstream.gate.set()

    fetched = [future.result(TIMEOUT) for future in futures]

    assert gated.calls == 1
    assert all(each.value == fetched[0].value for each in fetched)
    freshness = [each.freshness for each in fetched]
    assert freshness.count(Freshness(Source.MISS, ttl=TTL, stored=True)) == 1
    assert freshness.count(Freshness(Source.COLLAPSED, ttl=TTL, stored=True)) == THREADS - 1


def test_unsynchronized_requests_make_one_call(pool: ThreadPoolExecutor) -> None:
    harness, barrier = Harness(), Barrier(THREADS, timeout=TIMEOUT)

    def fetch() -> Source:
        barrier.wait()
        return harness.popular().freshness.source

    sources = [each.result(TIMEOUT) for each in [pool.submit(fetch) for _ in range(THREADS)]]

    assert harness.calls == 1
    assert sources.count(Source.MISS) == 1
    assert set(sources) <= {Source.MISS, Source.COLLAPSED, Source.HIT}


def test_concurrent_misses_make_one_call_without_redis(
    gated: GatedHarness, pool: ThreadPoolExecutor
) -> None:
    gated.cache.is_down = True
    futures = start_fetches(pool, gated)
    gated.upstream.gate.set()

    sources = [source_of(future) for future in futures]

    assert gated.calls == 1
    assert sources.count(Source.MISS) == 1
    assert sources.count(Source.COLLAPSED) == THREADS - 1


def test_different_calls_run_in_parallel(pool: ThreadPoolExecutor) -> None:
    gated = GatedHarness(slots=len(FETCHES))
    futures = [pool.submit(fetch, gated.cached) for fetch in FETCHES.values()]
    for _ in FETCHES:
        gated.upstream.wait_for_call()
    gated.upstream.gate.set()

    assert [source_of(future) for future in futures] == [Source.MISS] * len(FETCHES)


def test_followers_get_the_failure_of_the_leader(
    gated: GatedHarness, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    failure = gated.break_upstream(CatalogueTimedOut())
    futures = start_fetches(pool, gated)
    gated.upstream.gate.set()

    for future in futures:
        caught = future.exception(TIMEOUT)
        assert type(caught) is type(failure)
        assert vars(caught) == vars(failure)
    assert failure.retry_after == COOLDOWN
    assert gated.calls == 1
    assert len(caplog.records) == 1


def test_followers_of_a_missing_movie_get_not_found(
    gated: GatedHarness, pool: ThreadPoolExecutor
) -> None:
    gated.upstream.records.clear()
    futures = start_fetches(pool, gated, FETCHES["details"])
    gated.upstream.gate.set()

    assert [type(future.exception(TIMEOUT)) for future in futures] == [MovieNotFound] * THREADS
    assert gated.calls == 1


def test_next_request_calls_upstream_after_an_unexpected_error(buggy_harness: Harness) -> None:
    with pytest.raises(ZeroDivisionError):
        buggy_harness.popular()
    with pytest.raises(ZeroDivisionError):
        buggy_harness.popular()

    assert buggy_harness.calls == 2
    assert buggy_harness.cache.leased == set()


@pytest.fixture
def buggy_harness() -> Harness:
    """A harness whose upstream has a bug."""

    class BuggyCatalogue(FakeCatalogue):
        def _called(self, what: object) -> None:
            super()._called(what)
            raise ZeroDivisionError

    return Harness(upstream=BuggyCatalogue())


# --- with a stale entry --------------------------------------------------------------------


def test_other_requests_get_the_stale_entry_during_a_call(
    gated: GatedHarness, pool: ThreadPoolExecutor
) -> None:
    cached = gated.cache_and_expire()
    leader = pool.submit(gated.popular)
    gated.upstream.wait_for_call()

    others = [pool.submit(gated.popular) for _ in range(THREADS - 1)]
    fetched = [other.result(TIMEOUT) for other in others]

    assert not leader.done()
    assert {each.freshness for each in fetched} == {Freshness(Source.UPDATING, age=40, ttl=-10)}
    assert all(each.value == cached.value for each in fetched)
    gated.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert gated.calls == 2


def test_stale_missing_movie_is_served_during_a_call(
    gated: GatedHarness, pool: ThreadPoolExecutor
) -> None:
    gated.upstream.records.clear()
    gated.upstream.gate.set()
    with pytest.raises(MovieNotFound):
        gated.cached.record(550)
    gated.upstream.wait_for_call()
    gated.upstream.gate.clear()
    gated.advance(TTL)
    leader = pool.submit(gated.cached.record, 550)
    gated.upstream.wait_for_call()

    with pytest.raises(MovieNotFound):
        gated.cached.record(550)

    assert not leader.done()
    gated.upstream.gate.set()
    assert isinstance(leader.exception(TIMEOUT), MovieNotFound)


def test_failed_leader_gets_the_stale_entry(gated: GatedHarness, pool: ThreadPoolExecutor) -> None:
    gated.cache_and_expire()
    gated.break_upstream()
    leader = pool.submit(gated.popular)
    gated.upstream.wait_for_call()

    assert gated.popular().freshness.source is Source.UPDATING
    gated.upstream.gate.set()
    assert source_of(leader) is Source.STALE
    assert gated.popular().freshness.source is Source.COOLDOWN


def test_leader_with_a_stale_entry_waits_only_briefly() -> None:
    gated = GatedHarness(slow_after=0.05)
    cached = gated.cache_and_expire()

    fetched = gated.popular()

    assert fetched.value == cached.value
    assert fetched.freshness == Freshness(Source.UPDATING, age=40, ttl=-10)
    gated.upstream.wait_for_call()
    gated.upstream.gate.set()
    wait_until(lambda: gated.popular().freshness == Freshness(Source.HIT, age=0, ttl=TTL), TIMEOUT)
    assert gated.calls == 2


def test_abandoned_call_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    gated = GatedHarness(slow_after=0.05)
    gated.cache_and_expire()
    gated.break_upstream()
    assert gated.popular().freshness.source is Source.UPDATING
    gated.upstream.gate.set()

    wait_until(lambda: caplog.records, TIMEOUT)
    assert [vars(record)["served"] for record in caplog.records] == ["stale"]
    assert gated.popular().freshness.source is Source.COOLDOWN


# --- another pod ---------------------------------------------------------------------------


def body_from_another_pod() -> bytes:
    """Return the cached popular movies of another pod."""
    harness = Harness()
    harness.popular()
    return harness.cache.entries[KEY][0]


@dataclass
class ContendedCache(FakeCache):
    """A cache whose next leases are held by other pods; an event follows each attempt."""

    events: list[Callable[[], object]] = field(default_factory=list)

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[Lease]:
        if not self.events:
            with super().lease(key, seconds) as lease:
                yield lease
            return
        yield Lease(False, self.get(key))
        self.events.pop(0)()


@dataclass
class HookedCache(FakeCache):
    """A cache with an event before each attempt to acquire a lease."""

    before_lease: Callable[[], object] = lambda: None

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[Lease]:
        self.before_lease()
        with super().lease(key, seconds) as lease:
            yield lease


def test_stale_entry_is_served_while_another_pod_leads(harness: Harness) -> None:
    cached = harness.cache_and_expire()
    harness.cache.leased = {KEY}

    fetched = harness.popular()

    assert fetched.value == cached.value
    assert fetched.freshness == Freshness(Source.UPDATING, age=40, ttl=-10)
    assert harness.calls == 1


def test_stale_entry_found_with_the_lease_is_served() -> None:
    cache = HookedCache(leased={KEY})
    cache.before_lease = lambda: cache.entries.update({KEY: (body_from_another_pod(), -40.0)})
    harness = Harness(cache)

    assert harness.popular().freshness == Freshness(Source.UPDATING, age=40, ttl=-10)
    assert harness.calls == 0


def test_response_fetched_by_another_pod_is_a_hit() -> None:
    cache = ContendedCache()
    cache.events = [lambda: None, lambda: cache.put(KEY, body_from_another_pod())]
    harness = Harness(cache)

    fetched = harness.popular()

    assert fetched.value == harness.upstream.pages[1]
    assert fetched.freshness == Freshness(Source.HIT, age=0, ttl=TTL)
    assert harness.calls == 0


def test_missing_movie_found_by_another_pod_is_served() -> None:
    cache = ContendedCache()
    cache.events = [lambda: cache.put("record:550", b"null")]
    harness = Harness(cache)

    with pytest.raises(MovieNotFound):
        harness.cached.record(550)

    assert harness.calls == 0


def test_pod_calls_upstream_when_another_pod_fetched_nothing() -> None:
    harness = Harness(ContendedCache(events=[lambda: None] * 3))

    assert harness.popular().freshness == Freshness(Source.MISS, ttl=TTL, stored=True)
    assert harness.calls == 1


def test_pod_calls_upstream_when_redis_fails_while_it_waits() -> None:
    cache = ContendedCache()
    cache.events = [lambda: setattr(cache, "is_down", True)]
    harness = Harness(cache)

    assert harness.popular().freshness == Freshness(Source.MISS, ttl=TTL, stored=False)


def test_pod_does_not_call_upstream_when_another_pod_failed() -> None:
    cache = ContendedCache()
    harness = Harness(cache)
    cache.events = [harness.health.record_failure]

    with pytest.raises(CatalogueUnavailable) as caught:
        harness.popular()

    assert caught.value.retry_after == COOLDOWN
    assert harness.calls == 0


def test_waiting_for_another_pod_ends_at_the_deadline() -> None:
    harness = Harness(deadline=0.05)
    harness.cache.leased = {KEY}
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut):
        harness.popular()

    assert 0.05 <= time.monotonic() - started < TIMEOUT
    assert harness.calls == 0
    assert harness.health.cooldown_left(KEY) == 0


def test_fresh_entry_found_with_the_lease_is_a_hit() -> None:
    cache = HookedCache()
    cache.before_lease = lambda: cache.put(KEY, body_from_another_pod())
    harness = Harness(cache)

    assert harness.popular().freshness == Freshness(Source.HIT, age=0, ttl=TTL)
    assert harness.calls == 0


def test_stale_entry_found_with_the_lease_is_the_fallback() -> None:
    cache = HookedCache()
    cache.before_lease = lambda: cache.entries.update({KEY: (body_from_another_pod(), -100.0)})
    harness = Harness(cache)
    harness.break_upstream()

    fetched = harness.popular()

    assert fetched.freshness == Freshness(Source.STALE, age=100, ttl=-70, upstream_status=503)
    assert harness.calls == 1


def test_cooldown_started_before_the_lease_prevents_the_call() -> None:
    cache = HookedCache()
    harness = Harness(cache)
    harness.cache_and_expire()
    cache.before_lease = harness.health.record_failure

    assert harness.popular().freshness == Freshness(Source.COOLDOWN, age=40, ttl=-10)
    assert harness.calls == 1


# --- the bulkhead --------------------------------------------------------------------------


def test_stale_entry_is_served_without_queueing() -> None:
    harness = Harness(slots=1, slow_after=TIMEOUT)
    cached = harness.cache_and_expire()
    with harness.bulkhead.slot(may_queue=False):
        fetched = harness.popular()

    assert fetched.value == cached.value
    assert fetched.freshness == Freshness(Source.BUSY, age=40, ttl=-10)
    assert harness.calls == 1


def test_stale_missing_movie_is_served_without_a_slot() -> None:
    harness = Harness(slots=1)
    with pytest.raises(MovieNotFound):
        harness.cached.record(1)
    harness.advance(TTL)

    with harness.bulkhead.slot(may_queue=False), pytest.raises(MovieNotFound):
        harness.cached.record(1)

    assert harness.calls == 1


def test_request_without_entry_and_slot_is_rejected(fetch: Fetch) -> None:
    harness = Harness(slots=1, slow_after=0)
    with harness.bulkhead.slot(may_queue=False), pytest.raises(CatalogueBusy) as caught:
        fetch(harness.cached)

    assert caught.value.retry_after > 0
    assert harness.calls == 0


def test_full_bulkhead_is_not_an_upstream_failure(caplog: pytest.LogCaptureFixture) -> None:
    harness = Harness(slots=1, slow_after=0)
    with harness.bulkhead.slot(may_queue=False), pytest.raises(CatalogueBusy):
        harness.popular()

    assert harness.health.cooldown_left(KEY) == 0
    assert caplog.records == []
    assert harness.popular().freshness.source is Source.MISS


def test_request_without_an_entry_queues_for_a_slot(pool: ThreadPoolExecutor) -> None:
    gated = GatedHarness(slots=1)
    gated.upstream.gate.set()
    with gated.bulkhead.slot(may_queue=False):
        queued = pool.submit(gated.popular)
        gated.clock.wait_for(threads=2)
        assert gated.calls == 0

    assert source_of(queued) is Source.MISS


def test_hit_needs_no_slot() -> None:
    harness = Harness(slots=1, slow_after=0)
    harness.popular()
    with harness.bulkhead.slot(may_queue=False):
        assert harness.popular().freshness.source is Source.HIT


def test_failed_call_releases_its_slot() -> None:
    harness = Harness(slots=1, slow_after=0)
    for _ in range(3):
        harness.break_upstream()
        with pytest.raises(CatalogueUnavailable):
            harness.popular()
        harness.advance(COOLDOWN)
    harness.upstream.failure = None

    assert harness.popular().freshness.source is Source.MISS


class ObservedBulkhead(Bulkhead):
    """A bulkhead that signals each granted slot."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness.slots, harness.slow_after, harness.clock.monotonic)
        self.grants = Semaphore(0)

    @contextmanager
    def slot(self, *, may_queue: bool) -> Iterator[None]:
        with super().slot(may_queue=may_queue):
            self.grants.release()
            yield


def test_follower_of_a_slow_call_takes_a_slot(pool: ThreadPoolExecutor) -> None:
    gated = GatedHarness(slots=2, slow_after=0)
    bulkhead = gated.bulkhead = ObservedBulkhead(gated)
    gated.cached = gated.make_pod(gated.upstream)
    leader = pool.submit(gated.popular)
    gated.upstream.wait_for_call()
    follower = pool.submit(gated.popular)
    for _ in range(2):
        assert bulkhead.grants.acquire(timeout=TIMEOUT)

    with pytest.raises(CatalogueBusy):
        gated.popular()

    gated.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert source_of(follower) is Source.COLLAPSED
    assert gated.calls == 1


def test_follower_of_a_slow_call_is_rejected_without_a_slot(pool: ThreadPoolExecutor) -> None:
    gated = GatedHarness(slots=1, slow_after=0)
    leader = pool.submit(gated.popular)
    gated.upstream.wait_for_call()

    with pytest.raises(CatalogueBusy):
        gated.popular()

    gated.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert gated.health.cooldown_left(KEY) == 0


def test_follower_of_an_old_call_is_rejected_without_a_slot(pool: ThreadPoolExecutor) -> None:
    gated = GatedHarness(slots=1)
    leader = pool.submit(gated.popular)
    gated.upstream.wait_for_call()
    gated.advance(TIMEOUT)

    with pytest.raises(CatalogueBusy):
        gated.popular()

    gated.upstream.gate.set()
    assert source_of(leader) is Source.MISS


# --- the cooldown --------------------------------------------------------------------------


def test_one_of_many_requests_probes_after_the_cooldown(pool: ThreadPoolExecutor) -> None:
    gated = GatedHarness(slots=THREADS)
    gated.health.record_failure()
    gated.advance(COOLDOWN)
    futures = [pool.submit(gated.cached.details, 550, f"en-{i:02}") for i in range(THREADS)]
    gated.upstream.wait_for_call()
    done = as_completed(futures, timeout=TIMEOUT)

    others = [next(done).exception() for _ in range(THREADS - 1)]

    assert [type(other) for other in others] == [CatalogueUnavailable] * (THREADS - 1)
    assert {vars(other)["retry_after"] for other in others} == {PROBE_TIMEOUT}
    gated.upstream.gate.set()
    assert source_of(next(done)) is Source.MISS
    assert gated.calls == 1


# --- the deadline --------------------------------------------------------------------------


@pytest.mark.parametrize("slow_after", [0, TIMEOUT])
def test_follower_waits_until_the_deadline(pool: ThreadPoolExecutor, slow_after: float) -> None:
    gated = GatedHarness(slow_after=slow_after, deadline=0.05)
    leader = pool.submit(gated.popular)
    gated.upstream.wait_for_call()
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut):
        gated.popular()

    assert 0.05 <= time.monotonic() - started < TIMEOUT / 2
    gated.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert gated.health.cooldown_left(KEY) == 0


def test_queueing_ends_at_the_deadline() -> None:
    harness = Harness(deadline=0.05)
    harness.bulkhead = Bulkhead(1, slow_after=TIMEOUT)  # On the real clock.
    harness.cached = harness.make_pod(harness.upstream)
    started = time.monotonic()

    with harness.bulkhead.slot(may_queue=False), pytest.raises(CatalogueBusy):
        harness.popular()

    assert time.monotonic() - started < TIMEOUT / 2


def test_no_call_is_made_after_the_deadline(harness: Harness) -> None:
    with deadline_in(0), pytest.raises(CatalogueTimedOut):
        harness.popular()

    assert harness.calls == 0
    assert harness.health.cooldown_left(KEY) == 0


def test_call_inherits_the_nearest_deadline() -> None:
    class DeadlineRecorder(FakeCatalogue):
        def _called(self, what: object) -> None:
            super()._called(seconds_left())

    harness = Harness(upstream=DeadlineRecorder(), deadline=60)
    harness.popular()
    harness.advance(TTL)
    with deadline_in(10):
        harness.popular()

    first, second = harness.upstream.calls
    assert isinstance(first, float)
    assert isinstance(second, float)
    assert 50 < first <= 60
    assert 5 < second <= 10
    assert seconds_left() == float("inf")


# --- two pods on one Redis -----------------------------------------------------------------


class CountingLink(RedisLink):
    """A link that counts the round trips to Redis, each of which takes one connection."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=5.0)
        self.round_trips, get_connection = 0, self.client.connection_pool.get_connection

        def count() -> Any:
            self.round_trips += 1
            return get_connection()

        self.client.connection_pool.get_connection = count  # type: ignore[assignment, method-assign]


@dataclass
class Pods:
    """Two pods on one real Redis, in front of one upstream with a gate."""

    url: str
    clock: WatchedClock = field(default_factory=WatchedClock)
    upstream: GatedCatalogue = field(default_factory=GatedCatalogue)

    def __post_init__(self) -> None:
        populate(self.upstream)
        self.links = [CountingLink(self.url) for _ in range(2)]
        self.one, self.other = (self.make_pod(link) for link in self.links)

    def make_pod(self, link: RedisLink) -> CachedCatalogue:
        clock = self.clock.monotonic
        return CachedCatalogue(
            self.upstream,
            TieredCache(MemoryCache(10, DAY, clock), RedisCache(link, DAY), TTL),
            SharedHealth(link, COOLDOWN, PROBE_TIMEOUT, clock),
            Bulkhead(4, TIMEOUT, clock),
            SingleFlight(TIMEOUT, clock),
            clock,
        )

    def fetch_concurrently(self, pool: ThreadPoolExecutor) -> list[Future[Fetched[Any]]]:
        """Send many equal requests to both pods; return when one calls upstream."""
        barrier = Barrier(THREADS, timeout=TIMEOUT)

        def fetch(cached: CachedCatalogue) -> Fetched[Any]:
            barrier.wait()
            return cached.popular(POPULAR)

        futures = [pool.submit(fetch, cached) for cached in [self.one, self.other] * (THREADS // 2)]
        self.clock.wait_for(threads=THREADS)
        self.upstream.wait_for_call()
        return futures

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        advance_redis(self.url, seconds)


@pytest.fixture
def pods(empty_redis: str) -> Iterator[Pods]:
    pods = Pods(empty_redis)
    yield pods
    for link in pods.links:
        link.client.close()


def test_miss_takes_three_round_trips_to_redis(pods: Pods) -> None:
    pods.upstream.gate.set()
    pods.one.record(550)  # Loads the scripts into Redis.
    pods.links[0].round_trips = 0

    assert pods.one.popular(POPULAR).freshness.source is Source.MISS
    assert pods.links[0].round_trips == 3  # Get; acquire the lease; store and release.


def test_entry_of_another_pod_takes_one_round_trip_to_redis(pods: Pods) -> None:
    pods.upstream.gate.set()
    pods.one.popular(POPULAR)

    assert pods.other.popular(POPULAR).freshness.source is Source.HIT
    assert pods.links[1].round_trips == 1


def test_entry_of_another_pod_needs_no_slot(harness: Harness) -> None:
    harness.popular()
    harness.restart()
    with ExitStack() as slots:
        for _ in range(harness.slots):
            slots.enter_context(harness.bulkhead.slot(may_queue=False))

        assert harness.popular().freshness.source is Source.HIT


def test_entry_of_another_pod_is_served_while_upstream_is_slow(gated: GatedHarness) -> None:
    gated.cache_and_expire()
    gated.restart()
    gated.bulkhead.slow_after = 0.05

    assert gated.popular().freshness.source is Source.UPDATING
    gated.upstream.gate.set()


def test_requests_to_two_pods_make_one_call(pods: Pods, pool: ThreadPoolExecutor) -> None:
    futures = pods.fetch_concurrently(pool)
    pods.upstream.gate.set()

    fetched = [future.result(TIMEOUT) for future in futures]

    assert len(pods.upstream.calls) == 1
    assert all(each.value == fetched[0].value for each in fetched)
    sources = [each.freshness.source for each in fetched]
    assert sources.count(Source.MISS) == 1
    assert sources.count(Source.COLLAPSED) == THREADS // 2 - 1
    assert sources.count(Source.HIT) == THREADS // 2


def test_requests_to_two_pods_look_up_a_missing_movie_once(
    pods: Pods, pool: ThreadPoolExecutor
) -> None:
    pods.upstream.records.clear()
    pods.upstream.gate.set()
    both = [pods.one, pods.other] * (THREADS // 2)
    futures = [pool.submit(each.record, 550) for each in both]

    assert [type(future.exception(TIMEOUT)) for future in futures] == [MovieNotFound] * THREADS
    assert len(pods.upstream.calls) == 1


def test_failed_call_is_not_repeated_by_another_pod(
    pods: Pods, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    pods.upstream.failure = CatalogueUnavailable(upstream_status=503)
    futures = pods.fetch_concurrently(pool)
    pods.upstream.gate.set()

    failures = [type(future.exception(TIMEOUT)) for future in futures]

    assert failures == [CatalogueUnavailable] * THREADS
    assert len(pods.upstream.calls) == 1
    assert len(caplog.records) == 1


def test_other_pod_serves_the_stale_entry_during_a_call(
    pods: Pods, pool: ThreadPoolExecutor
) -> None:
    pods.upstream.gate.set()
    pods.one.popular(POPULAR)
    pods.upstream.wait_for_call()
    pods.upstream.gate.clear()
    pods.advance(TTL + 10)
    leader = pool.submit(pods.one.popular, POPULAR)
    pods.upstream.wait_for_call()

    fetched = pods.other.popular(POPULAR)

    assert fetched.freshness.source is Source.UPDATING
    assert not leader.done()
    pods.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert pods.other.popular(POPULAR).freshness.source is Source.HIT
    assert len(pods.upstream.calls) == 2


def test_successful_probe_of_one_pod_allows_calls_from_another(
    pods: Pods, pool: ThreadPoolExecutor
) -> None:
    SharedHealth(pods.links[0], COOLDOWN, PROBE_TIMEOUT).record_failure()
    pods.advance(COOLDOWN)
    probe = pool.submit(pods.one.popular, POPULAR)
    pods.upstream.wait_for_call()
    with pytest.raises(CatalogueUnavailable):
        pods.other.record(550)
    pods.upstream.gate.set()
    probe.result(TIMEOUT)

    assert pods.other.record(550).freshness.source is Source.MISS
