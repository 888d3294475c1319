"""Refreshing stored movies, to keep them accurate and within TMDB's limit on caching.

A movie is **due** when its last check is at least as old as requested, or when it was fetched at
least 180 days ago. There are two ways to check it: fetch it again, or find that TMDB's lists do not
contain any change since the day before its last check. In the second case it is **unchanged**, and
only the time of the check is updated. Only a fetch resets its age. To keep every movie within
TMDB's six months, a due movie is always fetched once it is older than 180 days minus twice the
requested age: refreshing at least that often always stays within the limit.

A movie that upstream no longer has is **gone**: it is marked, stays available to the users who
favorited or rated it, and is requested again after at least 30 days, because it may return. A movie
that no user has favorited or rated is **dropped**, whatever its age.

TMDB's lists do not cover changes to votes and popularity, which are as old as the last fetch.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from butaca.core.changes import ChangeReader, KnownChanges
from butaca.core.clock import utc_now
from butaca.core.errors import CatalogueAccessDenied, CatalogueFailed, MovieNotFound
from butaca.core.models import StoredMovie
from butaca.core.ports import MovieCatalogue, MovieStore

MAX_AGE = timedelta(days=180)
"""TMDB's terms of use forbid caching for more than six months."""

GONE_RECHECK_INTERVAL = timedelta(days=30)
"""The minimum time between two requests for a movie that TMDB no longer has."""

MAX_CONSECUTIVE_FAILURES = 10
"""The number of consecutive failures after which TMDB is considered unavailable."""

COUNT_BATCH_SIZE, FETCH_BATCH_SIZE = 1000, 100
"""Batch sizes for counting and for fetching; small batches keep the state that was read recent."""


class Outcome(StrEnum):
    """The result of processing a movie."""

    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    GONE = "gone"
    DROPPED = "dropped"
    FAILED = "failed"


class Progress(Protocol):
    """An observer of the progress of a refresh."""

    def started(self, due: int) -> None:
        """Handle the start; `due` is the number of movies that are due."""

    def done(self, outcome: Outcome, movies: int = 1) -> None:
        """Handle the outcome of one or more movies."""

    def failed(self, movie_id: int, failure: CatalogueFailed) -> None:
        """Handle a failed fetch; `done` is called for the movie afterwards."""


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """The age limits that apply at a given time."""

    now: datetime
    older_than: timedelta

    def is_due(self, movie: StoredMovie) -> bool:
        """Return whether a movie must be checked."""
        unchecked_for = self.now - movie.checked_at
        if movie.gone_at:
            return unchecked_for >= max(self.older_than, GONE_RECHECK_INTERVAL)
        return unchecked_for >= self.older_than or self.now - movie.fetched_at >= MAX_AGE

    def may_skip_fetch(self, movie: StoredMovie) -> bool:
        """Return whether a movie needs no fetch if it has not changed."""
        age = self.now - movie.fetched_at
        return movie.gone_at is None and age < MAX_AGE - 2 * min(self.older_than, MAX_AGE)


@dataclass(frozen=True, slots=True)
class Refresh:
    """Checks the stored movies against TMDB. It can be stopped and resumed at any point.

    `throttle` blocks until the next request to TMDB is allowed.
    """

    store: MovieStore
    catalogue: MovieCatalogue
    change_reader: ChangeReader
    throttle: Callable[[], None]
    now: Callable[[], datetime] = utc_now

    def run(self, older_than: timedelta, progress: Progress) -> None:
        """Check the movies that are due; drop those that no user has favorited or rated.

        A movie that cannot be fetched stays due. Raises CatalogueFailed if TMDB's lists cannot be
        read, if TMDB rejects our API key, or after 10 consecutive failures; LibraryUnavailable.
        """
        limits = AgeLimits(self.now(), older_than)
        due, skippable_by_date = self._count_due(limits, progress)
        progress.started(due)
        if due:
            changes = self.change_reader.read(skippable_by_date, limits.now.date())
            self._check_all(limits, changes, progress)

    def _count_due(self, limits: AgeLimits, progress: Progress) -> tuple[int, Counter[date]]:
        """Count the due movies, and those of them that may need no fetch by date of last check."""
        due, skippable_by_date = 0, Counter[date]()
        for movies in self._pages(COUNT_BATCH_SIZE):
            self._drop_unreferenced(movies, progress)
            batch = [each for each in movies if each.is_referenced and limits.is_due(each)]
            due += len(batch)
            skippable = (each for each in batch if limits.may_skip_fetch(each))
            skippable_by_date.update(each.checked_at.date() for each in skippable)
        return due, skippable_by_date

    def _drop_unreferenced(self, movies: Sequence[StoredMovie], progress: Progress) -> None:
        if unreferenced := [each.id for each in movies if not each.is_referenced]:
            progress.done(Outcome.DROPPED, self.store.drop_unreferenced(unreferenced))

    def _check_all(self, limits: AgeLimits, changes: KnownChanges, progress: Progress) -> None:
        failures = 0
        for movies in self._pages(FETCH_BATCH_SIZE):
            due = [each for each in movies if each.is_referenced and limits.is_due(each)]
            unchanged_ids = {
                each.id
                for each in due
                if limits.may_skip_fetch(each) and changes.is_unchanged(each)
            }
            self._mark_unchanged(unchanged_ids, limits.now, progress)
            for movie_id in (each.id for each in due if each.id not in unchanged_ids):
                failure = self._check(movie_id, progress)
                failures = failures + 1 if failure else 0
                if failure and failures == MAX_CONSECUTIVE_FAILURES:
                    raise failure

    def _mark_unchanged(self, movie_ids: set[int], at: datetime, progress: Progress) -> None:
        if movie_ids:
            self.store.mark_unchanged(movie_ids, at)
            progress.done(Outcome.UNCHANGED, len(movie_ids))

    def _check(self, movie_id: int, progress: Progress) -> CatalogueFailed | None:
        """Fetch a movie; return the error if that failed. Raises CatalogueAccessDenied."""
        self.throttle()
        try:
            progress.done(self._fetch(movie_id))
        except CatalogueAccessDenied:
            raise
        except CatalogueFailed as failure:
            progress.failed(movie_id, failure)
            progress.done(Outcome.FAILED)
            return failure
        return None

    def _fetch(self, movie_id: int) -> Outcome:
        try:
            record = self.catalogue.record(movie_id).value
        except MovieNotFound:
            self.store.mark_gone(movie_id, self.now())
            return Outcome.GONE
        self.store.save_movie(record, self.now())
        return Outcome.REFRESHED

    def _pages(self, size: int) -> Iterator[Sequence[StoredMovie]]:
        after = 0
        while movies := self.store.movies(after, size):
            yield movies
            after = movies[-1].id
