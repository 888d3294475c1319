"""Refreshing and dropping movies during concurrent favorites and ratings, on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, SqlMovies
from butaca.adapters.sql.tables import movies, user_movies
from butaca.core.library import Library
from butaca.core.models import Stars
from butaca.core.ports import MovieNotStored
from tests.builders import ADMIN, CONSUMER, NOON, make_record
from tests.fakes import FakeCatalogue
from tests.postgresql_server import has_blocked_session
from tests.waiting import wait_until

LATER = NOON + timedelta(days=30)
RATING_ROW = {
    "user_id": CONSUMER.id,
    "movie_id": 550,
    "half_stars": 8,
    "rated_at": NOON,
    "sort_title": "movie 550",
}


@pytest.fixture
def library(postgresql: Database) -> SqlLibrary:
    for user in (ADMIN, CONSUMER):
        SqlAccounts(postgresql).grant_token(user, f"{user.id:064}", NOON)
    store = SqlLibrary(postgresql)
    store.save_movie(make_record(550), NOON)
    return store


@contextmanager
def uncommitted_drop(database: Database) -> Iterator[Connection]:
    with database.writing() as connection:
        connection.execute(movies.delete())
        yield connection


def wait_until_blocked(connection: Connection, future: "Future[object]") -> None:
    wait_until(lambda: future.done() or has_blocked_session(connection))


ADD_CALLS: list[Callable[[SqlLibrary], object]] = [
    lambda library: library.add_favorite(CONSUMER.id, 550, NOON),
    lambda library: library.rate(CONSUMER.id, 550, Stars.of(4), NOON),
]


@pytest.mark.parametrize("add", ADD_CALLS, ids=["favorite", "rating"])
def test_adding_a_movie_during_its_drop_raises_not_stored(
    postgresql: Database, library: SqlLibrary, add: Callable[[SqlLibrary], object]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with uncommitted_drop(postgresql) as connection:
            future = pool.submit(add, library)
            wait_until_blocked(connection, future)
        with pytest.raises(MovieNotStored):
            future.result(timeout=10)


def test_movie_being_rated_is_not_dropped(postgresql: Database, library: SqlLibrary) -> None:
    with postgresql.writing() as connection:
        connection.execute(user_movies.insert(), RATING_ROW)
        assert SqlMovies(postgresql).drop_unreferenced([550]) == 0
    assert SqlMovies(postgresql).movies(0, 1)


def test_movie_being_rated_can_be_marked_unchanged(
    postgresql: Database, library: SqlLibrary
) -> None:
    with postgresql.writing() as connection:
        connection.execute(user_movies.insert(), RATING_ROW)
        SqlMovies(postgresql).mark_unchanged([550], LATER)
    assert SqlMovies(postgresql).movies(0, 1)[0].checked_at == LATER


def test_movie_being_saved_is_neither_marked_nor_dropped(
    postgresql: Database, library: SqlLibrary
) -> None:
    lock = select(movies.c.id).with_for_update()
    with postgresql.writing() as connection:
        connection.execute(lock)
        SqlMovies(postgresql).mark_unchanged([550], LATER)
        assert SqlMovies(postgresql).drop_unreferenced([550]) == 0
    assert SqlMovies(postgresql).movies(0, 1)[0].checked_at == NOON


def test_concurrent_adds_and_drops_never_fail(postgresql: Database, library: SqlLibrary) -> None:
    catalogue, stored = FakeCatalogue(), SqlMovies(postgresql)
    catalogue.add(make_record(550))
    service = Library(library, catalogue)
    with ThreadPoolExecutor(1) as pool:
        for stars in [Stars(3), Stars(7)] * 75:
            dropping = pool.submit(stored.drop_unreferenced, [550])
            service.add_favorite(CONSUMER, 550)
            service.rate(CONSUMER, 550, stars)
            dropping.result(timeout=10)
            assert service.favorite(CONSUMER, 550).rating == stars
            service.remove_favorite(CONSUMER, 550)
            service.delete_rating(CONSUMER, 550)
    assert catalogue.calls


def test_concurrent_refreshes_succeed_and_drop_no_rated_movie(
    postgresql: Database, library: SqlLibrary
) -> None:
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

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(refresh, order) for order in ([*ids], [*reversed(ids)])]:
            each.result(timeout=60)
    assert [each.id for each in stored.movies(0, limit=39)] == [*ids]


def test_movie_without_checked_at_counts_as_checked_when_fetched(database: Database) -> None:
    SqlLibrary(database).save_movie(make_record(550), NOON)
    with database.writing() as connection:
        connection.execute(movies.update().values(checked_at=None))
    (movie,) = SqlMovies(database).movies(0, 1)
    assert movie.checked_at == NOON


def test_saving_a_gone_movie_in_the_library_clears_gone_at(database: Database) -> None:
    SqlLibrary(database).save_movie(make_record(550), NOON)
    SqlMovies(database).mark_gone(550, NOON)
    SqlLibrary(database).save_movie(make_record(550), LATER)
    (movie,) = SqlMovies(database).movies(0, 1)
    assert (movie.checked_at, movie.gone_at) == (LATER, None)
