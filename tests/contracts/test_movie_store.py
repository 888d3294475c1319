"""The contract of every store of movies for refreshing, the fake included."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, SqlMovies
from butaca.core.models import Stars, StoredMovie
from butaca.core.ports import LibraryStore, MovieStore
from tests.builders import CONSUMER, NOON, make_record, make_translation
from tests.fakes import FakeLibrary, FakeMovies

ME = CONSUMER.id
LATER = NOON + timedelta(days=30)
MUCH_LATER = NOON + timedelta(days=60)


@dataclass(frozen=True)
class Stores:
    """Two views of what is stored: that of whoever refreshes, and that of people."""

    movies: MovieStore
    library: LibraryStore

    def save(self, *movie_ids: int) -> None:
        for movie_id in movie_ids:
            self.movies.save_movie(make_record(movie_id), NOON)

    def all(self) -> list[StoredMovie]:
        return list(self.movies.movies(after=0, limit=100))

    def ids(self) -> list[int]:
        return [each.id for each in self.all()]

    def one(self) -> StoredMovie:
        (movie,) = self.all()
        return movie


def fake(_request: pytest.FixtureRequest) -> Stores:
    library = FakeLibrary()
    return Stores(FakeMovies(library), library)


def sql(request: pytest.FixtureRequest, name: str) -> Stores:
    database: Database = request.getfixturevalue(name)
    SqlAccounts(database).grant_token(CONSUMER, "0" * 64, NOON)
    return Stores(SqlMovies(database), SqlLibrary(database))


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest) -> Stores:
    return fake(request) if request.param == "fake" else sql(request, request.param)


KEEPING: list[Callable[[LibraryStore], object]] = [
    lambda library: library.add_favorite(ME, 550, NOON),
    lambda library: library.rate(ME, 550, Stars.of(0), NOON),
]


def test_where_nothing_is_stored_there_are_no_movies(stores: Stores) -> None:
    assert stores.all() == []


def test_a_movie_that_was_just_fetched_is_checked_and_not_gone(stores: Stores) -> None:
    stores.save(550)
    assert stores.one() == StoredMovie(550, NOON, NOON, gone_at=None, is_referenced=False)


def test_movies_come_by_id_and_by_the_page(stores: Stores) -> None:
    stores.save(5, 3, 4, 1)
    first = stores.movies.movies(after=0, limit=3)
    second = stores.movies.movies(after=4, limit=3)
    assert [[each.id for each in page] for page in (first, second)] == [[1, 3, 4], [5]]


@pytest.mark.parametrize("keep", KEEPING, ids=["favorite", "rating"])
def test_a_movie_is_kept_that_somebody_keeps_or_rates(
    stores: Stores, keep: Callable[[LibraryStore], object]
) -> None:
    stores.save(550, 551)
    keep(stores.library)
    assert [each.is_referenced for each in stores.all()] == [True, False]


def test_saving_a_movie_again_makes_it_younger(stores: Stores) -> None:
    stores.save(550)
    stores.movies.save_movie(make_record(550), LATER)
    assert (stores.one().fetched_at, stores.one().checked_at) == (LATER, LATER)


def test_a_saved_movie_is_what_people_read(stores: Stores) -> None:
    stores.save(550)
    stores.library.add_favorite(ME, 550, NOON)
    record = make_record(550, make_translation("es", "ES"), title="After")
    stores.movies.save_movie(record, LATER)
    for language, title in (("en", "After"), ("es", "Título es-ES")):
        favorite = stores.library.find_favorite(ME, 550, language)
        assert favorite
        assert favorite.movie.title == title


def test_an_unchanged_movie_is_checked_and_not_younger(stores: Stores) -> None:
    stores.save(550, 551, 552)
    stores.movies.mark_unchanged([550, 552, 404], LATER)
    assert [each.checked_at for each in stores.all()] == [LATER, NOON, LATER]
    assert {each.fetched_at for each in stores.all()} == {NOON}


def test_a_gone_movie_is_checked_and_not_younger(stores: Stores) -> None:
    stores.save(550)
    before = stores.one()
    stores.movies.mark_gone(550, LATER)
    assert stores.one() == replace(before, checked_at=LATER, gone_at=LATER)


def test_a_gone_movie_is_gone_since_it_was_first_found_so(stores: Stores) -> None:
    stores.save(550)
    stores.movies.mark_gone(550, LATER)
    stores.movies.mark_gone(550, MUCH_LATER)
    assert (stores.one().checked_at, stores.one().gone_at) == (MUCH_LATER, LATER)


def test_what_is_not_stored_cannot_be_gone(stores: Stores) -> None:
    stores.movies.mark_gone(550, LATER)
    assert stores.all() == []


def test_a_gone_movie_can_be_read_kept_rated_and_forgotten(stores: Stores) -> None:
    stores.save(550)
    stores.movies.mark_gone(550, LATER)
    stores.library.add_favorite(ME, 550, LATER)
    stores.library.rate(ME, 550, Stars.of(4), LATER)
    assert stores.library.find_favorite(ME, 550)
    assert stores.library.remove_favorite(ME, 550)
    assert stores.library.remove_rating(ME, 550)


def test_a_movie_that_returns_is_not_gone(stores: Stores) -> None:
    stores.save(550)
    stores.movies.mark_gone(550, LATER)
    stores.movies.save_movie(make_record(550), MUCH_LATER)
    assert stores.one().gone_at is None


def test_what_nobody_keeps_is_dropped(stores: Stores) -> None:
    stores.movies.save_movie(make_record(550, make_translation("es", "ES")), NOON)
    assert stores.movies.drop_unreferenced([550]) == 1
    assert stores.ids() == []


@pytest.mark.parametrize("keep", KEEPING, ids=["favorite", "rating"])
def test_what_somebody_keeps_or_rates_is_not_dropped(
    stores: Stores, keep: Callable[[LibraryStore], object]
) -> None:
    stores.save(550)
    keep(stores.library)
    assert stores.movies.drop_unreferenced([550]) == 0
    assert stores.ids() == [550]


def test_what_was_forgotten_is_dropped(stores: Stores) -> None:
    stores.save(550)
    stores.library.add_favorite(ME, 550, NOON)
    stores.library.remove_favorite(ME, 550)
    assert stores.movies.drop_unreferenced([550]) == 1


def test_only_what_is_named_is_dropped(stores: Stores) -> None:
    stores.save(550, 551, 552)
    assert stores.movies.drop_unreferenced([551, 404]) == 1
    assert stores.ids() == [550, 552]


def test_nothing_is_dropped_where_nothing_is_named(stores: Stores) -> None:
    stores.save(550)
    assert stores.movies.drop_unreferenced([]) == 0
    assert stores.ids() == [550]
