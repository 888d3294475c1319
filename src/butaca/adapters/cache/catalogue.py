"""A caching catalogue: fresh entries save a call, stale ones replace a failed call."""

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
from butaca.adapters.deadline import deadline_in, seconds_left
from butaca.core.errors import (
    CatalogueAccessDenied,
    CatalogueBusy,
    CatalogueFailed,
    CatalogueInvalidResponse,
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
"""The interval at which to check whether the call of another pod has finished, in seconds."""

LEASE_MARGIN_SECONDS = 1.0
"""How long a lease outlasts the deadline of its call, in seconds."""

_PAGE: Codec[Page[Movie]] = Codec(Page[Movie])
_DETAILS: Codec[MovieDetails] = Codec(MovieDetails)
_RECORD: Codec[MovieRecord] = Codec(MovieRecord)
_GENRES: Codec[tuple[Genre, ...]] = Codec(tuple[Genre, ...])


class CachedCatalogue:
    """A cache in front of another catalogue. Times are in seconds.

    The same call is made once per time-to-live, across all pods. If it fails, the stale entry is
    served, and no calls are made during the cooldown. No request waits longer than the deadline of
    a call. Source: RFC 5861 (stale-if-error, stale-while-revalidate).
    """

    def __init__(
        self,
        catalogue: MovieCatalogue,
        cache: TieredCache,
        health: Health,
        bulkhead: Bulkhead,
        single_flight: SingleFlight,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._health = health
        self._bulkhead = bulkhead
        self._single_flight = single_flight
        self._clock = clock

    def popular(self, query: PopularQuery) -> Fetched[Page[Movie]]:
        """Return one page of the popular movies."""
        key = _key("popular", query.page, query.language, query.region)
        return self._get(Call(key, _PAGE, partial(self._catalogue.popular, query)))

    def search(self, query: SearchQuery) -> Fetched[Page[Movie]]:
        """Return one page of the movies that match a search."""
        key = _key("search", query.text, query.page, query.language, query.region, query.year)
        return self._get(Call(key, _PAGE, partial(self._catalogue.search, query)))

    def details(self, movie_id: int, language: str) -> Fetched[MovieDetails]:
        """Return the details of a movie in a language."""
        key = _key("details", movie_id, language)
        fetch = partial(self._catalogue.details, movie_id, language)
        return self._get(Call(key, _DETAILS, fetch))

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        """Return a movie with all its translations."""
        key = _key("record", movie_id)
        return self._get(Call(key, _RECORD, partial(self._catalogue.record, movie_id)))

    def genres(self, language: str) -> Fetched[tuple[Genre, ...]]:
        """Return all genres of movies."""
        key = _key("genres", language)
        return self._get(Call(key, _GENRES, partial(self._catalogue.genres, language)))

    def _get(self, call: Call[T]) -> Fetched[T]:
        """Return a response from memory, from Redis, from a call in flight, or from a new one."""
        entry = self._cache.get(call)
        if entry and self._cache.is_fresh(entry):
            return self._serve(entry, Source.HIT)
        if seconds := self._health.cooldown_left(call.key):
            return self._serve_or_raise(entry, Source.COOLDOWN, _in_cooldown(seconds))
        with deadline_in(self._single_flight.deadline):
            return self._collapse(call, entry)

    def _collapse(self, call: Call[T], entry: CacheEntry[T | None] | None) -> Fetched[T]:
        """Let one thread of this process make the call; the others serve a stale entry or wait."""
        flight: InFlightCall[Fetched[T]]
        flight, is_leader = self._single_flight.join(call.key)
        if not is_leader:
            return self._follow(flight, entry)
        lead = partial(self._lead, call, entry)
        if entry is None:
            return self._single_flight.run(call.key, flight, lead)
        self._single_flight.run_in_background(call.key, flight, lead)
        # With a stale entry to serve, a fresh response is worth only a short wait.
        if flight.wait(self._bulkhead.slow_after):
            return flight.result()
        entry = self._cache.get(call) or entry  # Its age includes the time spent waiting.
        return self._serve(entry, Source.UPDATING)

    def _follow(
        self, flight: InFlightCall[Fetched[T]], entry: CacheEntry[T | None] | None
    ) -> Fetched[T]:
        if entry:
            return self._serve(entry, Source.UPDATING)
        return _mark_collapsed(self._wait_for(flight))

    def _wait_for(self, flight: InFlightCall[T]) -> T:
        """Wait for the call of another thread; once the call is slow, only in a bulkhead slot."""
        until_slow = flight.started_at + self._bulkhead.slow_after - self._clock()
        if flight.wait(min(until_slow, seconds_left())):
            return flight.result()
        with self._bulkhead.slot(may_queue=False):
            if flight.wait(seconds_left()):
                return flight.result()
        raise CatalogueTimedOut

    def _lead(self, call: Call[T], entry: CacheEntry[T | None] | None) -> Fetched[T]:
        try:
            with self._bulkhead.slot(may_queue=entry is None):
                return self._lead_across_pods(call, entry)
        except CatalogueBusy as busy:
            return self._serve_or_raise(entry, Source.BUSY, busy)

    def _lead_across_pods(self, call: Call[T], entry: CacheEntry[T | None] | None) -> Fetched[T]:
        """Make the call, unless another pod does: then serve a stale entry, or wait for it."""
        while seconds_left() > 0:
            lease_seconds = self._single_flight.deadline + LEASE_MARGIN_SECONDS
            with self._cache.lease(call, lease_seconds) as (lease, newest):
                if newest and self._cache.is_fresh(newest):
                    return self._serve(newest, Source.HIT)
                entry = newest or entry
                if lease.is_leader:
                    return self._fetch_if_allowed(call, entry, lease)
            if entry:
                return self._serve(entry, Source.UPDATING)
            time.sleep(POLL_SECONDS)
        raise CatalogueTimedOut

    def _fetch_if_allowed(
        self, call: Call[T], entry: CacheEntry[T | None] | None, lease: Lease
    ) -> Fetched[T]:
        """Make the call, unless upstream is in its cooldown."""
        if lease.upstream_healthy:  # According to Redis, which need not be asked again.
            seconds = self._health.cooldown_left(call.key)
        else:
            seconds = self._health.claim_call()
        if seconds:
            return self._serve_or_raise(entry, Source.COOLDOWN, _in_cooldown(seconds))
        return self._fetch(call, entry, lease)

    def _fetch(self, call: Call[T], entry: CacheEntry[T | None] | None, lease: Lease) -> Fetched[T]:
        started = self._clock()
        try:
            value = call.fetch().value
        except MovieNotFound:
            self._health.record_success()
            self._cache.put(call, None, lease)
            raise
        except CatalogueFailed as failure:
            self._start_cooldown(call.key, failure)
            served = "stale" if entry else "nothing"
            _log_failure(failure, call.key, self._seconds_since(started), served)
            entry = self._cache.get(call) or entry  # Its age includes the duration of the call.
            return self._serve_or_raise(entry, Source.STALE, failure)
        self._health.record_success()
        log.info(
            "tmdb.call_succeeded",
            extra={"call": redacted(call.key), "seconds": self._seconds_since(started)},
        )
        is_stored = self._cache.put(call, value, lease)
        return Fetched(value, Freshness(Source.MISS, ttl=int(self._cache.ttl), stored=is_stored))

    def _seconds_since(self, started: float) -> float:
        return round(self._clock() - started, 3)

    def _start_cooldown(self, key: str, failure: CatalogueFailed) -> None:
        """Start a cooldown, whose scope depends on the failure."""
        match failure:
            case CatalogueInvalidResponse():
                self._health.record_invalid_response(key)
            case CatalogueAccessDenied():
                self._health.record_rejected_api_key()
            case _:
                self._health.record_failure()
        failure.retry_after = math.ceil(self._health.cooldown_left(key))

    def _serve_or_raise(
        self, entry: CacheEntry[T | None] | None, source: Source, failure: CatalogueFailed
    ) -> Fetched[T]:
        """Serve the entry in place of a failure. Raises the failure if there is no entry."""
        if entry is None:
            raise failure
        return self._serve(entry, source, failure.upstream_status)

    def _serve(
        self, entry: CacheEntry[T | None], source: Source, upstream_status: int | None = None
    ) -> Fetched[T]:
        if entry.value is None:
            raise MovieNotFound
        left = math.floor(self._cache.ttl - entry.age)
        freshness = Freshness(source, age=int(entry.age), ttl=left, upstream_status=upstream_status)
        return Fetched(entry.value, freshness)


def _mark_collapsed(fetched: Fetched[T]) -> Fetched[T]:
    """Mark a fresh response as obtained by the call of another request."""
    if fetched.freshness.source is not Source.MISS:
        return fetched
    return replace(fetched, freshness=replace(fetched.freshness, source=Source.COLLAPSED))


def _in_cooldown(seconds: float) -> CatalogueUnavailable:
    return CatalogueUnavailable(retry_after=math.ceil(seconds))


@lru_cache(maxsize=1024)
def _key(*parts: str | int | None) -> str:
    return ":".join("" if part is None else quote(str(part), safe="") for part in parts)


def _log_failure(failure: CatalogueFailed, key: str, seconds: float, served: str) -> None:
    cause = failure.__cause__
    log.error(
        "tmdb.call_failed",
        extra={
            "failure": type(failure).__name__,
            "reason": type(cause).__name__ if cause else None,
            "upstream_status": failure.upstream_status,
            "attempts": failure.attempts,
            "seconds": seconds,
            "call": redacted(key),
            "served": served,
        },
    )
