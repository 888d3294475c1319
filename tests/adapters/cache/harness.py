"""A cached catalogue and its upstream, built from fakes on one clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Event, Semaphore, get_ident
from typing import Any

from butaca.adapters.bulkhead import Bulkhead
from butaca.adapters.cache import CachedCatalogue, MemoryCache, SingleFlight, TieredCache
from butaca.core.errors import CatalogueFailed, CatalogueUnavailable
from butaca.core.models import Fetched, Genre
from butaca.core.ports import MovieCatalogue, PopularQuery, SearchQuery
from tests.builders import make_movie, make_page, make_record
from tests.fakes import FakeCache, FakeCatalogue, FakeClock, FakeHealth

REDIS_COOLDOWN = 3.0
"""In seconds: how long Redis is not called after a failure."""

TTL, COOLDOWN, PROBE_TIMEOUT, DAY = 30, 7, 6, 86_400
POPULAR = PopularQuery("en-US")
KEY = "popular:1:en-US:"
TIMEOUT = 20.0
"""In seconds: how long a test waits for another thread before it fails."""

Fetch = Callable[[CachedCatalogue], Fetched[Any]]
FETCHES: dict[str, Fetch] = {
    "popular": lambda cached: cached.popular(POPULAR),
    "search": lambda cached: cached.search(SearchQuery("movie", "en-US")),
    "details": lambda cached: cached.details(550, "en-US"),
    "record": lambda cached: cached.record(550),
    "genres": lambda cached: cached.genres("en-US"),
}


@dataclass
class WatchedClock(FakeClock):
    """A clock that records which threads have read it."""

    readers: set[int] = field(default_factory=set)
    changed: Condition = field(default_factory=Condition)

    def monotonic(self) -> float:
        with self.changed:
            self.readers.add(get_ident())
            self.changed.notify_all()
        return super().monotonic()

    def wait_for(self, threads: int) -> None:
        """Wait until this many threads have read the clock."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.readers) >= threads, TIMEOUT)


@dataclass
class GatedCatalogue(FakeCatalogue):
    """A catalogue whose calls signal their arrival, and block until a gate opens."""

    arrivals: Semaphore = field(default_factory=lambda: Semaphore(0))
    gate: Event = field(default_factory=Event)

    def _called(self, what: object) -> None:
        self.arrivals.release()
        assert self.gate.wait(TIMEOUT)
        super()._called(what)

    def wait_for_call(self) -> None:
        """Wait until another call has arrived."""
        assert self.arrivals.acquire(timeout=TIMEOUT)


def populate(upstream: FakeCatalogue) -> None:
    """Add one popular movie and one genre to an upstream."""
    upstream.pages = {1: make_page(make_movie(550))}
    upstream.add(make_record(550))
    upstream.genres_in = {"en-US": (Genre(18, "Drama"),)}


@dataclass
class Harness:
    """A cached catalogue, its upstream and cache, and the clock that they share."""

    cache: FakeCache = field(default_factory=FakeCache)
    upstream: FakeCatalogue = field(default_factory=FakeCatalogue)
    memory_size: int = 100
    slots: int = 4
    slow_after: float = 0.5
    deadline: float = TIMEOUT

    def __post_init__(self) -> None:
        populate(self.upstream)
        self.clock = self.cache.clock
        self.health = FakeHealth(self.clock, cooldown=COOLDOWN, probe_timeout=PROBE_TIMEOUT)
        self.restart()

    def restart(self) -> None:
        """Restart the process: its memory is empty, and the shared cache is unchanged."""
        self.bulkhead = Bulkhead(self.slots, self.slow_after, self.clock.monotonic)
        self.cached = self.make_pod(self.upstream)

    def make_pod(self, upstream: MovieCatalogue) -> CachedCatalogue:
        """Return a cached catalogue with an empty memory, on the shared cache."""
        clock = self.clock.monotonic
        layers = TieredCache(MemoryCache(self.memory_size, DAY, clock), self.cache, TTL)
        single_flight = SingleFlight(self.deadline, clock)
        return CachedCatalogue(upstream, layers, self.health, self.bulkhead, single_flight, clock)

    @property
    def calls(self) -> int:
        return len(self.upstream.calls)

    def popular(self) -> Fetched[Any]:
        return self.cached.popular(POPULAR)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def cache_and_expire(self) -> Fetched[Any]:
        """Cache the popular movies, and return them after the entry has expired."""
        cached = self.popular()
        self.advance(TTL + 10)
        return cached

    def break_upstream(self, failure: CatalogueFailed | None = None) -> CatalogueFailed:
        self.upstream.failure = failure or CatalogueUnavailable(upstream_status=503)
        return self.upstream.failure
