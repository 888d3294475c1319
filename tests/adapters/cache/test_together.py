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
from butaca.adapters.deadline import seconds_left, within
from butaca.adapters.redis import RedisLink
from butaca.core.errors import (
    CatalogueBusy,
    CatalogueTimedOut,
    CatalogueUnavailable,
    MovieNotFound,
)
from butaca.core.models import Fetched, Freshness, Source
from butaca.core.ports import SearchQuery
from tests.adapters.cache.scene import (
    COOLDOWN,
    DAY,
    KEY,
    LONG,
    POPULAR,
    PROBE,
    TTL,
    Ask,
    GatedCatalogue,
    Scene,
    WatchedClock,
    furnish,
)
from tests.fakes import FakeCache, FakeCatalogue
from tests.faults.pods import wait_until
from tests.redis_time import let_pass

MANY = 16
ASKS: dict[str, Ask] = {
    "popular": lambda cached: cached.popular(POPULAR),
    "search": lambda cached: cached.search(SearchQuery("movie", "en-US")),
    "details": lambda cached: cached.details(550, "en-US"),
    "record": lambda cached: cached.record(550),
    "genres": lambda cached: cached.genres("en-US"),
}


class Crowd(Scene):
    """A scene whose upstream has a gate, and whose clock knows who has looked at it."""

    upstream: GatedCatalogue
    clock: WatchedClock

    def __init__(self, **changes: Any) -> None:
        upstream = GatedCatalogue()
        super().__init__(FakeCache(WatchedClock()), upstream, **{"patience": LONG, **changes})

    def keep_and_let_expire(self) -> Fetched[Any]:
        self.upstream.gate.set()
        kept = super().keep_and_let_expire()
        self.upstream.gate.clear()
        self.upstream.wait_for_call()
        self.clock.seen.clear()
        return kept


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MANY) as pool:
        yield pool


