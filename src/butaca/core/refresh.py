"""Refreshing stored movies, to keep them accurate and within TMDB's limit on caching.

A movie is **due** when its last check is at least as old as requested, or when it was fetched 180
days ago or earlier. There are two ways to check it: by fetching it again, or by its absence from
TMDB's lists of all changes since the day before its last check. In the latter case it is
**unchanged**, and only the time of the check is written. Only fetching resets its age. To keep
every movie within TMDB's six months, being unchanged no longer suffices once a movie is older than
180 days minus twice the requested age: refreshing at least that often always stays within the
limit.

A movie that upstream no longer has is **gone**: it is marked, stays available to the users who have
it, and is requested again after 30 days at the earliest, because it may return. A movie that no
user has favorited or rated is **dropped**, whatever its age.

Changes to votes and popularity are not in TMDB's lists; they are as old as the movie.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from butaca.core.changes import Changes, Unchanged
from butaca.core.clock import utc_now
from butaca.core.errors import CatalogueFailed, CatalogueRefusedUs, MovieNotFound
from butaca.core.models import StoredMovie
from butaca.core.ports import MovieCatalogue, MovieStore

TERMS = timedelta(days=180)
"""TMDB's terms of use forbid caching for more than six months."""

GONE_FOR = timedelta(days=30)
"""The time for which TMDB is not asked again for a movie that it no longer has."""

PATIENCE = 10
"""The number of consecutive failures after which TMDB is considered unavailable."""

SURVEYED, FETCHED = 1000, 100
"""The batch sizes for counting and for fetching; in small batches the state read is recent."""


class Outcome(StrEnum):
    """The result of processing a movie."""

    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    GONE = "gone"
    DROPPED = "dropped"
    FAILED = "failed"


class Progress(Protocol):
    """An observer of the progress of a refresh."""

    def began(self, due: int) -> None:
        """Receive the number of movies that are due."""

    def done(self, outcome: Outcome, movies: int = 1) -> None:
        """Receive the outcome of one or more movies."""

    def failed(self, movie_id: int, failure: CatalogueFailed) -> None:
        """Receive the reason why a movie could not be fetched, before `done` is called for it."""


@dataclass(frozen=True, slots=True)
class Ages:
    """The age limits that apply at a given time."""

    now: datetime
    older_than: timedelta

    def is_due(self, movie: StoredMovie) -> bool:
        """Return whether a movie has to be checked."""
        unchecked_for = self.now - movie.checked_at
        if movie.gone_at:
            return unchecked_for >= max(self.older_than, GONE_FOR)
        return unchecked_for >= self.older_than or self.now - movie.fetched_at >= TERMS

    def may_be_spared(self, movie: StoredMovie) -> bool:
        """Return whether a movie needs no fetch if it is known to be unchanged."""
        age = self.now - movie.fetched_at
        return movie.gone_at is None and age < TERMS - 2 * min(self.older_than, TERMS)


@dataclass(frozen=True, slots=True)
class Refresh:
    """Checks the stored movies against TMDB. It can be stopped and resumed at any point.

    `wait_turn` blocks until the next request to TMDB is allowed.
    """

    store: MovieStore
    catalogue: MovieCatalogue
    changes: Changes
    wait_turn: Callable[[], None]
    now: Callable[[], datetime] = utc_now

    def run(self, older_than: timedelta, progress: Progress) -> None:
        """Check the movies whose last check is older than this; drop those that no user has.

        A movie that cannot be fetched stays due. Raises CatalogueFailed if TMDB's lists cannot be
        read, if it rejects our key, or after 10 consecutive failures; LibraryUnavailable.
        """
        ages = Ages(self.now(), older_than)
        due, checked = self._survey(ages, progress)
        progress.began(due)
        if due:
            unchanged = self.changes.read(checked, ages.now.date())
            self._check_all(ages, unchanged, progress)

    def _survey(self, ages: Ages, progress: Progress) -> tuple[int, Counter[date]]:
        """Count the movies that are due, and by date of last check those that may need no fetch."""
        due, checked = 0, Counter[date]()
        for movies in self._pages(SURVEYED):
            self._drop(movies, progress)
            old = [each for each in movies if each.is_kept and ages.is_due(each)]
            due += len(old)
            checked.update(each.checked_at.date() for each in old if ages.may_be_spared(each))
        return due, checked

    def _drop(self, movies: Sequence[StoredMovie], progress: Progress) -> None:
        if unkept := [each.id for each in movies if not each.is_kept]:
            progress.done(Outcome.DROPPED, self.store.drop_unkept(unkept))

    def _check_all(self, ages: Ages, unchanged: Unchanged, progress: Progress) -> None:
        failures = 0
        for movies in self._pages(FETCHED):
            due = [each for each in movies if each.is_kept and ages.is_due(each)]
            spared = {
                each.id for each in due if ages.may_be_spared(each) and unchanged.includes(each)
            }
            self._spare(spared, ages.now, progress)
            for movie_id in (each.id for each in due if each.id not in spared):
                failure = self._check(movie_id, progress)
                failures = failures + 1 if failure else 0
                if failure and failures == PATIENCE:
                    raise failure

    def _spare(self, movie_ids: set[int], at: datetime, progress: Progress) -> None:
        if movie_ids:
            self.store.mark_unchanged(movie_ids, at)
            progress.done(Outcome.UNCHANGED, len(movie_ids))

    def _check(self, movie_id: int, progress: Progress) -> CatalogueFailed | None:
        """Fetch a movie; return the error if that failed. Raises CatalogueRefusedUs."""
        self.wait_turn()
        try:
            progress.done(self._fetch(movie_id))
        except CatalogueRefusedUs:
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
