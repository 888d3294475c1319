"""Refreshing: keeping true what is stored of TMDB's movies, for as long as TMDB permits.

A movie is **due** when its last check is older than was asked for, or when it was fetched
180 days ago or more. It is checked by being fetched again, or by being absent from TMDB's lists of
all changes since the day before its last check: then it is **unchanged**, and nothing but the
moment of its check is written. Only fetching makes it younger. So that nothing is ever older than
TMDB's six months, a movie is not spared for being unchanged once it is older than 180 days less
twice what was asked for: whoever refreshes at least that often is never late.

A movie that upstream does not have is **gone**: marked, left as it is for those who keep it, and
asked for again no sooner than after 30 days, for it may return. What nobody keeps or rates is
**dropped**, however old it is.

Votes and popularity are no changes to TMDB; they are as old as the movie.
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
"""TMDB's terms of use let nobody keep anything for more than six months."""

GONE_FOR = timedelta(days=30)
"""For how long TMDB is not asked again for what it does not have any more."""

PATIENCE = 10
"""How many movies in a row may fail before TMDB is taken for being away."""

SURVEYED, FETCHED = 1000, 100
"""How many movies are read at a time; of the latter the newest state is known when it matters."""


class Outcome(StrEnum):
    """What became of a movie."""

    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    GONE = "gone"
    DROPPED = "dropped"
    FAILED = "failed"


class Progress(Protocol):
    """Whoever wants to know how far a refresh has come."""

    def began(self, due: int) -> None:
        """Hear how many movies are due."""

    def done(self, outcome: Outcome, movies: int = 1) -> None:
        """Hear what became of one or more movies."""

    def failed(self, movie_id: int, failure: CatalogueFailed) -> None:
        """Hear, before it is done, why a movie could not be fetched."""


@dataclass(frozen=True, slots=True)
class Ages:
    """What is too old at a moment."""

    now: datetime
    older_than: timedelta

    def is_due(self, movie: StoredMovie) -> bool:
        """Tell whether a movie is to be checked."""
        unchecked_for = self.now - movie.checked_at
        if movie.gone_at:
            return unchecked_for >= max(self.older_than, GONE_FOR)
        return unchecked_for >= self.older_than or self.now - movie.fetched_at >= TERMS

    def may_be_spared(self, movie: StoredMovie) -> bool:
        """Tell whether it is enough to know that a movie is unchanged."""
        age = self.now - movie.fetched_at
        return movie.gone_at is None and age < TERMS - 2 * min(self.older_than, TERMS)


@dataclass(frozen=True, slots=True)
class Refresh:
    """The movies that are stored, checked against TMDB. Stopped at any moment, it can be resumed.

    `wait_turn` returns when TMDB may be asked once more.
    """

    store: MovieStore
    catalogue: MovieCatalogue
    changes: Changes
    wait_turn: Callable[[], None]
    now: Callable[[], datetime] = utc_now

    def run(self, older_than: timedelta, progress: Progress) -> None:
        """Check what was not checked for so long; drop what nobody keeps.

        A movie that cannot be fetched stays due. Raises CatalogueFailed where TMDB's lists cannot
        be read, where it refuses our key, or after 10 movies in a row; LibraryUnavailable.
        """
        ages = Ages(self.now(), older_than)
        due, checked = self._survey(ages, progress)
        progress.began(due)
        if due:
            unchanged = self.changes.read(checked, ages.now.date())
            self._check_all(ages, unchanged, progress)

    def _survey(self, ages: Ages, progress: Progress) -> tuple[int, Counter[date]]:
        """Count what is due, and by the day of their last check those that may be spared."""
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
        """Fetch a movie; return why that failed. Raises CatalogueRefusedUs."""
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
