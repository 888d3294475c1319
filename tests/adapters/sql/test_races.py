"""The results of concurrent operations are those of some sequential order."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.adapters.sql.tables import movies, user_movies
from butaca.core.models import Stars
from tests.builders import CONSUMER, NOON, make_record
from tests.postgresql_server import has_blocked_session
from tests.waiting import wait_until

ME, LATER = CONSUMER.id, NOON + timedelta(hours=1)
ROUNDS = 15
"""The number of attempts: a single one may not cause the race."""


@pytest.fixture
def store(database: Database) -> SqlLibrary:
    SqlAccounts(database).grant_token(CONSUMER, "0" * 64, NOON)
    store = SqlLibrary(database)
    store.save_movie(make_record(550), NOON)
    return store


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def run_concurrently(pool: ThreadPoolExecutor, *calls: Callable[[], Any]) -> list[Any]:
    """Make calls at the same time, and return their results."""
    barrier = Barrier(len(calls), timeout=20)

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    return [each.result(20) for each in [pool.submit(run, call) for call in calls]]


def count_rows(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(user_movies)) or 0


def test_favorite_added_8_times_concurrently_is_new_once(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    added = run_concurrently(pool, *[partial(store.add_favorite, ME, 550, NOON)] * 8)
    assert sorted(is_new for _, is_new in added) == [False] * 7 + [True]
    assert len({favorite.favorited_at for favorite, _ in added}) == 1
    assert count_rows(database) == 1


def test_rating_set_8_times_concurrently_is_new_once(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    rated = run_concurrently(pool, *[partial(store.rate, ME, 550, Stars(7), NOON)] * 8)
    assert sorted(is_new for _, is_new in rated) == [False] * 7 + [True]
    assert count_rows(database) == 1


def test_concurrent_add_and_clear_are_serializable(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for _ in range(ROUNDS):
        store.add_favorite(ME, 550, NOON)
        (_, is_new), cleared = run_concurrently(
            pool, partial(store.add_favorite, ME, 550, LATER), partial(store.clear_favorites, ME)
        )
        favorite = store.find_favorite(ME, 550)
        assert cleared == 1
        assert is_new == (favorite is not None)
        assert count_rows(database) == int(is_new)


def test_concurrent_clears_count_each_favorite_once(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    movie_ids = range(1, 21)
    for movie_id in movie_ids:
        store.save_movie(make_record(movie_id), NOON)
        store.rate(ME, movie_id, Stars(7), NOON)
    for _ in range(ROUNDS):
        for movie_id in movie_ids:
            store.add_favorite(ME, movie_id, NOON)
        counts = run_concurrently(pool, *[partial(store.clear_favorites, ME)] * 2)
        assert sum(counts) == len(movie_ids)


def lock_query(movie_id: int) -> Select[int]:
    """Return a query that locks the row of a user's movie, or fails immediately."""
    columns = user_movies.c
    row = select(columns.movie_id).where(columns.user_id == ME, columns.movie_id == movie_id)
    return row.with_for_update(nowait=True)


def test_clear_locks_rows_in_movie_id_order(postgresql: Database, pool: ThreadPoolExecutor) -> None:
    SqlAccounts(postgresql).grant_token(CONSUMER, "0" * 64, NOON)
    store = SqlLibrary(postgresql)
    for movie_id in (3, 1, 2):
        store.save_movie(make_record(movie_id, release_date=date(2000 + movie_id, 1, 1)), NOON)
        store.add_favorite(ME, movie_id, NOON)
    with postgresql.writing() as first:
        first.execute(lock_query(1))
        cleared = pool.submit(store.clear_favorites, ME)
        wait_until(partial(has_blocked_session, first))
        with postgresql.writing() as other:
            for movie_id in (2, 3):
                assert other.scalar(lock_query(movie_id)) == movie_id
    assert cleared.result(20) == 3


def test_concurrent_rate_and_remove_favorite_both_take_effect(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for _ in range(ROUNDS):
        store.add_favorite(ME, 550, NOON)
        (rating, is_new), is_removed = run_concurrently(
            pool,
            partial(store.rate, ME, 550, Stars(9), NOON),
            partial(store.remove_favorite, ME, 550),
        )
        assert (is_new, is_removed) == (True, True)
        assert store.find_rating(ME, 550) == rating
        assert store.find_favorite(ME, 550) is None
        assert store.remove_rating(ME, 550)


def test_concurrent_removals_of_favorite_and_rating_leave_no_row(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for _ in range(ROUNDS):
        store.add_favorite(ME, 550, NOON)
        store.rate(ME, 550, Stars(3), NOON)
        assert run_concurrently(
            pool, partial(store.remove_rating, ME, 550), partial(store.remove_favorite, ME, 550)
        ) == [True, True]
        assert count_rows(database) == 0


def test_favorite_added_during_a_save_has_the_new_sort_keys(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for year in range(1990, 1990 + ROUNDS):
        record = make_record(550, release_date=date(year, 1, 1), title=f"In {year}")
        run_concurrently(
            pool,
            partial(store.add_favorite, ME, 550, NOON),
            partial(store.save_movie, record, LATER),
        )
        with database.reading() as connection:
            columns = (movies.c.release_date, user_movies.c.release_date)
            titles = (movies.c.sort_title, user_movies.c.sort_title)
            sort_keys = connection.execute(
                select(*columns, *titles).join(user_movies, user_movies.c.movie_id == movies.c.id)
            ).one()
        assert sort_keys == (date(year, 1, 1), date(year, 1, 1), f"in {year}", f"in {year}")
        store.clear_favorites(ME)
