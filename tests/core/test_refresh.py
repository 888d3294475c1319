"""Old movies are checked, deleted ones marked, and those without favorites or ratings dropped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from butaca.core.changes import Changes
from butaca.core.errors import (
    CatalogueAnsweredNonsense,
    CatalogueFailed,
    CatalogueRefusedUs,
    CatalogueUnavailable,
    LibraryUnavailable,
)
from butaca.core.models import Fetched, MovieRecord, StoredMovie
from butaca.core.refresh import GONE_FOR, PATIENCE, TERMS, Outcome, Refresh
from tests.builders import CONSUMER, make_record
from tests.fakes import FakeCatalogue, FakeChanges, FakeClock, FakeMovies

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
REFRESHED, UNCHANGED, GONE, DROPPED, FAILED = Outcome


@dataclass
class Heard:
    """What a refresh told."""

    due: int | None = None
    told: list[tuple[Outcome, int]] = field(default_factory=list)
    failures: list[tuple[int, CatalogueFailed]] = field(default_factory=list)

    def began(self, due: int) -> None:
        self.due = due

    def done(self, outcome: Outcome, movies: int = 1) -> None:
        self.told.append((outcome, movies))

    def failed(self, movie_id: int, failure: CatalogueFailed) -> None:
        self.failures.append((movie_id, failure))


@dataclass
class Night:
    """A refresh in the middle of fakes."""

    store: FakeMovies = field(default_factory=FakeMovies)
    catalogue: FakeCatalogue = field(default_factory=FakeCatalogue)
    lists: FakeChanges = field(default_factory=FakeChanges)
    clock: FakeClock = field(default_factory=FakeClock)
    turns: int = 0

    def take_turn(self) -> None:
        self.turns += 1

    def stock(self, *movie_ids: int, age: timedelta = MONTH, **changes: object) -> None:
        """Store movies that somebody keeps, fetched so long ago; upstream has them anew."""
        for movie_id in movie_ids:
            at = self.clock.moment - age
            self.store.save_movie(make_record(movie_id, title="Before"), at)
            self.store.library.add_favorite(CONSUMER.id, movie_id, at)
            self.catalogue.add(make_record(movie_id, title="After", **changes))

    def change(self, *movie_ids: int) -> None:
        self.lists.changed |= dict.fromkeys(movie_ids, (self.clock.moment - DAY).date())

    def refresh(self, older_than: timedelta = MONTH) -> Heard:
        heard = Heard()
        self.refreshing().run(older_than, heard)
        return heard

    def refreshing(self) -> Refresh:
        changes = Changes(self.lists, self.take_turn)
        return Refresh(self.store, self.catalogue, changes, self.take_turn, self.clock.now)

    def titles(self) -> list[str]:
        return [record.details.title for record in self.store.library.movies.values()]


@pytest.fixture
def night() -> Night:
    return Night()


# What is due


def test_what_is_old_and_changed_is_fetched_again(night: Night) -> None:
    night.stock(550)
    night.change(550)
    heard = night.refresh()
    assert (heard.due, heard.told) == (1, [(REFRESHED, 1)])
    assert night.titles() == ["After"]
    assert night.store.stored[550].fetched_at == night.clock.moment


def test_what_is_old_and_unchanged_is_not_fetched(night: Night) -> None:
    night.stock(550, 551)
    before = night.store.stored[550]
    heard = night.refresh()
    assert (heard.due, heard.told) == (2, [(UNCHANGED, 2)])
    assert night.catalogue.calls == []
    assert night.store.stored[550] == StoredMovie(550, before.fetched_at, night.clock.moment)


def test_what_is_not_old_is_not_asked_for(night: Night) -> None:
    night.stock(550, age=MONTH - DAY)
    night.change(550)
    heard = night.refresh()
    assert (heard.due, heard.told) == (0, [])
    assert night.turns == 0


def test_what_was_found_unchanged_is_not_due_for_as_long(night: Night) -> None:
    night.stock(550)
    night.refresh()
    night.clock.move((MONTH - DAY).total_seconds())
    assert night.refresh().due == 0


def test_what_is_unchanged_for_long_is_checked_since_its_last_check(night: Night) -> None:
    night.stock(550)
    night.refresh()
    night.lists.calls.clear()
    night.clock.move(MONTH.total_seconds())
    assert night.refresh().told == [(UNCHANGED, 1)]
    oldest = min(first for first, _, _ in night.lists.calls)
    assert oldest > (night.clock.moment - MONTH - 15 * DAY).date()


def test_all_is_due_where_no_age_is_asked_for(night: Night) -> None:
    night.stock(550, age=timedelta())
    assert night.refresh(timedelta()).due == 1


# TMDB's terms


def test_what_is_older_than_180_days_is_fetched_even_if_unchanged(night: Night) -> None:
    night.stock(550, age=TERMS)
    night.store.mark_unchanged([550], night.clock.moment - MONTH)
    assert night.refresh().told == [(REFRESHED, 1)]


def test_what_is_older_than_180_days_is_fetched_even_if_checked_just_now(night: Night) -> None:
    night.stock(550, age=TERMS)
    night.store.mark_unchanged([550], night.clock.moment)
    assert night.refresh().told == [(REFRESHED, 1)]


def test_what_is_older_than_180_days_is_fetched_whatever_is_asked_for(night: Night) -> None:
    night.stock(550, age=TERMS)
    assert night.refresh(timedelta.max).told == [(REFRESHED, 1)]


@pytest.mark.parametrize(("age", "outcome"), [(119, UNCHANGED), (120, REFRESHED)])
def test_what_could_come_to_be_late_is_not_spared(night: Night, age: int, outcome: Outcome) -> None:
    night.stock(550, age=age * DAY)
    night.store.mark_unchanged([550], night.clock.moment - MONTH)
    assert night.refresh().told == [(outcome, 1)]


@pytest.mark.parametrize("days", [1, 7, 29, 30])
def test_nothing_is_ever_late_where_one_refreshes_in_time(night: Night, days: int) -> None:
    night.stock(550, age=timedelta())
    for _ in range(1000 // days):
        night.clock.move((days * DAY).total_seconds())
        assert night.clock.moment - night.store.stored[550].fetched_at <= TERMS
        night.refresh()
    assert 5 <= len(night.catalogue.calls) <= 10


# What is gone


def test_what_upstream_does_not_have_is_gone(night: Night) -> None:
    night.stock(550)
    night.change(550)
    night.catalogue.records.clear()
    assert night.refresh().told == [(GONE, 1)]
    assert night.store.stored[550].gone_at == night.clock.moment


def test_what_is_gone_stays_as_it_was(night: Night) -> None:
    night.stock(550)
    night.change(550)
    night.catalogue.records.clear()
    night.refresh()
    favorite = night.store.library.find_favorite(CONSUMER.id, 550)
    assert favorite
    assert favorite.movie.title == "Before"


@pytest.mark.parametrize(("days", "asked"), [(29, 0), (30, 1)])
def test_what_is_gone_is_asked_for_again_after_a_month(night: Night, days: int, asked: int) -> None:
    night.stock(550, age=TERMS)
    night.store.mark_gone(550, night.clock.moment)
    night.clock.move((days * DAY).total_seconds())
    night.refresh(DAY)
    assert len(night.catalogue.calls) == asked


def test_what_is_still_gone_is_gone_since_the_first_time(night: Night) -> None:
    night.stock(550)
    since = night.clock.moment
    night.store.mark_gone(550, since)
    night.catalogue.records.clear()
    night.clock.move(GONE_FOR.total_seconds())
    assert night.refresh().told == [(GONE, 1)]
    assert night.store.stored[550].gone_at == since
    assert night.store.stored[550].checked_at == night.clock.moment


def test_what_returns_is_as_any_other(night: Night) -> None:
    night.stock(550)
    night.store.mark_gone(550, night.clock.moment)
    night.clock.move(GONE_FOR.total_seconds())
    assert night.refresh().told == [(REFRESHED, 1)]
    assert night.store.stored[550].gone_at is None


# What nobody keeps


def test_what_nobody_keeps_is_dropped_however_new(night: Night) -> None:
    night.stock(550)
    night.store.save_movie(make_record(551), night.clock.moment)
    heard = night.refresh()
    assert heard.told == [(DROPPED, 1), (UNCHANGED, 1)]
    assert heard.due == 1
    assert night.store.stored.keys() == {550}


def test_what_is_forgotten_meanwhile_is_not_asked_for(night: Night) -> None:
    night.stock(550)
    night.change(550)

    class Forgetting(FakeChanges):
        def changes(self, *args: object) -> object:  # type: ignore[override]
            night.store.library.clear_favorites(CONSUMER.id)
            return FakeChanges.changes(self, *args)  # type: ignore[arg-type]

    night.lists = Forgetting()
    assert night.refresh().told == []
    assert night.catalogue.calls == []


# What fails


class Flawed(FakeCatalogue):
    """A catalogue in which some movies fail."""

    def __init__(self, records: dict[int, MovieRecord], failures: dict[int, Exception]) -> None:
        super().__init__(records=records)
        self.failures = failures

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        if failure := self.failures.get(movie_id):
            self.calls.append(movie_id)
            raise failure
        return super().record(movie_id)


def fail(night: Night, *movie_ids: int, by: Callable[[], Exception]) -> None:
    night.change(*night.store.stored)
    night.catalogue = Flawed(night.catalogue.records, {each: by() for each in movie_ids})


def test_a_movie_that_makes_no_sense_is_told_and_passed_over(night: Night) -> None:
    night.stock(550, 551)
    fail(night, 550, by=CatalogueAnsweredNonsense)
    heard = night.refresh()
    assert heard.told == [(FAILED, 1), (REFRESHED, 1)]
    ((movie_id, failure),) = heard.failures
    assert (movie_id, type(failure)) == (550, CatalogueAnsweredNonsense)


def test_what_failed_is_still_due(night: Night) -> None:
    night.stock(550)
    fail(night, 550, by=CatalogueAnsweredNonsense)
    night.refresh()
    assert night.refresh().due == 1


def test_ten_failures_in_a_row_are_enough(night: Night) -> None:
    night.stock(*range(1, 100))
    fail(night, *range(1, 100), by=CatalogueUnavailable)
    with pytest.raises(CatalogueUnavailable):
        night.refresh()
    assert night.catalogue.calls == list(range(1, PATIENCE + 1))


def test_failures_that_are_not_in_a_row_stop_nothing(night: Night) -> None:
    night.stock(*range(1, 100))
    fail(night, *range(1, 100, 2), by=CatalogueUnavailable)
    heard = night.refresh()
    assert (len(heard.failures), heard.told.count((REFRESHED, 1))) == (50, 49)


def test_a_key_that_is_refused_stops_at_once(night: Night) -> None:
    night.stock(550, 551)
    fail(night, 550, 551, by=CatalogueRefusedUs)
    with pytest.raises(CatalogueRefusedUs):
        night.refresh()
    assert night.catalogue.calls == [550]


def test_a_list_that_cannot_be_read_stops_before_anything_is_marked(night: Night) -> None:
    night.stock(550, age=TERMS)
    before = dict(night.store.stored)
    night.lists.failure = CatalogueAnsweredNonsense(upstream_status=404)
    with pytest.raises(CatalogueAnsweredNonsense):
        night.refresh()
    assert night.store.stored == before


def test_what_was_done_before_a_stop_is_not_done_again(night: Night) -> None:
    night.stock(*range(1, 21))
    fail(night, *range(6, 21), by=CatalogueUnavailable)
    with pytest.raises(CatalogueUnavailable):
        night.refresh()
    fail(night, by=CatalogueUnavailable)
    night.refresh()
    assert night.catalogue.calls == list(range(6, 21))


def test_a_database_that_goes_away_stops_it(night: Night) -> None:
    class Away(FakeMovies):
        def save_movie(self, *_: object) -> None:
            raise LibraryUnavailable

    night.stock(550, 551)
    night.change(550, 551)
    night.store = Away(night.store.library, night.store.stored)
    with pytest.raises(LibraryUnavailable):
        night.refresh()
    assert night.catalogue.calls == [550]


# Together


def test_every_call_waits_for_its_turn(night: Night) -> None:
    night.stock(*range(1, 30))
    night.change(*range(1, 20))
    night.refresh()
    assert night.turns == len(night.catalogue.calls) + len(night.lists.calls)
    assert len(night.catalogue.calls) == 19


def test_a_large_library_is_read_by_the_page(night: Night) -> None:
    night.stock(*range(1, 2502))
    night.change(*range(1, 2502, 2))
    heard = night.refresh()
    outcomes = {each: sum(n for told, n in heard.told if told is each) for each in Outcome}
    assert heard.due == 2501
    assert (outcomes[REFRESHED], outcomes[UNCHANGED]) == (1251, 1250)


def test_what_another_refresh_did_meanwhile_is_not_done_again(night: Night) -> None:
    night.stock(550, 551)
    night.change(550, 551)

    class Overtaken(FakeChanges):
        def changes(self, *args: object) -> object:  # type: ignore[override]
            night.store.save_movie(make_record(550), night.clock.moment)
            return FakeChanges.changes(self, *args)  # type: ignore[arg-type]

    night.lists = Overtaken(night.lists.changed)
    assert night.refresh().told == [(REFRESHED, 1)]
    assert night.catalogue.calls == [551]
