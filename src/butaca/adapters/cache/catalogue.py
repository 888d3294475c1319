"""A caching catalogue: fresh answers save a call, stale ones replace a failed call."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeVar
from urllib.parse import quote

from butaca.adapters.bulkhead import Bulkhead
from butaca.adapters.cache.entries import CacheEntry, Health, Lease, redacted
from butaca.adapters.cache.single_flight import InFlightCall, SingleFlight
from butaca.adapters.cache.tiered import Call, Codec, TieredCache
from butaca.adapters.deadline import seconds_left, within
from butaca.core.errors import (
    CatalogueAnsweredNonsense,
    CatalogueBusy,
    CatalogueFailed,
    CatalogueRefusedUs,
    CatalogueTimedOut,
    CatalogueUnavailable,
    MovieNotFound,
)
from butaca.core.models import (
    Fetched,
    Freshness,
    Genre,
    Movie,
    MovieDetails,
    MovieRecord,
    Page,
    Source,
)
from butaca.core.ports import MovieCatalogue, PopularQuery, SearchQuery

T = TypeVar("T")
log = logging.getLogger("butaca.catalogue")

POLL_SECONDS = 0.02
"""The interval at which to check, in seconds, whether the call of another pod has finished."""

LANDING_SECONDS = 1.0
"""How long a lease outlasts the deadline of its call, in seconds."""

_PAGE: Codec[Page[Movie]] = Codec(Page[Movie])
_DETAILS: Codec[MovieDetails] = Codec(MovieDetails)
_RECORD: Codec[MovieRecord] = Codec(MovieRecord)
_GENRES: Codec[tuple[Genre, ...]] = Codec(tuple[Genre, ...])


class CachedCatalogue:
    """A cache in front of another catalogue. Times are in seconds.

    The same call is sent upstream once per time-to-live, over all pods. If it fails, the cached
    answer is served, and nothing is sent for the length of the cooldown. No request waits longer
    than the deadline of a call. Source: RFC 5861 (stale-if-error, stale-while-revalidate).
    """

    def __init__(
        self,
        catalogue: MovieCatalogue,
        cache: TieredCache,
        health: Health,
        bulkhead: Bulkhead,
        flights: SingleFlight,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._health = health
        self._bulkhead = bulkhead
        self._flights = flights
        self._clock = clock

    def popular(self, query: PopularQuery) -> Fetched[Page[Movie]]:
        """Return one page of the popular movies."""
        key = _key("popular", query.page, query.language, query.region)
        return self._answer(Call(key, _PAGE, partial(self._catalogue.popular, query)))

    def search(self, query: SearchQuery) -> Fetched[Page[Movie]]:
        """Return one page of the matches."""
        key = _key("search", query.text, query.page, query.language, query.region, query.year)
        return self._answer(Call(key, _PAGE, partial(self._catalogue.search, query)))

    def details(self, movie_id: int, language: str) -> Fetched[MovieDetails]:
        """Return the details of a movie in a language."""
        key = _key("details", movie_id, language)
        fetch = partial(self._catalogue.details, movie_id, language)
        return self._answer(Call(key, _DETAILS, fetch))

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        """Return a movie with all its translations."""
        key = _key("record", movie_id)
        return self._answer(Call(key, _RECORD, partial(self._catalogue.record, movie_id)))

    def genres(self, language: str) -> Fetched[tuple[Genre, ...]]:
        """Return all genres of movies."""
        key = _key("genres", language)
        return self._answer(Call(key, _GENRES, partial(self._catalogue.genres, language)))

    def _answer(self, call: Call[T]) -> Fetched[T]:
        """Answer from memory, from Redis, from a call in flight, or from a new one."""
        kept = self._cache.find(call)
        if kept and self._cache.is_fresh(kept):
            return self._serve(kept, Source.HIT)
        if seconds := self._health.seconds_of_rest(call.key):
            return self._instead(kept, Source.COOLDOWN, _resting(seconds))
        with within(self._flights.deadline):
            return self._join(call, kept)

    def _join(self, call: Call[T], kept: CacheEntry[T | None] | None) -> Fetched[T]:
        """Let one thread of this process make the call; the others serve a stale answer or wait."""
        flight: InFlightCall[Fetched[T]]
        flight, leads = self._flights.join(call.key)
        if not leads:
            return self._follow(flight, kept)
        call_upstream = partial(self._lead, call, kept)
        if kept is None:
            return self._flights.run(call.key, flight, call_upstream)
        self._flights.run_in_background(call.key, flight, call_upstream)
        # A fresh answer is worth a short wait only, because there is a stale one to serve.
        if flight.wait(self._bulkhead.patience):
            return flight.result()
        kept = self._cache.find(call) or kept  # Its age includes the time spent waiting.
        return self._serve(kept, Source.UPDATING)

    def _follow(
        self, flight: InFlightCall[Fetched[T]], kept: CacheEntry[T | None] | None
    ) -> Fetched[T]:
        if kept:
            return self._serve(kept, Source.UPDATING)
        return _collapsed(self._wait_for(flight))

    def _wait_for(self, flight: InFlightCall[T]) -> T:
        """Wait for the call of another thread; beyond the patience, only with a place."""
        patience = flight.started_at + self._bulkhead.patience - self._clock()
        if flight.wait(min(patience, seconds_left())):
            return flight.result()
        with self._bulkhead.place(may_queue=False):
            if flight.wait(seconds_left()):
                return flight.result()
        raise CatalogueTimedOut

    def _lead(self, call: Call[T], kept: CacheEntry[T | None] | None) -> Fetched[T]:
        try:
            with self._bulkhead.place(may_queue=kept is None):
                return self._lead_over_pods(call, kept)
        except CatalogueBusy as busy:
            return self._instead(kept, Source.BUSY, busy)

    def _lead_over_pods(self, call: Call[T], kept: CacheEntry[T | None] | None) -> Fetched[T]:
        """Make the call, unless another pod does: then serve a stale answer, or wait for it."""
        while seconds_left() > 0:
            longest = self._flights.deadline + LANDING_SECONDS
            with self._cache.lease(call, longest) as (lease, found):
                if found and self._cache.is_fresh(found):
                    return self._serve(found, Source.HIT)
                kept = found or kept
                if lease.leads:
                    return self._go(call, kept, lease)
            if kept:
                return self._serve(kept, Source.UPDATING)
            time.sleep(POLL_SECONDS)
        raise CatalogueTimedOut

    def _go(self, call: Call[T], kept: CacheEntry[T | None] | None, lease: Lease) -> Fetched[T]:
        """Make the call, if upstream is not in its cooldown."""
        if seconds := self._health.claim(is_calm=lease.is_calm):
            return self._instead(kept, Source.COOLDOWN, _resting(seconds))
        return self._fetch(call, kept, lease)

    def _fetch(self, call: Call[T], kept: CacheEntry[T | None] | None, lease: Lease) -> Fetched[T]:
        started = self._clock()
        try:
            value = call.fetch().value
        except MovieNotFound:
            self._health.answered()
            self._cache.keep(call, None, lease)
            raise
        except CatalogueFailed as failure:
            self._let_rest(call.key, failure)
            _report(failure, call.key, self._since(started), "stale" if kept else "nothing")
            kept = self._cache.find(call) or kept  # Its age includes the duration of the call.
            return self._instead(kept, Source.STALE, failure)
        self._health.answered()
        log.info(
            "tmdb.call_answered",
            extra={"call": redacted(call.key), "seconds": self._since(started)},
        )
        is_stored = self._cache.keep(call, value, lease)
        return Fetched(value, Freshness(Source.MISS, ttl=int(self._cache.ttl), stored=is_stored))

    def _since(self, started: float) -> float:
        return round(self._clock() - started, 3)

    def _let_rest(self, key: str, failure: CatalogueFailed) -> None:
        """Start a cooldown, whose scope depends on the failure."""
        match failure:
            case CatalogueAnsweredNonsense():
                self._health.answered_nonsense(key)
            case CatalogueRefusedUs():
                self._health.refused()
            case _:
                self._health.failed()
        failure.retry_after = math.ceil(self._health.seconds_of_rest(key))

    def _instead(
        self, kept: CacheEntry[T | None] | None, source: Source, failure: CatalogueFailed
    ) -> Fetched[T]:
        """Serve the cached answer in place of a failure. Raises the failure if there is none."""
        if kept is None:
            raise failure
        return self._serve(kept, source, failure.upstream_status)

    def _serve(
        self, kept: CacheEntry[T | None], source: Source, upstream_status: int | None = None
    ) -> Fetched[T]:
        if kept.value is None:
            raise MovieNotFound
        left = math.floor(self._cache.ttl - kept.age)
        freshness = Freshness(source, age=int(kept.age), ttl=left, upstream_status=upstream_status)
        return Fetched(kept.value, freshness)


def _collapsed(fetched: Fetched[T]) -> Fetched[T]:
    """Mark a fresh answer as obtained by the call of another request."""
    if fetched.freshness.source is not Source.MISS:
        return fetched
    return replace(fetched, freshness=replace(fetched.freshness, source=Source.COLLAPSED))


def _resting(seconds: float) -> CatalogueUnavailable:
    return CatalogueUnavailable(retry_after=math.ceil(seconds))


@lru_cache(maxsize=1024)
def _key(*parts: str | int | None) -> str:
    return ":".join("" if part is None else quote(str(part), safe="") for part in parts)


def _report(failure: CatalogueFailed, key: str, seconds: float, served: str) -> None:
    cause = failure.__cause__
    log.error(
        "tmdb.call_failed",
        extra={
            "failure": type(failure).__name__,
            "reason": type(cause).__name__ if cause else None,
            "upstream_status": failure.upstream_status,
            "tries": failure.tries,
            "seconds": seconds,
            "call": redacted(key),
            "served": served,
        },
    )
