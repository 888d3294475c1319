"""A cached catalogue and its upstream, built from fakes on one clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Event, Semaphore, get_ident
from typing import Any

from butaca.adapters.bulkhead import Bulkhead
from butaca.adapters.cache import CachedCatalogue, MemoryCache, SingleFlight, TieredCache
from butaca.core.errors import CatalogueFailed, CatalogueUnavailable
from butaca.core.models import Fetched, Genre
from butaca.core.ports import MovieCatalogue, PopularQuery
from tests.builders import make_movie, make_page, make_record
from tests.fakes import FakeCache, FakeCatalogue, FakeClock, FakeHealth

REST = 3.0
"""Seconds before a link that is down is retried."""

TTL, COOLDOWN, PROBE, DAY = 30, 7, 6, 86_400
POPULAR = PopularQuery("en-US")
KEY = "popular:1:en-US:"
LONG = 20.0
"""Seconds that a test waits for a thread before it fails."""

Ask = Callable[[CachedCatalogue], Fetched[Any]]


@dataclass
class WatchedClock(FakeClock):
    """A clock that records which threads have read it."""

    seen: set[int] = field(default_factory=set)
    changed: Condition = field(default_factory=Condition)

    def monotonic(self) -> float:
        with self.changed:
            self.seen.add(get_ident())
            self.changed.notify_all()
        return super().monotonic()

    def wait_for(self, threads: int) -> None:
        """Wait until this many threads have read the clock."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen) >= threads, LONG)


@dataclass
class GatedCatalogue(FakeCatalogue):
    """A catalogue whose calls signal their arrival and then wait for a gate to open."""

    arrivals: Semaphore = field(default_factory=lambda: Semaphore(0))
    gate: Event = field(default_factory=Event)

    def _called(self, what: object) -> None:
        self.arrivals.release()
        assert self.gate.wait(LONG)
        super()._called(what)

    def wait_for_call(self) -> None:
        """Wait until one more call has arrived."""
        assert self.arrivals.acquire(timeout=LONG)


def furnish(upstream: FakeCatalogue) -> None:
    """Give an upstream one popular movie."""
    upstream.pages = {1: make_page(make_movie(550))}
    upstream.add(make_record(550))
    upstream.genres_in = {"en-US": (Genre(18, "Drama"),)}


@dataclass
class Scene:
    """A cached catalogue, its upstream and cache, and the clock that they share."""

    cache: FakeCache = field(default_factory=FakeCache)
    upstream: FakeCatalogue = field(default_factory=FakeCatalogue)
    remembered: int = 100
    places: int = 4
    patience: float = 0.5
    deadline: float = LONG

    def __post_init__(self) -> None:
        furnish(self.upstream)
        self.clock = self.cache.clock
        self.health = FakeHealth(self.clock, cooldown=COOLDOWN, probe=PROBE)
        self.forget()

    def forget(self) -> None:
        """Restart the process: its memory is empty, and the shared cache keeps its entries."""
        self.bulkhead = Bulkhead(self.places, self.patience, self.clock.monotonic)
        self.cached = self.pod(self.upstream)

    def pod(self, upstream: MovieCatalogue) -> CachedCatalogue:
        """Return another process in front of an upstream, with an empty memory."""
        clock = self.clock.monotonic
        layers = TieredCache(MemoryCache(self.remembered, DAY, clock), self.cache, TTL)
        flights = SingleFlight(self.deadline, clock)
        return CachedCatalogue(upstream, layers, self.health, self.bulkhead, flights, clock)

    @property
    def calls(self) -> int:
        return len(self.upstream.calls)

    def popular(self) -> Fetched[Any]:
        return self.cached.popular(POPULAR)

    def pass_seconds(self, seconds: float) -> None:
        self.clock.move(seconds)

    def keep_and_let_expire(self) -> Fetched[Any]:
        kept = self.popular()
        self.pass_seconds(TTL + 10)
        return kept

    def break_upstream(self, failure: CatalogueFailed | None = None) -> CatalogueFailed:
        self.upstream.failure = failure or CatalogueUnavailable(upstream_status=503)
        return self.upstream.failure
