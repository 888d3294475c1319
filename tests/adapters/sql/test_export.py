"""An export holds no database connection while its client reads slowly."""

from collections.abc import Iterator

import pytest
from sqlalchemy import QueuePool, text

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.core.library import EXPORT_PAGE_SIZE, Library
from tests.builders import CONSUMER, NOON
from tests.bulk_data import add_favorites, untimed_transaction
from tests.fakes import FakeCatalogue


@pytest.fixture
def single_connection(postgresql: Database) -> Iterator[Database]:
    """A database with one connection, and more than a page of favorites of the consumer."""
    SqlAccounts(postgresql).grant_token(CONSUMER, "0" * 64, NOON)
    add_favorites(postgresql, EXPORT_PAGE_SIZE + 1)
    database = Database(postgresql.engine.url.render_as_string(hide_password=False), connections=1)
    yield database
    database.close()


def test_export_releases_the_connection_between_pages(single_connection: Database) -> None:
    pages = Library(SqlLibrary(single_connection), FakeCatalogue()).export(CONSUMER).pages

    assert len(next(pages)) == EXPORT_PAGE_SIZE
    assert isinstance(single_connection.engine.pool, QueuePool)
    assert single_connection.engine.pool.checkedout() == 0
    with single_connection.writing() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    assert [len(page) for page in pages] == [1]


OTHER_USERS = (
    """
    INSERT INTO users (id, name, role, created_at)
    SELECT n, 'user ' || n, 'USER', now() FROM generate_series(1001, 1100) n
    """,
    """
    INSERT INTO user_movies (user_id, movie_id, favorited_at, sort_title)
    SELECT u.id, m.id, now(), '' FROM users u, movies m WHERE u.id > 1000
    """,
    "ANALYZE users, movies, user_movies",
)
"""A hundred users with the same favorites, and fresh planner statistics."""


def test_export_page_is_read_in_index_order(single_connection: Database) -> None:
    explain = (
        "EXPLAIN SELECT * FROM user_movies JOIN movies ON movies.id = user_movies.movie_id "
        f"WHERE user_id = {CONSUMER.id} AND movie_id > 100 ORDER BY movie_id LIMIT 5"
    )
    with untimed_transaction(single_connection) as connection:
        for statement in OTHER_USERS:
            connection.execute(text(statement))
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.scalars(text(explain)))
    assert "pk_user_movies" in plan
    assert "Sort" not in plan
