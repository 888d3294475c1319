"""Old movies are checked, deleted ones are marked, and unreferenced ones are dropped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from butaca.core.changes import ChangeReader
from butaca.core.errors import (
    CatalogueAccessDenied,
    CatalogueFailed,
    CatalogueInvalidResponse,
    CatalogueUnavailable,
    LibraryUnavailable,
)
from butaca.core.models import Fetched, MovieRecord, StoredMovie
from butaca.core.refresh import (
    GONE_RECHECK_INTERVAL,
    MAX_AGE,
    MAX_CONSECUTIVE_FAILURES,
    Outcome,
    Refresh,
)
from tests.builders import CONSUMER, make_record
from tests.fakes import FakeCatalogue, FakeChanges, FakeClock, FakeMovies

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
REFRESHED, UNCHANGED, GONE, DROPPED, FAILED = Outcome


@dataclass
class ProgressRecorder:
    """Records the progress of a refresh."""

    due: int | None = None
    outcomes: list[tuple[Outcome, int]] = field(default_factory=list)
    failures: list[tuple[int, CatalogueFailed]] = field(default_factory=list)

    def started(self, due: int) -> None:
        self.due = due

    def done(self, outcome: Outcome, movies: int = 1) -> None:
        self.outcomes.append((outcome, movies))

    def failed(self, movie_id: int, failure: CatalogueFailed) -> None:
        self.failures.append((movie_id, failure))


@dataclass
class RefreshSetup:
    """A refresh and its fakes."""

    store: FakeMovies = field(default_factory=FakeMovies)
    catalogue: FakeCatalogue = field(default_factory=FakeCatalogue)
    lists: FakeChanges = field(default_factory=FakeChanges)
    clock: FakeClock = field(default_factory=FakeClock)
    throttled: int = 0

    def throttle(self) -> None:
        self.throttled += 1

    def add_favorites(self, *movie_ids: int, age: timedelta = MONTH, **changes: object) -> None:
        """Store favorites that were fetched some time ago; upstream has newer versions."""
        for movie_id in movie_ids:
            at = self.clock.moment - age
            self.store.save_movie(make_record(movie_id, title="Before"), at)
            self.store.library.add_favorite(CONSUMER.id, movie_id, at)
            self.catalogue.add(make_record(movie_id, title="After", **changes))

    def mark_changed(self, *movie_ids: int) -> None:
        self.lists.changed |= dict.fromkeys(movie_ids, (self.clock.moment - DAY).date())

    def refresh(self, older_than: timedelta = MONTH) -> ProgressRecorder:
        progress = ProgressRecorder()
        self.make_refresh().run(older_than, progress)
        return progress

    def make_refresh(self) -> Refresh:
        reader = ChangeReader(self.lists, self.throttle)
        return Refresh(self.store, self.catalogue, reader, self.throttle, self.clock.now)

    def titles(self) -> list[str]:
        return [record.details.title for record in self.store.library.movies.values()]


@pytest.fixture
def setup() -> RefreshSetup:
    return RefreshSetup()


# --- due movies


def test_old_changed_movie_is_fetched(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.mark_changed(550)
    progress = setup.refresh()
    assert (progress.due, progress.outcomes) == (1, [(REFRESHED, 1)])
    assert setup.titles() == ["After"]
    assert setup.store.stored[550].fetched_at == setup.clock.moment


def test_old_unchanged_movie_is_not_fetched(setup: RefreshSetup) -> None:
    setup.add_favorites(550, 551)
    before = setup.store.stored[550]
    progress = setup.refresh()
    assert (progress.due, progress.outcomes) == (2, [(UNCHANGED, 2)])
    assert setup.catalogue.calls == []
    assert setup.store.stored[550] == StoredMovie(550, before.fetched_at, setup.clock.moment)


def test_recent_movie_is_not_due(setup: RefreshSetup) -> None:
    setup.add_favorites(550, age=MONTH - DAY)
    setup.mark_changed(550)
    progress = setup.refresh()
    assert (progress.due, progress.outcomes) == (0, [])
    assert setup.throttled == 0


def test_unchanged_movie_is_not_due_until_it_is_old_again(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.refresh()
    setup.clock.advance((MONTH - DAY).total_seconds())
    assert setup.refresh().due == 0


def test_lists_before_the_last_check_are_not_read(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.refresh()
    setup.lists.calls.clear()
    setup.clock.advance(MONTH.total_seconds())
    assert setup.refresh().outcomes == [(UNCHANGED, 1)]
    oldest = min(first for first, _, _ in setup.lists.calls)
    assert oldest > (setup.clock.moment - MONTH - 15 * DAY).date()


def test_older_than_zero_makes_every_movie_due(setup: RefreshSetup) -> None:
    setup.add_favorites(550, age=timedelta())
    assert setup.refresh(timedelta()).due == 1


# --- the age limit of TMDB's terms of use


def test_180_day_old_movie_is_fetched_even_if_unchanged(setup: RefreshSetup) -> None:
    setup.add_favorites(550, age=MAX_AGE)
    setup.store.mark_unchanged([550], setup.clock.moment - MONTH)
    assert setup.refresh().outcomes == [(REFRESHED, 1)]


def test_180_day_old_movie_is_fetched_even_if_just_checked(setup: RefreshSetup) -> None:
    setup.add_favorites(550, age=MAX_AGE)
    setup.store.mark_unchanged([550], setup.clock.moment)
    assert setup.refresh().outcomes == [(REFRESHED, 1)]


def test_180_day_old_movie_is_fetched_at_any_requested_age(setup: RefreshSetup) -> None:
    setup.add_favorites(550, age=MAX_AGE)
    assert setup.refresh(timedelta.max).outcomes == [(REFRESHED, 1)]


@pytest.mark.parametrize(("age", "outcome"), [(119, UNCHANGED), (120, REFRESHED)])
def test_movie_that_may_exceed_180_days_before_the_next_run_is_fetched(
    setup: RefreshSetup, age: int, outcome: Outcome
) -> None:
    setup.add_favorites(550, age=age * DAY)
    setup.store.mark_unchanged([550], setup.clock.moment - MONTH)
    assert setup.refresh().outcomes == [(outcome, 1)]


@pytest.mark.parametrize("days", [1, 7, 29, 30])
def test_no_movie_exceeds_180_days_with_regular_refreshes(setup: RefreshSetup, days: int) -> None:
    setup.add_favorites(550, age=timedelta())
    for _ in range(1000 // days):
        setup.clock.advance((days * DAY).total_seconds())
        assert setup.clock.moment - setup.store.stored[550].fetched_at <= MAX_AGE
        setup.refresh()
    assert 5 <= len(setup.catalogue.calls) <= 10


# --- gone movies


def test_movie_that_upstream_no_longer_has_is_marked_gone(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.mark_changed(550)
    setup.catalogue.records.clear()
    assert setup.refresh().outcomes == [(GONE, 1)]
    assert setup.store.stored[550].gone_at == setup.clock.moment


def test_gone_movie_keeps_its_details(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.mark_changed(550)
    setup.catalogue.records.clear()
    setup.refresh()
    favorite = setup.store.library.find_favorite(CONSUMER.id, 550)
    assert favorite
    assert favorite.movie.title == "Before"


@pytest.mark.parametrize(("days", "requests"), [(29, 0), (30, 1)])
def test_gone_movie_is_requested_again_after_30_days(
    setup: RefreshSetup, days: int, requests: int
) -> None:
    setup.add_favorites(550, age=MAX_AGE)
    setup.store.mark_gone(550, setup.clock.moment)
    setup.clock.advance((days * DAY).total_seconds())
    setup.refresh(DAY)
    assert len(setup.catalogue.calls) == requests


def test_gone_movie_keeps_its_first_gone_time(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    since = setup.clock.moment
    setup.store.mark_gone(550, since)
    setup.catalogue.records.clear()
    setup.clock.advance(GONE_RECHECK_INTERVAL.total_seconds())
    assert setup.refresh().outcomes == [(GONE, 1)]
    assert setup.store.stored[550].gone_at == since
    assert setup.store.stored[550].checked_at == setup.clock.moment


def test_movie_that_returns_is_no_longer_gone(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.store.mark_gone(550, setup.clock.moment)
    setup.clock.advance(GONE_RECHECK_INTERVAL.total_seconds())
    assert setup.refresh().outcomes == [(REFRESHED, 1)]
    assert setup.store.stored[550].gone_at is None


# --- unreferenced movies


def test_unreferenced_movie_is_dropped_at_any_age(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.store.save_movie(make_record(551), setup.clock.moment)
    progress = setup.refresh()
    assert progress.outcomes == [(DROPPED, 1), (UNCHANGED, 1)]
    assert progress.due == 1
    assert setup.store.stored.keys() == {550}


def test_favorite_removed_during_the_refresh_is_not_fetched(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    setup.mark_changed(550)

    class ClearingChanges(FakeChanges):
        def changes(self, *args: object) -> object:  # type: ignore[override]
            setup.store.library.clear_favorites(CONSUMER.id)
            return FakeChanges.changes(self, *args)  # type: ignore[arg-type]

    setup.lists = ClearingChanges()
    assert setup.refresh().outcomes == []
    assert setup.catalogue.calls == []


# --- failures


class FailingCatalogue(FakeCatalogue):
    """A catalogue that raises an error for some movies."""

    def __init__(self, records: dict[int, MovieRecord], failures: dict[int, Exception]) -> None:
        super().__init__(records=records)
        self.failures = failures

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        if failure := self.failures.get(movie_id):
            self.calls.append(movie_id)
            raise failure
        return super().record(movie_id)


def fail_movies(setup: RefreshSetup, *movie_ids: int, error: Callable[[], Exception]) -> None:
    setup.mark_changed(*setup.store.stored)
    setup.catalogue = FailingCatalogue(
        setup.catalogue.records, {each: error() for each in movie_ids}
    )


def test_invalid_response_is_reported_and_skipped(setup: RefreshSetup) -> None:
    setup.add_favorites(550, 551)
    fail_movies(setup, 550, error=CatalogueInvalidResponse)
    progress = setup.refresh()
    assert progress.outcomes == [(FAILED, 1), (REFRESHED, 1)]
    ((movie_id, failure),) = progress.failures
    assert (movie_id, type(failure)) == (550, CatalogueInvalidResponse)


def test_failed_movie_stays_due(setup: RefreshSetup) -> None:
    setup.add_favorites(550)
    fail_movies(setup, 550, error=CatalogueInvalidResponse)
    setup.refresh()
    assert setup.refresh().due == 1


def test_refresh_stops_after_10_consecutive_failures(setup: RefreshSetup) -> None:
    setup.add_favorites(*range(1, 100))
    fail_movies(setup, *range(1, 100), error=CatalogueUnavailable)
    with pytest.raises(CatalogueUnavailable):
        setup.refresh()
    assert setup.catalogue.calls == list(range(1, MAX_CONSECUTIVE_FAILURES + 1))


def test_nonconsecutive_failures_do_not_stop_the_refresh(setup: RefreshSetup) -> None:
    setup.add_favorites(*range(1, 100))
    fail_movies(setup, *range(1, 100, 2), error=CatalogueUnavailable)
    progress = setup.refresh()
    assert (len(progress.failures), progress.outcomes.count((REFRESHED, 1))) == (50, 49)


def test_rejected_api_key_stops_the_refresh_immediately(setup: RefreshSetup) -> None:
    setup.add_favorites(550, 551)
    fail_movies(setup, 550, 551, error=CatalogueAccessDenied)
    with pytest.raises(CatalogueAccessDenied):
        setup.refresh()
    assert setup.catalogue.calls == [550]


def test_unreadable_list_stops_the_refresh_before_any_write(setup: RefreshSetup) -> None:
    setup.add_favorites(550, age=MAX_AGE)
    before = dict(setup.store.stored)
    setup.lists.failure = CatalogueInvalidResponse(upstream_status=404)
    with pytest.raises(CatalogueInvalidResponse):
        setup.refresh()
    assert setup.store.stored == before


def test_stopped_refresh_is_resumed_without_repetition(setup: RefreshSetup) -> None:
    setup.add_favorites(*range(1, 21))
    fail_movies(setup, *range(6, 21), error=CatalogueUnavailable)
    with pytest.raises(CatalogueUnavailable):
        setup.refresh()
    fail_movies(setup, error=CatalogueUnavailable)
    setup.refresh()
    assert setup.catalogue.calls == list(range(6, 21))


def test_database_failure_stops_the_refresh(setup: RefreshSetup) -> None:
    class UnavailableStore(FakeMovies):
        def save_movie(self, *_: object) -> None:
            raise LibraryUnavailable

    setup.add_favorites(550, 551)
    setup.mark_changed(550, 551)
    setup.store = UnavailableStore(setup.store.library, setup.store.stored)
    with pytest.raises(LibraryUnavailable):
        setup.refresh()
    assert setup.catalogue.calls == [550]


# --- whole runs


def test_every_request_is_throttled(setup: RefreshSetup) -> None:
    setup.add_favorites(*range(1, 30))
    setup.mark_changed(*range(1, 20))
    setup.refresh()
    assert setup.throttled == len(setup.catalogue.calls) + len(setup.lists.calls)
    assert len(setup.catalogue.calls) == 19


def test_large_library_is_processed_in_batches(setup: RefreshSetup) -> None:
    setup.add_favorites(*range(1, 2502))
    setup.mark_changed(*range(1, 2502, 2))
    progress = setup.refresh()
    totals = {
        each: sum(n for outcome, n in progress.outcomes if outcome is each) for each in Outcome
    }
    assert progress.due == 2501
    assert (totals[REFRESHED], totals[UNCHANGED]) == (1251, 1250)


def test_movie_refreshed_concurrently_is_not_fetched_again(setup: RefreshSetup) -> None:
    setup.add_favorites(550, 551)
    setup.mark_changed(550, 551)

    class RacingChanges(FakeChanges):
        def changes(self, *args: object) -> object:  # type: ignore[override]
            setup.store.save_movie(make_record(550), setup.clock.moment)
            return FakeChanges.changes(self, *args)  # type: ignore[arg-type]

    setup.lists = RacingChanges(setup.lists.changed)
    assert setup.refresh().outcomes == [(REFRESHED, 1)]
    assert setup.catalogue.calls == [551]
