"""PostgreSQL serves a user's lists from an index, regardless of the number of favorites."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.adapters.sql.stored import movie_row
from butaca.core.listing import FAVORITE_KEYS, RATING_KEYS, Filter, ListQuery, sort_order
from butaca.core.models import Page, Stars
from tests.builders import CONSUMER, NOON, make_record
from tests.bulk_data import untimed_transaction

Node = dict[str, Any]

MANY = (
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
    SELECT n, 'somebody ' || n, 'USER', now() FROM generate_series(1001, 1010) n
    """,
    """
    INSERT INTO user_movies
        (user_id, movie_id, favorited_at, half_stars, rated_at, release_date, sort_title)
    SELECT u.id, m.id, now(), m.id % 11, now(), m.release_date, m.sort_title
    FROM users u, movies m
    """,
)
"""Eleven people, of whom each keeps and has rated 4 000 movies."""


@pytest.fixture
def large(postgresql: Database) -> Database:
    """A large library, of which PostgreSQL knows that it is."""
    SqlAccounts(postgresql).grant_token(CONSUMER, "0" * 64, NOON)
    with untimed_transaction(postgresql) as connection:
        movie, *others = map(text, MANY)
        connection.execute(movie, {"details": movie_row(make_record(), NOON)["details"]})
        for each in others:
            connection.execute(each)
    # VACUUM suffers no BEGIN, and takes its time.
    with postgresql.engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
    return postgresql


def plans(database: Database, ask: Callable[[], Page[Any]]) -> list[Node]:
    """Return how PostgreSQL goes about what a list asks of it."""
    plans: list[Node] = []

    def explain(connection: Any, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
                plans.append(cursor.fetchone()[0][0]["Plan"])

    event.listen(database.engine, "before_cursor_execute", explain)
    ask()
    event.remove(database.engine, "before_cursor_execute", explain)
    return plans


def below(node: Node) -> Iterator[Node]:
    """Give a node and all that are below it."""
    yield node
    for child in node.get("Plans", ()):
        yield from below(child)


def steps_to_the_index(plan: Node) -> tuple[list[str], str]:
    """Return what happens to the rows of somebody before they are cut to a page, and the index."""
    (limit,) = (node for node in below(plan) if node["Node Type"] == "Limit")
    steps = [node for node in below(limit) if node is not limit]
    return [node["Node Type"] for node in steps], steps[-1]["Index Name"]


def test_a_page_in_the_default_order_is_cut_out_of_the_index(large: Database) -> None:
    query = ListQuery(sort_order("-release_date,-rating", FAVORITE_KEYS), page=20)
    (page,) = plans(large, lambda: SqlLibrary(large).favorites(CONSUMER.id, query))
    assert steps_to_the_index(page) == (["Index Only Scan"], "ix_user_movies_favorites")
    (count,) = (node for node in below(page) if node["Node Type"] == "Aggregate")
    assert [node["Node Type"] for node in below(count)] == ["Aggregate", "Index Only Scan"]


def test_translations_are_read_by_their_key(large: Database) -> None:
    query = ListQuery(sort_order("-favorited_at", FAVORITE_KEYS), language="es-AR")
    (page,) = plans(large, lambda: SqlLibrary(large).favorites(CONSUMER.id, query))
    _, texts = (node for node in below(page) if node["Node Type"] == "Aggregate")
    (found_by,) = {node["Index Name"] for node in below(texts) if "Index Name" in node}
    assert found_by == "pk_translations"


@pytest.mark.parametrize("sort", ["release_date", "-rating,title", "title", "-favorited_at"])
def test_a_page_in_any_other_order_reads_nothing_but_the_index(large: Database, sort: str) -> None:
    query = ListQuery(sort_order(sort, FAVORITE_KEYS))
    (page,) = plans(large, lambda: SqlLibrary(large).favorites(CONSUMER.id, query))
    assert steps_to_the_index(page) == (["Sort", "Index Only Scan"], "ix_user_movies_favorites")


def test_ratings_in_the_default_order_are_cut_out_of_the_index(large: Database) -> None:
    query = ListQuery(sort_order("-rated_at", RATING_KEYS))
    (page,) = plans(large, lambda: SqlLibrary(large).ratings(CONSUMER.id, query))
    assert steps_to_the_index(page) == (["Index Only Scan"], "ix_user_movies_ratings")


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(min_rating=Stars.of(3)),
        Filter(year_from=1955, year_to=1956),
        Filter(title="movie 77"),
    ],
    ids=str,
)
def test_filtered_ratings_read_nothing_but_the_index(large: Database, wanted: Filter) -> None:
    query = ListQuery(sort_order("-rated_at", RATING_KEYS), filter=wanted)
    (page,) = plans(large, lambda: SqlLibrary(large).ratings(CONSUMER.id, query))
    assert steps_to_the_index(page) == (["Index Only Scan"], "ix_user_movies_ratings")
