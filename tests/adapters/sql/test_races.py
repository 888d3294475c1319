"""The results of concurrent operations are those of some sequential order."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Select, func, select, text

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.adapters.sql.tables import movies, user_movies
from butaca.core.models import Stars
from tests.builders import CONSUMER, NOON, make_record
from tests.faults.pods import wait_until

ME, LATER = CONSUMER.id, NOON + timedelta(hours=1)
ROUNDS = 15
"""How often two race: once is luck."""


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


def at_once(pool: ThreadPoolExecutor, *calls: Callable[[], Any]) -> list[Any]:
    """Return what calls return that are all made in the same moment."""
    barrier = Barrier(len(calls), timeout=20)

    def go(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    return [each.result(20) for each in [pool.submit(go, call) for call in calls]]


def rows(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(user_movies)) or 0


def test_of_8_who_keep_the_same_movie_for_one_it_is_new(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    kept = at_once(pool, *[partial(store.add_favorite, ME, 550, NOON)] * 8)
    assert sorted(is_new for _, is_new in kept) == [False] * 7 + [True]
    assert len({favorite.favorited_at for favorite, _ in kept}) == 1
    assert rows(database) == 1


def test_of_8_who_rate_the_same_movie_for_one_it_is_new(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    rated = at_once(pool, *[partial(store.rate, ME, 550, Stars(7), NOON)] * 8)
    assert sorted(is_new for _, is_new in rated) == [False] * 7 + [True]
    assert rows(database) == 1


def test_who_keeps_and_who_clears_leave_what_one_order_explains(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for _ in range(ROUNDS):
        store.add_favorite(ME, 550, NOON)
        (_, is_new), cleared = at_once(
            pool, partial(store.add_favorite, ME, 550, LATER), partial(store.clear_favorites, ME)
        )
        favorite = store.find_favorite(ME, 550)
        assert cleared == 1
        assert is_new == (favorite is not None)
        assert rows(database) == int(is_new)


def test_of_two_who_clear_each_favorite_is_cleared_by_one(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    movie_ids = range(1, 21)
    for movie_id in movie_ids:
        store.save_movie(make_record(movie_id), NOON)
        store.rate(ME, movie_id, Stars(7), NOON)
    for _ in range(ROUNDS):
        for movie_id in movie_ids:
            store.add_favorite(ME, movie_id, NOON)
        assert sum(at_once(pool, *[partial(store.clear_favorites, ME)] * 2)) == len(movie_ids)


def row_of(movie_id: int) -> Select[int]:
    """Return a query that locks what a movie is to me, or fails at once."""
    mine = user_movies.c
    this = select(mine.movie_id).where(mine.user_id == ME, mine.movie_id == movie_id)
    return this.with_for_update(nowait=True)


def waits_for_a_lock(database: Database) -> bool:
    with database.reading() as connection:
        waiting = text("SELECT 1 FROM pg_locks WHERE NOT granted")
        return connection.execute(waiting).first() is not None


def test_who_clears_locks_what_comes_first_before_all_else(
    postgresql: Database, pool: ThreadPoolExecutor
) -> None:
    SqlAccounts(postgresql).grant_token(CONSUMER, "0" * 64, NOON)
    store = SqlLibrary(postgresql)
    for movie_id in (3, 1, 2):
        store.save_movie(make_record(movie_id, release_date=date(2000 + movie_id, 1, 1)), NOON)
        store.add_favorite(ME, movie_id, NOON)
    with postgresql.writing() as first:
        first.execute(row_of(1))
        cleared = pool.submit(store.clear_favorites, ME)
        wait_until(partial(waits_for_a_lock, postgresql))
        with postgresql.writing() as other:
            for movie_id in (2, 3):
                assert other.scalar(row_of(movie_id)) == movie_id
    assert cleared.result(20) == 3


def test_who_rates_and_who_forgets_do_not_undo_one_another(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for _ in range(ROUNDS):
        store.add_favorite(ME, 550, NOON)
        (rating, is_new), is_forgotten = at_once(
            pool,
            partial(store.rate, ME, 550, Stars(9), NOON),
            partial(store.remove_favorite, ME, 550),
        )
        assert (is_new, is_forgotten) == (True, True)
        assert store.find_rating(ME, 550) == rating
        assert store.find_favorite(ME, 550) is None
        assert store.remove_rating(ME, 550)


def test_who_takes_back_a_rating_and_who_forgets_leave_nothing(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for _ in range(ROUNDS):
        store.add_favorite(ME, 550, NOON)
        store.rate(ME, 550, Stars(3), NOON)
        assert at_once(
            pool, partial(store.remove_rating, ME, 550), partial(store.remove_favorite, ME, 550)
        ) == [True, True]
        assert rows(database) == 0


def test_a_movie_that_is_saved_anew_while_it_is_kept_is_sorted_by_what_it_became(
    database: Database, store: SqlLibrary, pool: ThreadPoolExecutor
) -> None:
    for year in range(1990, 1990 + ROUNDS):
        record = make_record(550, release_date=date(year, 1, 1), title=f"In {year}")
        at_once(
            pool,
            partial(store.add_favorite, ME, 550, NOON),
            partial(store.save_movie, record, LATER),
        )
        with database.reading() as connection:
            columns = (movies.c.release_date, user_movies.c.release_date)
            titles = (movies.c.sort_title, user_movies.c.sort_title)
            found = connection.execute(
                select(*columns, *titles).join(user_movies, user_movies.c.movie_id == movies.c.id)
            ).one()
        assert found == (date(year, 1, 1), date(year, 1, 1), f"in {year}", f"in {year}")
        store.clear_favorites(ME)