@pytest.fixture(params=list(ASKS.values()), ids=list(ASKS))
def ask(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


def all_board(
    pool: ThreadPoolExecutor, crowd: Crowd, ask: Ask = ASKS["popular"]
) -> list[Future[Fetched[Any]]]:
    """Let many ask for the same that nobody has; return when each leads or follows."""
    futures = [pool.submit(ask, crowd.cached) for _ in range(MANY)]
    crowd.clock.wait_for(threads=MANY)
    crowd.upstream.wait_for_call()
    return futures


def source_of(future: Future[Fetched[Any]]) -> Source:
    return future.result(LONG).freshness.source


# --- nothing is kept -----------------------------------------------------------------------


def test_of_many_who_have_nothing_one_goes(
    crowd: Crowd, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    futures = all_board(pool, crowd, ask)
    crowd.upstream.gate.set()

    fetched = [future.result(LONG) for future in futures]

    assert crowd.calls == 1
    assert all(each.value == fetched[0].value for each in fetched)
    freshness = [each.freshness for each in fetched]
    assert freshness.count(Freshness(Source.MISS, ttl=TTL, stored=True)) == 1
    assert freshness.count(Freshness(Source.COLLAPSED, ttl=TTL, stored=True)) == MANY - 1


def test_of_many_who_come_as_they_like_one_goes(pool: ThreadPoolExecutor) -> None:
    scene, barrier = Scene(), Barrier(MANY, timeout=LONG)

    def ask() -> Source:
        barrier.wait()
        return scene.popular().freshness.source

    sources = [each.result(LONG) for each in [pool.submit(ask) for _ in range(MANY)]]

    assert scene.calls == 1
    assert sources.count(Source.MISS) == 1
    assert set(sources) <= {Source.MISS, Source.COLLAPSED, Source.HIT}


def test_of_many_one_goes_while_the_cache_is_away(crowd: Crowd, pool: ThreadPoolExecutor) -> None:
    crowd.cache.is_away = True
    futures = all_board(pool, crowd)
    crowd.upstream.gate.set()

    sources = [source_of(future) for future in futures]

    assert crowd.calls == 1
    assert sources.count(Source.MISS) == 1
    assert sources.count(Source.COLLAPSED) == MANY - 1


def test_calls_for_different_things_do_not_wait_for_one_another(pool: ThreadPoolExecutor) -> None:
    crowd = Crowd(places=len(ASKS))
    futures = [pool.submit(ask, crowd.cached) for ask in ASKS.values()]
    for _ in ASKS:
        crowd.upstream.wait_for_call()
    crowd.upstream.gate.set()

    assert [source_of(future) for future in futures] == [Source.MISS] * len(ASKS)


def test_whoever_waits_for_a_call_that_fails_fails_like_it(
    crowd: Crowd, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    failure = crowd.break_upstream(CatalogueTimedOut())
    futures = all_board(pool, crowd)
    crowd.upstream.gate.set()

    for future in futures:
        caught = future.exception(LONG)
        assert type(caught) is type(failure)
        assert vars(caught) == vars(failure)
    assert failure.retry_after == COOLDOWN
    assert crowd.calls == 1
    assert len(caplog.records) == 1


def test_whoever_waits_for_a_movie_that_is_not_there_is_told_so(
    crowd: Crowd, pool: ThreadPoolExecutor
) -> None:
    crowd.upstream.records.clear()
    futures = all_board(pool, crowd, ASKS["details"])
    crowd.upstream.gate.set()

    assert [type(future.exception(LONG)) for future in futures] == [MovieNotFound] * MANY
    assert crowd.calls == 1


def test_after_a_call_that_broke_down_the_next_one_goes(scene_of_mistake: Scene) -> None:
    with pytest.raises(ZeroDivisionError):
        scene_of_mistake.popular()
    with pytest.raises(ZeroDivisionError):
        scene_of_mistake.popular()

    assert scene_of_mistake.calls == 2
    assert scene_of_mistake.cache.leased == set()


@pytest.fixture
def scene_of_mistake() -> Scene:
    """A scene whose upstream has a mistake in it."""

    class Mistaken(FakeCatalogue):
        def _called(self, what: object) -> None:
            super()._called(what)
            raise ZeroDivisionError

    return Scene(upstream=Mistaken())


# --- something is kept ---------------------------------------------------------------------


def test_while_one_goes_the_others_are_served_at_once(
    crowd: Crowd, pool: ThreadPoolExecutor
) -> None:
    kept = crowd.keep_and_let_expire()
    leader = pool.submit(crowd.popular)
    crowd.upstream.wait_for_call()

    others = [pool.submit(crowd.popular) for _ in range(MANY - 1)]
    fetched = [other.result(LONG) for other in others]

    assert not leader.done()
    assert {each.freshness for each in fetched} == {Freshness(Source.UPDATING, age=40, ttl=-10)}
    assert all(each.value == kept.value for each in fetched)
    crowd.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert crowd.calls == 2


def test_while_one_goes_there_is_still_no_such_movie(
    crowd: Crowd, pool: ThreadPoolExecutor
) -> None:
    crowd.upstream.records.clear()
    crowd.upstream.gate.set()
    with pytest.raises(MovieNotFound):
        crowd.cached.record(550)
    crowd.upstream.wait_for_call()
    crowd.upstream.gate.clear()
    crowd.pass_seconds(TTL)
    leader = pool.submit(crowd.cached.record, 550)
    crowd.upstream.wait_for_call()

    with pytest.raises(MovieNotFound):
        crowd.cached.record(550)

    assert not leader.done()
    crowd.upstream.gate.set()
    assert isinstance(leader.exception(LONG), MovieNotFound)


def test_whoever_goes_and_fails_is_served_what_is_kept(
    crowd: Crowd, pool: ThreadPoolExecutor
) -> None:
    crowd.keep_and_let_expire()
    crowd.break_upstream()
    leader = pool.submit(crowd.popular)
    crowd.upstream.wait_for_call()

    assert crowd.popular().freshness.source is Source.UPDATING
    crowd.upstream.gate.set()
    assert source_of(leader) is Source.STALE
    assert crowd.popular().freshness.source is Source.COOLDOWN


def test_whoever_goes_waits_no_longer_than_patience_where_something_is_kept() -> None:
    crowd = Crowd(patience=0.05)
    kept = crowd.keep_and_let_expire()

    fetched = crowd.popular()

    assert fetched.value == kept.value
    assert fetched.freshness == Freshness(Source.UPDATING, age=40, ttl=-10)
    crowd.upstream.wait_for_call()
    crowd.upstream.gate.set()
    wait_until(lambda: crowd.popular().freshness == Freshness(Source.HIT, age=0, ttl=TTL), LONG)
    assert crowd.calls == 2


def test_a_call_that_nobody_waits_for_any_longer_fails_for_the_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crowd = Crowd(patience=0.05)
    crowd.keep_and_let_expire()
    crowd.break_upstream()
    assert crowd.popular().freshness.source is Source.UPDATING
    crowd.upstream.gate.set()

    wait_until(lambda: caplog.records, LONG)
    assert [vars(record)["served"] for record in caplog.records] == ["stale"]
    assert crowd.popular().freshness.source is Source.COOLDOWN


# --- another pod ---------------------------------------------------------------------------


def body_of_another_pod() -> bytes:
    """Return what another pod keeps of the popular movies."""
    scene = Scene()
    scene.popular()
    return scene.cache.entries[KEY][0]


@dataclass
class BusyCache(FakeCache):
    """A cache whose next leases have other pods, while something happens."""

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
class LateCache(FakeCache):
    """A cache where something happens before a lease is given."""

    event: Callable[[], object] = lambda: None

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[Lease]:
        self.event()
        with super().lease(key, seconds) as lease:
            yield lease


def test_while_another_pod_goes_what_is_kept_is_served(scene: Scene) -> None:
    kept = scene.keep_and_let_expire()
    scene.cache.leased = {KEY}

    fetched = scene.popular()

    assert fetched.value == kept.value
    assert fetched.freshness == Freshness(Source.UPDATING, age=40, ttl=-10)
    assert scene.calls == 1


def test_what_turns_up_while_another_pod_goes_is_served() -> None:
    cache = LateCache(leased={KEY})
    cache.event = lambda: cache.entries.update({KEY: (body_of_another_pod(), -40.0)})
    scene = Scene(cache)

    assert scene.popular().freshness == Freshness(Source.UPDATING, age=40, ttl=-10)
    assert scene.calls == 0


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_another_pod_brings_is_a_hit() -> None:
    cache = BusyCache()
    cache.events = [lambda: None, lambda: cache.put(KEY, body_of_another_pod())]
    scene = Scene(cache)

    fetched = scene.popular()

    assert fetched.value == scene.upstream.pages[1]
    assert fetched.freshness == Freshness(Source.HIT, age=0, ttl=TTL)
    assert scene.calls == 0


def test_that_another_pod_finds_no_such_movie_is_told() -> None:
    cache = BusyCache()
    cache.events = [lambda: cache.put("record:550", b"null")]
    scene = Scene(cache)

    with pytest.raises(MovieNotFound):
        scene.cached.record(550)

    assert scene.calls == 0


def test_when_another_pod_brings_nothing_we_go() -> None:
    scene = Scene(BusyCache(events=[lambda: None] * 3))

    assert scene.popular().freshness == Freshness(Source.MISS, ttl=TTL, stored=True)
    assert scene.calls == 1


def test_when_the_cache_goes_away_in_the_meantime_we_go() -> None:
    cache = BusyCache()
    cache.events = [lambda: setattr(cache, "is_away", True)]
    scene = Scene(cache)

    assert scene.popular().freshness == Freshness(Source.MISS, ttl=TTL, stored=False)


def test_when_another_pod_fails_we_do_not_go() -> None:
    cache = BusyCache()
    scene = Scene(cache)
    cache.events = [scene.health.failed]

    with pytest.raises(CatalogueUnavailable) as caught:
        scene.popular()

    assert caught.value.retry_after == COOLDOWN
    assert scene.calls == 0


def test_another_pod_is_waited_for_until_the_deadline() -> None:
    scene = Scene(deadline=0.05)
    scene.cache.leased = {KEY}
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut):
        scene.popular()

    assert 0.05 <= time.monotonic() - started < LONG
    assert scene.calls == 0
    assert scene.health.seconds_of_rest(KEY) == 0


def test_whoever_finds_a_fresh_answer_at_the_last_moment_does_not_go() -> None:
    cache = LateCache()
    cache.event = lambda: cache.put(KEY, body_of_another_pod())
    scene = Scene(cache)

    assert scene.popular().freshness == Freshness(Source.HIT, age=0, ttl=TTL)
    assert scene.calls == 0


def test_whoever_finds_a_stale_answer_at_the_last_moment_goes() -> None:
    cache = LateCache()
    cache.event = lambda: cache.entries.update({KEY: (body_of_another_pod(), -100.0)})
    scene = Scene(cache)
    scene.break_upstream()

    fetched = scene.popular()

    assert fetched.freshness == Freshness(Source.STALE, age=100, ttl=-70, upstream_status=503)
    assert scene.calls == 1


def test_whoever_learns_of_a_rest_at_the_last_moment_does_not_go() -> None:
    cache = LateCache()
    scene = Scene(cache)
    scene.keep_and_let_expire()
    cache.event = scene.health.failed

    assert scene.popular().freshness == Freshness(Source.COOLDOWN, age=40, ttl=-10)
    assert scene.calls == 1


# --- the bulkhead --------------------------------------------------------------------------


def test_without_a_place_what_is_kept_is_served_at_once() -> None:
    scene = Scene(places=1, patience=LONG)
    kept = scene.keep_and_let_expire()
    with scene.bulkhead.place(may_queue=False):
        fetched = scene.popular()

    assert fetched.value == kept.value
    assert fetched.freshness == Freshness(Source.BUSY, age=40, ttl=-10)
    assert scene.calls == 1


def test_without_a_place_there_is_still_no_such_movie() -> None:
    scene = Scene(places=1)
    with pytest.raises(MovieNotFound):
        scene.cached.record(1)
    scene.pass_seconds(TTL)

    with scene.bulkhead.place(may_queue=False), pytest.raises(MovieNotFound):
        scene.cached.record(1)

    assert scene.calls == 1


def test_without_a_place_whoever_has_nothing_is_sent_away(ask: Ask) -> None:
    scene = Scene(places=1, patience=0)
    with scene.bulkhead.place(may_queue=False), pytest.raises(CatalogueBusy) as caught:
        ask(scene.cached)

    assert caught.value.retry_after > 0
    assert scene.calls == 0


def test_that_there_is_no_place_is_no_failure_of_upstream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(places=1, patience=0)
    with scene.bulkhead.place(may_queue=False), pytest.raises(CatalogueBusy):
        scene.popular()

    assert scene.health.seconds_of_rest(KEY) == 0
    assert caplog.records == []
    assert scene.popular().freshness.source is Source.MISS


def test_whoever_has_nothing_queues_for_a_place(pool: ThreadPoolExecutor) -> None:
    crowd = Crowd(places=1)
    crowd.upstream.gate.set()
    with crowd.bulkhead.place(may_queue=False):
        queued = pool.submit(crowd.popular)
        crowd.clock.wait_for(threads=2)
        assert crowd.calls == 0

    assert source_of(queued) is Source.MISS


def test_a_hit_needs_no_place() -> None:
    scene = Scene(places=1, patience=0)
    scene.popular()
    with scene.bulkhead.place(may_queue=False):
        assert scene.popular().freshness.source is Source.HIT


def test_a_failure_leaves_its_place() -> None:
    scene = Scene(places=1, patience=0)
    for _ in range(3):
        scene.break_upstream()
        with pytest.raises(CatalogueUnavailable):
            scene.popular()
        scene.pass_seconds(COOLDOWN)
    scene.upstream.failure = None

    assert scene.popular().freshness.source is Source.MISS


class AnnouncingBulkhead(Bulkhead):
    """A bulkhead that says when a place was taken."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.places, scene.patience, scene.clock.monotonic)
        self.taken = Semaphore(0)

    @contextmanager
    def place(self, *, may_queue: bool) -> Iterator[None]:
        with super().place(may_queue=may_queue):
            self.taken.release()
            yield


def test_while_upstream_is_slow_waiting_takes_a_place(pool: ThreadPoolExecutor) -> None:
    crowd = Crowd(places=2, patience=0)
    bulkhead = crowd.bulkhead = AnnouncingBulkhead(crowd)
    crowd.cached = crowd.pod(crowd.upstream)
    leader = pool.submit(crowd.popular)
    crowd.upstream.wait_for_call()
    follower = pool.submit(crowd.popular)
    for _ in range(2):
        assert bulkhead.taken.acquire(timeout=LONG)

    with pytest.raises(CatalogueBusy):
        crowd.popular()

    crowd.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert source_of(follower) is Source.COLLAPSED
    assert crowd.calls == 1


def test_while_upstream_is_slow_nobody_waits_without_a_place(pool: ThreadPoolExecutor) -> None:
    crowd = Crowd(places=1, patience=0)
    leader = pool.submit(crowd.popular)
    crowd.upstream.wait_for_call()

    with pytest.raises(CatalogueBusy):
        crowd.popular()

    crowd.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert crowd.health.seconds_of_rest(KEY) == 0


def test_a_flight_that_is_long_away_is_waited_for_with_a_place_only(
    pool: ThreadPoolExecutor,
) -> None:
    crowd = Crowd(places=1)
    leader = pool.submit(crowd.popular)
    crowd.upstream.wait_for_call()
    crowd.pass_seconds(LONG)

    with pytest.raises(CatalogueBusy):
        crowd.popular()

    crowd.upstream.gate.set()
    assert source_of(leader) is Source.MISS


# --- the cool-down -------------------------------------------------------------------------


def test_after_the_cool_down_one_of_many_goes(pool: ThreadPoolExecutor) -> None:
    crowd = Crowd(places=MANY)
    crowd.health.failed()
    crowd.pass_seconds(COOLDOWN)
    futures = [pool.submit(crowd.cached.details, 550, f"en-{i:02}") for i in range(MANY)]
    crowd.upstream.wait_for_call()
    done = as_completed(futures, timeout=LONG)

    others = [next(done).exception() for _ in range(MANY - 1)]

    assert [type(other) for other in others] == [CatalogueUnavailable] * (MANY - 1)
    assert {vars(other)["retry_after"] for other in others} == {PROBE}
    crowd.upstream.gate.set()
    assert source_of(next(done)) is Source.MISS
    assert crowd.calls == 1


# --- the deadline --------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [0, LONG])
def test_a_flight_is_waited_for_until_the_deadline(
    pool: ThreadPoolExecutor, patience: float
) -> None:
    crowd = Crowd(patience=patience, deadline=0.05)
    leader = pool.submit(crowd.popular)
    crowd.upstream.wait_for_call()
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut):
        crowd.popular()

    assert 0.05 <= time.monotonic() - started < LONG / 2
    crowd.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert crowd.health.seconds_of_rest(KEY) == 0


def test_nobody_queues_beyond_the_deadline() -> None:
    scene = Scene(deadline=0.05)
    scene.bulkhead = Bulkhead(1, patience=LONG)  # On the wall clock, as the deadline is.
    scene.cached = scene.pod(scene.upstream)
    started = time.monotonic()

    with scene.bulkhead.place(may_queue=False), pytest.raises(CatalogueBusy):
        scene.popular()

    assert time.monotonic() - started < LONG / 2


def test_after_the_deadline_nothing_goes_out(scene: Scene) -> None:
    with within(0), pytest.raises(CatalogueTimedOut):
        scene.popular()

    assert scene.calls == 0
    assert scene.health.seconds_of_rest(KEY) == 0


def test_a_call_has_until_the_deadline() -> None:
    class Watchful(FakeCatalogue):
        def _called(self, what: object) -> None:
            super()._called(seconds_left())

    scene = Scene(upstream=Watchful(), deadline=60)
    scene.popular()
    scene.pass_seconds(TTL)
    with within(10):
        scene.popular()

    first, second = scene.upstream.calls
    assert isinstance(first, float)
    assert isinstance(second, float)
    assert 50 < first <= 60
    assert 5 < second <= 10
    assert seconds_left() == float("inf")


# --- pods on one Redis ---------------------------------------------------------------------


class CountingLink(RedisLink):
    """A link that counts the trips to Redis: for each it takes a connection."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=5.0)
        self.trips, take = 0, self.client.connection_pool.get_connection

        def take_one() -> Any:
            self.trips += 1
            return take()

        self.client.connection_pool.get_connection = take_one  # type: ignore[assignment, method-assign]


@dataclass
class Pods:
    """Two pods on one real Redis, before one upstream with a gate."""

    url: str
    clock: WatchedClock = field(default_factory=WatchedClock)
    upstream: GatedCatalogue = field(default_factory=GatedCatalogue)

    def __post_init__(self) -> None:
        furnish(self.upstream)
        self.links = [CountingLink(self.url) for _ in range(2)]
        self.one, self.other = (self.pod(link) for link in self.links)

    def pod(self, link: RedisLink) -> CachedCatalogue:
        clock = self.clock.monotonic
        return CachedCatalogue(
            self.upstream,
            TieredCache(MemoryCache(10, DAY, clock), RedisCache(link, DAY), TTL),
            SharedHealth(link, COOLDOWN, PROBE, clock),
            Bulkhead(4, LONG, clock),
            SingleFlight(LONG, clock),
            clock,
        )

    def ask_at_once(self, pool: ThreadPoolExecutor) -> list[Future[Fetched[Any]]]:
        """Let many ask both pods for the same; return when each leads or follows."""
        barrier = Barrier(MANY, timeout=LONG)

        def ask(cached: CachedCatalogue) -> Fetched[Any]:
            barrier.wait()
            return cached.popular(POPULAR)

        futures = [pool.submit(ask, cached) for cached in [self.one, self.other] * (MANY // 2)]
        self.clock.wait_for(threads=MANY)
        self.upstream.wait_for_call()
        return futures

    def pass_seconds(self, seconds: float) -> None:
        self.clock.move(seconds)
        let_pass(self.url, seconds)


@pytest.fixture
def pods(empty_redis: str) -> Iterator[Pods]:
    pods = Pods(empty_redis)
    yield pods
    for link in pods.links:
        link.client.close()


def test_a_cold_call_takes_three_trips_to_redis(pods: Pods) -> None:
    pods.upstream.gate.set()
    pods.one.record(550)  # By now Redis knows our scripts.
    pods.links[0].trips = 0

    assert pods.one.popular(POPULAR).freshness.source is Source.MISS
    assert pods.links[0].trips == 3  # What is kept; may we lead, is all calm; keep it, we have led.


def test_what_another_pod_keeps_takes_one_trip_to_redis(pods: Pods) -> None:
    pods.upstream.gate.set()
    pods.one.popular(POPULAR)

    assert pods.other.popular(POPULAR).freshness.source is Source.HIT
    assert pods.links[1].trips == 1


def test_what_another_pod_keeps_needs_no_place_with_those_who_wait_for_upstream(
    scene: Scene,
) -> None:
    scene.popular()
    scene.forget()
    with ExitStack() as taken:
        for _ in range(scene.places):
            taken.enter_context(scene.bulkhead.place(may_queue=False))

        assert scene.popular().freshness.source is Source.HIT


def test_what_another_pod_keeps_is_served_while_upstream_is_slow(crowd: Crowd) -> None:
    crowd.keep_and_let_expire()
    crowd.forget()
    crowd.bulkhead.patience = 0.05

    assert crowd.popular().freshness.source is Source.UPDATING
    crowd.upstream.gate.set()


def test_of_many_in_two_pods_one_goes(pods: Pods, pool: ThreadPoolExecutor) -> None:
    futures = pods.ask_at_once(pool)
    pods.upstream.gate.set()

    fetched = [future.result(LONG) for future in futures]

    assert len(pods.upstream.calls) == 1
    assert all(each.value == fetched[0].value for each in fetched)
    sources = [each.freshness.source for each in fetched]
    assert sources.count(Source.MISS) == 1
    assert sources.count(Source.COLLAPSED) == MANY // 2 - 1
    assert sources.count(Source.HIT) == MANY // 2


def test_of_many_in_two_pods_one_is_told_that_there_is_no_such_movie(
    pods: Pods, pool: ThreadPoolExecutor
) -> None:
    pods.upstream.records.clear()
    pods.upstream.gate.set()
    both = [pods.one, pods.other] * (MANY // 2)
    futures = [pool.submit(each.record, 550) for each in both]

    assert [type(future.exception(LONG)) for future in futures] == [MovieNotFound] * MANY
    assert len(pods.upstream.calls) == 1


def test_of_many_in_two_pods_one_fails_and_none_tries_again(
    pods: Pods, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    pods.upstream.failure = CatalogueUnavailable(upstream_status=503)
    futures = pods.ask_at_once(pool)
    pods.upstream.gate.set()

    failures = [type(future.exception(LONG)) for future in futures]

    assert failures == [CatalogueUnavailable] * MANY
    assert len(pods.upstream.calls) == 1
    assert len(caplog.records) == 1


def test_while_one_pod_goes_the_other_one_serves_what_is_kept(
    pods: Pods, pool: ThreadPoolExecutor
) -> None:
    pods.upstream.gate.set()
    pods.one.popular(POPULAR)
    pods.upstream.wait_for_call()
    pods.upstream.gate.clear()
    pods.pass_seconds(TTL + 10)
    leader = pool.submit(pods.one.popular, POPULAR)
    pods.upstream.wait_for_call()

    fetched = pods.other.popular(POPULAR)

    assert fetched.freshness.source is Source.UPDATING
    assert not leader.done()
    pods.upstream.gate.set()
    assert source_of(leader) is Source.MISS
    assert pods.other.popular(POPULAR).freshness.source is Source.HIT
    assert len(pods.upstream.calls) == 2


def test_when_the_probe_of_one_pod_succeeds_another_pod_goes_at_once(
    pods: Pods, pool: ThreadPoolExecutor
) -> None:
    SharedHealth(pods.links[0], COOLDOWN, PROBE).failed()
    pods.pass_seconds(COOLDOWN)
    probe = pool.submit(pods.one.popular, POPULAR)
    pods.upstream.wait_for_call()
    with pytest.raises(CatalogueUnavailable):
        pods.other.record(550)
    pods.upstream.gate.set()
    probe.result(LONG)

    assert pods.other.record(550).freshness.source is Source.MISS
