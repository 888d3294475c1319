"""Insert long lists of movies into a database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from butaca.adapters.sql import Database
from butaca.adapters.sql.rows import movie_row
from butaca.adapters.sql.session import response_timeout
from butaca.adapters.sql.tables import movies, user_movies
from tests.builders import CONSUMER, NOON, make_record


@contextmanager
def untimed_transaction(database: Database) -> Iterator[Connection]:
    """Yield a transaction without statement timeout, for large inserts on a busy machine."""
    with database.writing() as connection, response_timeout(None):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        yield connection


def add_favorites(database: Database, count: int) -> None:
    """Add favorites of the consumer, who must exist: `count` movies with the IDs from 1."""
    rows = [movie_row(make_record(number), NOON) for number in range(1, count + 1)]
    common = {"user_id": CONSUMER.id, "favorited_at": NOON}
    favorites = [{**common, "movie_id": row["id"], "sort_title": row["sort_title"]} for row in rows]
    with untimed_transaction(database) as connection:
        connection.execute(movies.insert(), rows)
        connection.execute(user_movies.insert(), favorites)
