"""The contract of every store of movies for refreshing, including the fake."""

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
    """The same stored movies as seen by a refresh and by users."""

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


REFERENCING_CALLS: list[Callable[[LibraryStore], object]] = [
    lambda library: library.add_favorite(ME, 550, NOON),
    lambda library: library.rate(ME, 550, Stars.of(0), NOON),
]


def test_empty_store_has_no_movies(stores: Stores) -> None:
    assert stores.all() == []


def test_saved_movie_is_checked_and_not_gone(stores: Stores) -> None:
    stores.save(550)
    assert stores.one() == StoredMovie(550, NOON, NOON, gone_at=None, is_referenced=False)


def test_movies_are_paginated_by_id(stores: Stores) -> None:
    stores.save(5, 3, 4, 1)
    first = stores.movies.movies(after=0, limit=3)
    second = stores.movies.movies(after=4, limit=3)
    assert [[each.id for each in page] for page in (first, second)] == [[1, 3, 4], [5]]


@pytest.mark.parametrize("add_reference", REFERENCING_CALLS, ids=["favorite", "rating"])
def test_favorited_or_rated_movie_is_referenced(
    stores: Stores, add_reference: Callable[[LibraryStore], object]
) -> None:
    stores.save(550, 551)
    add_reference(stores.library)
    assert [each.is_referenced for each in stores.all()] == [True, False]


def test_saving_a_movie_again_updates_both_times(stores: Stores) -> None:
    stores.save(550)
    stores.movies.save_movie(make_record(550), LATER)
    assert (stores.one().fetched_at, stores.one().checked_at) == (LATER, LATER)


def test_library_returns_the_latest_saved_movie(stores: Stores) -> None:
    stores.save(550)
    stores.library.add_favorite(ME, 550, NOON)
    record = make_record(550, make_translation("es", "ES"), title="After")
    stores.movies.save_movie(record, LATER)
    for language, title in (("en", "After"), ("es", "Título es-ES")):
        favorite = stores.library.find_favorite(ME, 550, language)
        assert favorite
        assert favorite.movie.title == title


def test_marking_unchanged_updates_only_the_check_time(stores: Stores) -> None:
    stores.save(550, 551, 552)
    stores.movies.mark_unchanged([550, 552, 404], LATER)
    assert [each.checked_at for each in stores.all()] == [LATER, NOON, LATER]
    assert {each.fetched_at for each in stores.all()} == {NOON}


def test_gone_movie_keeps_its_fetch_time(stores: Stores) -> None:
    stores.save(550)
    before = stores.one()
    stores.movies.mark_gone(550, LATER)
    assert stores.one() == replace(before, checked_at=LATER, gone_at=LATER)


def test_gone_movie_keeps_its_first_gone_time(stores: Stores) -> None:
    stores.save(550)
    stores.movies.mark_gone(550, LATER)
    stores.movies.mark_gone(550, MUCH_LATER)
    assert (stores.one().checked_at, stores.one().gone_at) == (MUCH_LATER, LATER)


def test_marking_a_missing_movie_as_gone_changes_nothing(stores: Stores) -> None:
    stores.movies.mark_gone(550, LATER)
    assert stores.all() == []


def test_gone_movie_can_be_added_rated_read_and_removed(stores: Stores) -> None:
    stores.save(550)
    stores.movies.mark_gone(550, LATER)
    stores.library.add_favorite(ME, 550, LATER)
    stores.library.rate(ME, 550, Stars.of(4), LATER)
    assert stores.library.find_favorite(ME, 550)
    assert stores.library.remove_favorite(ME, 550)
    assert stores.library.remove_rating(ME, 550)


def test_saving_a_gone_movie_clears_gone_at(stores: Stores) -> None:
    stores.save(550)
    stores.movies.mark_gone(550, LATER)
    stores.movies.save_movie(make_record(550), MUCH_LATER)
    assert stores.one().gone_at is None


def test_unreferenced_movie_is_dropped(stores: Stores) -> None:
    stores.movies.save_movie(make_record(550, make_translation("es", "ES")), NOON)
    assert stores.movies.drop_unreferenced([550]) == 1
    assert stores.ids() == []


@pytest.mark.parametrize("add_reference", REFERENCING_CALLS, ids=["favorite", "rating"])
def test_favorited_or_rated_movie_is_not_dropped(
    stores: Stores, add_reference: Callable[[LibraryStore], object]
) -> None:
    stores.save(550)
    add_reference(stores.library)
    assert stores.movies.drop_unreferenced([550]) == 0
    assert stores.ids() == [550]


def test_movie_is_dropped_after_its_favorite_is_removed(stores: Stores) -> None:
    stores.save(550)
    stores.library.add_favorite(ME, 550, NOON)
    stores.library.remove_favorite(ME, 550)
    assert stores.movies.drop_unreferenced([550]) == 1


def test_only_the_given_movies_are_dropped(stores: Stores) -> None:
    stores.save(550, 551, 552)
    assert stores.movies.drop_unreferenced([551, 404]) == 1
    assert stores.ids() == [550, 552]


def test_dropping_no_ids_drops_nothing(stores: Stores) -> None:
    stores.save(550)
    assert stores.movies.drop_unreferenced([]) == 0
    assert stores.ids() == [550]
