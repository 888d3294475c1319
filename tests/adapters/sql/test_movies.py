"""Refreshing and dropping movies during concurrent favorites and ratings, on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, text

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, SqlMovies
from butaca.adapters.sql.tables import movies, user_movies
from butaca.core.library import Library
from butaca.core.models import Stars
from butaca.core.ports import MovieNotStored
from tests.builders import ADMIN, CONSUMER, NOON, make_record
from tests.fakes import FakeCatalogue

LATER = NOON + timedelta(days=30)
A_RATING = {
    "user_id": CONSUMER.id,
    "movie_id": 550,
    "half_stars": 8,
    "rated_at": NOON,
    "sort_title": "movie 550",
}
SOMEBODY_WAITS = text(
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND datname = current_database()"
)


@pytest.fixture
def library(postgresql: Database) -> SqlLibrary:
    for user in (ADMIN, CONSUMER):
        SqlAccounts(postgresql).grant_token(user, f"{user.id:064}", NOON)
    store = SqlLibrary(postgresql)
    store.save_movie(make_record(550), NOON)
    return store


@contextmanager
def dropped_but_not_committed(database: Database) -> Iterator[Connection]:
    with database.writing() as connection:
        connection.execute(movies.delete())
        yield connection


def until_it_waits(connection: Connection, waiting: "Future[object]") -> None:
    while not waiting.done() and not connection.scalar(SOMEBODY_WAITS):
        pass


ADDING: list[Callable[[SqlLibrary], object]] = [
    lambda library: library.add_favorite(CONSUMER.id, 550, NOON),
    lambda library: library.rate(CONSUMER.id, 550, Stars.of(4), NOON),
]


@pytest.mark.parametrize("add", ADDING, ids=["keep", "rate"])
def test_whoever_adds_what_is_being_dropped_hears_that_it_is_not_stored(
    postgresql: Database, library: SqlLibrary, add: Callable[[SqlLibrary], object]
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with dropped_but_not_committed(postgresql) as connection:
            adding = threads.submit(add, library)
            until_it_waits(connection, adding)
        with pytest.raises(MovieNotStored):
            adding.result(timeout=10)


def test_what_somebody_is_adding_just_now_is_not_dropped(
    postgresql: Database, library: SqlLibrary
) -> None:
    with postgresql.writing() as connection:
        connection.execute(user_movies.insert(), A_RATING)
        assert SqlMovies(postgresql).drop_unreferenced([550]) == 0
    assert SqlMovies(postgresql).movies(0, 1)


def test_what_somebody_is_adding_just_now_can_be_found_unchanged(
    postgresql: Database, library: SqlLibrary
) -> None:
    with postgresql.writing() as connection:
        connection.execute(user_movies.insert(), A_RATING)
        SqlMovies(postgresql).mark_unchanged([550], LATER)
    assert SqlMovies(postgresql).movies(0, 1)[0].checked_at == LATER


def test_what_somebody_is_saving_just_now_is_left_to_them(
    postgresql: Database, library: SqlLibrary
) -> None:
    one = select(movies.c.id).with_for_update()
    with postgresql.writing() as connection:
        connection.execute(one)
        SqlMovies(postgresql).mark_unchanged([550], LATER)
        assert SqlMovies(postgresql).drop_unreferenced([550]) == 0
    assert SqlMovies(postgresql).movies(0, 1)[0].checked_at == NOON


def test_keeping_and_dropping_at_once_never_fails(
    postgresql: Database, library: SqlLibrary
) -> None:
    catalogue, stored = FakeCatalogue(), SqlMovies(postgresql)
    catalogue.add(make_record(550))
    people = Library(library, catalogue)
    with ThreadPoolExecutor(1) as threads:
        for stars in [Stars(3), Stars(7)] * 75:
            dropping = threads.submit(stored.drop_unreferenced, [550])
            people.add_favorite(CONSUMER, 550)
            people.rate(CONSUMER, 550, stars)
            dropping.result(timeout=10)
            assert people.favorite(CONSUMER, 550).rating == stars
            people.remove_favorite(CONSUMER, 550)
            people.delete_rating(CONSUMER, 550)
    assert catalogue.calls


def test_two_refreshes_at_once_do_no_harm(postgresql: Database, library: SqlLibrary) -> None:
    ids = range(1, 40)
    stored = SqlMovies(postgresql)
    for movie_id in ids:
        stored.save_movie(make_record(movie_id), NOON)
        library.rate(CONSUMER.id, movie_id, Stars(1), NOON)

    def refresh(order: list[int]) -> None:
        for movie_id in order:
            stored.save_movie(make_record(movie_id), LATER)
            stored.mark_unchanged(order, LATER)
            stored.mark_gone(movie_id, LATER)
            stored.drop_unreferenced(order)

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(refresh, order) for order in ([*ids], [*reversed(ids)])]:
            each.result(timeout=60)
    assert [each.id for each in stored.movies(0, limit=39)] == [*ids]


def test_movies_of_before_are_checked_when_they_were_fetched(database: Database) -> None:
    SqlLibrary(database).save_movie(make_record(550), NOON)
    with database.writing() as connection:
        connection.execute(movies.update().values(checked_at=None))
    (movie,) = SqlMovies(database).movies(0, 1)
    assert movie.checked_at == NOON


def test_a_movie_that_somebody_brings_home_anew_is_not_gone(database: Database) -> None:
    SqlLibrary(database).save_movie(make_record(550), NOON)
    SqlMovies(database).mark_gone(550, NOON)
    SqlLibrary(database).save_movie(make_record(550), LATER)
    (movie,) = SqlMovies(database).movies(0, 1)
    assert (movie.checked_at, movie.gone_at) == (LATER, None)
