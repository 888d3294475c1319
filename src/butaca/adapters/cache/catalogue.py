"""A catalogue that remembers: fresh answers spare a call, stale ones stand in for a failed one."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from butaca.adapters.cache.entries import Cache, Entry
from butaca.core.errors import CatalogueFailed, CatalogueUnavailable, MovieNotFound
from butaca.core.models import (
    Fetched,
    Freshness,
    Movie,
    MovieDetails,
    MovieRecord,
    Page,
    Source,
)
from butaca.core.ports import MovieCatalogue, PopularQuery, SearchQuery

T = TypeVar("T")
log = logging.getLogger("butaca.catalogue")


class _Kept(Generic[T]):
    """How one kind of answer is written down. That there is no such movie is one, too: null."""

    def __init__(self, of: Any) -> None:
        self._adapter: TypeAdapter[T | None] = TypeAdapter(of | None)

    def write(self, value: T | None) -> bytes:
        return self._adapter.dump_json(value)

    def read(self, body: bytes) -> T | None:
        return self._adapter.validate_json(body)


_PAGE: _Kept[Page[Movie]] = _Kept(Page[Movie])
_DETAILS: _Kept[MovieDetails] = _Kept(MovieDetails)
_RECORD: _Kept[MovieRecord] = _Kept(MovieRecord)


class CachedCatalogue:
    """A catalogue in front of another. Times are in seconds.

    The same call goes out once per `ttl`. When it fails, what is kept is served, and nothing
    goes out for `cooldown`. Source: RFC 5861 (stale-if-error).
    """

    def __init__(
        self,
        catalogue: MovieCatalogue,
        cache: Cache,
        ttl: float = 30.0,
        cooldown: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._ttl = ttl
        self._cooldown = cooldown
        self._clock = clock

    def popular(self, query: PopularQuery) -> Fetched[Page[Movie]]:
        """Return one page of what is popular."""
        key = _key("popular", query.page, query.language, query.region)
        return self._answer(key, _PAGE, lambda: self._catalogue.popular(query))

    def search(self, query: SearchQuery) -> Fetched[Page[Movie]]:
        """Return one page of what was found."""
        key = _key("search", query.text, query.page, query.language, query.region, query.year)
        return self._answer(key, _PAGE, lambda: self._catalogue.search(query))

    def details(self, movie_id: int, language: str) -> Fetched[MovieDetails]:
        """Return one movie in a language."""
        key = _key("details", movie_id, language)
        return self._answer(key, _DETAILS, lambda: self._catalogue.details(movie_id, language))

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        """Return one movie with all its translations."""
        key = _key("record", movie_id)
        return self._answer(key, _RECORD, lambda: self._catalogue.record(movie_id))

    def _answer(self, key: str, kept: _Kept[T], fetch: Callable[[], Fetched[T]]) -> Fetched[T]:
        entry = self._cache.get(key)
        if entry and entry.age < self._ttl and (hit := self._serve(entry, kept, Source.HIT)):
            return hit
        if seconds := self._cache.resting():
            if stale := self._serve(entry, kept, Source.COOLDOWN):
                return stale
            raise CatalogueUnavailable(retry_after=math.ceil(seconds))
        return self._fetch(key, kept, fetch, entry)

    def _fetch(
        self, key: str, kept: _Kept[T], fetch: Callable[[], Fetched[T]], entry: Entry | None
    ) -> Fetched[T]:
        started = self._clock()
        try:
            value = fetch().value
        except MovieNotFound:
            self._cache.put(key, kept.write(None))
            raise
        except CatalogueFailed as failure:
            self._cache.rest(self._cooldown)
            seconds, served = self._clock() - started, "stale"
            try:
                if stale := self._serve(entry, kept, Source.STALE, failure.upstream_status):
                    return stale
                served = "nothing"
                failure.retry_after = math.ceil(self._cooldown)
                raise
            finally:  # That there is no such movie is served by raising.
                _report(failure, key, seconds, served)
        is_stored = self._cache.put(key, kept.write(value))
        return Fetched(value, Freshness(Source.MISS, ttl=int(self._ttl), stored=is_stored))

    def _serve(
        self, entry: Entry | None, kept: _Kept[T], source: Source, status: int | None = None
    ) -> Fetched[T] | None:
        """Return what is kept, or `None` where nothing is that can be read."""
        if entry is None:
            return None
        try:
            value = kept.read(entry.body)
        except ValidationError:
            return None
        if value is None:
            raise MovieNotFound
        left = math.floor(self._ttl - entry.age)
        return Fetched(
            value, Freshness(source, age=int(entry.age), ttl=left, upstream_status=status)
        )


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
            "seconds": round(seconds, 3),
            "call": key,
            "served": served,
        },
    )
