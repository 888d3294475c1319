"""PostgreSQL serves a user's lists from an index, regardless of the number of favorites."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.adapters.sql.rows import movie_row
from butaca.core.listing import FAVORITE_KEYS, RATING_KEYS, Filter, ListQuery, sort_order
from butaca.core.models import Page, Stars
from tests.builders import CONSUMER, NOON, make_record
from tests.bulk_data import untimed_transaction

Node = dict[str, Any]

FILL_STATEMENTS = (
    """
    INSERT INTO movies (id, sort_title, release_date, language, details, fetched_at)
    SELECT n, 'movie ' || n, date '1950-01-01' + n, 'en-US', :details, now()
    FROM generate_series(1, 4000) n
    """,
    """
    INSERT INTO translations (movie_id, language, region, texts)
    SELECT n, 'es', 'AR', '{"language":"es","region":"AR"}' FROM generate_series(1, 4000) n
    """,
    """
    INSERT INTO users (id, name, role, created_at)
    SELECT n, 'user ' || n, 'USER', now() FROM generate_series(1001, 1010) n
    """,
    """
    INSERT INTO user_movies
        (user_id, movie_id, favorited_at, half_stars, rated_at, release_date, sort_title)
    SELECT u.id, m.id, now(), m.id % 11, now(), m.release_date, m.sort_title
    FROM users u, movies m
    """,
)
"""Eleven users, each with 4,000 movies that are both favorites and rated."""


@pytest.fixture
def large(postgresql: Database) -> Database:
    """A large library with up-to-date planner statistics."""
    SqlAccounts(postgresql).grant_token(CONSUMER, "0" * 64, NOON)
    with untimed_transaction(postgresql) as connection:
        insert_movies, *inserts = map(text, FILL_STATEMENTS)
        connection.execute(insert_movies, {"details": movie_row(make_record(), NOON)["details"]})
        for insert in inserts:
            connection.execute(insert)
    # VACUUM cannot run in a transaction, and takes a while.
    with postgresql.engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
    return postgresql


def query_plans(database: Database, read: Callable[[], Page[Any]]) -> list[Node]:
    """Return PostgreSQL's plans for the queries of a list."""
    plans: list[Node] = []

    def explain(connection: Any, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
                plans.append(cursor.fetchone()[0][0]["Plan"])

    event.listen(database.engine, "before_cursor_execute", explain)
    read()
    event.remove(database.engine, "before_cursor_execute", explain)
    return plans


def nodes_of(node: Node) -> Iterator[Node]:
    """Yield a node and all of its descendants."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)


def steps_below_limit(plan: Node) -> tuple[list[str], str]:
    """Return the steps that produce a page before LIMIT, and the index that they read."""
    (limit,) = (node for node in nodes_of(plan) if node["Node Type"] == "Limit")
    steps = [node for node in nodes_of(limit) if node is not limit]
    return [node["Node Type"] for node in steps], steps[-1]["Index Name"]


def test_default_order_of_favorites_is_read_from_the_index(large: Database) -> None:
    query = ListQuery(sort_order("-release_date,-rating", FAVORITE_KEYS), page=20)
    (page,) = query_plans(large, lambda: SqlLibrary(large).favorites(CONSUMER.id, query))
    assert steps_below_limit(page) == (["Index Only Scan"], "ix_user_movies_favorites")
    (count,) = (node for node in nodes_of(page) if node["Node Type"] == "Aggregate")
    assert [node["Node Type"] for node in nodes_of(count)] == ["Aggregate", "Index Only Scan"]


def test_translations_are_read_by_primary_key(large: Database) -> None:
    query = ListQuery(sort_order("-favorited_at", FAVORITE_KEYS), language="es-AR")
    (page,) = query_plans(large, lambda: SqlLibrary(large).favorites(CONSUMER.id, query))
    _, texts = (node for node in nodes_of(page) if node["Node Type"] == "Aggregate")
    (index,) = {node["Index Name"] for node in nodes_of(texts) if "Index Name" in node}
    assert index == "pk_translations"


@pytest.mark.parametrize("sort", ["release_date", "-rating,title", "title", "-favorited_at"])
def test_other_orders_of_favorites_read_only_the_index(large: Database, sort: str) -> None:
    query = ListQuery(sort_order(sort, FAVORITE_KEYS))
    (page,) = query_plans(large, lambda: SqlLibrary(large).favorites(CONSUMER.id, query))
    assert steps_below_limit(page) == (["Sort", "Index Only Scan"], "ix_user_movies_favorites")


def test_default_order_of_ratings_is_read_from_the_index(large: Database) -> None:
    query = ListQuery(sort_order("-rated_at", RATING_KEYS))
    (page,) = query_plans(large, lambda: SqlLibrary(large).ratings(CONSUMER.id, query))
    assert steps_below_limit(page) == (["Index Only Scan"], "ix_user_movies_ratings")


@pytest.mark.parametrize(
    "filter_",
    [
        Filter(min_rating=Stars.of(3)),
        Filter(year_from=1955, year_to=1956),
        Filter(title="movie 77"),
    ],
    ids=str,
)
def test_filtered_ratings_read_only_the_index(large: Database, filter_: Filter) -> None:
    query = ListQuery(sort_order("-rated_at", RATING_KEYS), filter=filter_)
    (page,) = query_plans(large, lambda: SqlLibrary(large).ratings(CONSUMER.id, query))
    assert steps_below_limit(page) == (["Index Only Scan"], "ix_user_movies_ratings")
