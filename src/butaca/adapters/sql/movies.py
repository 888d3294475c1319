"""Stored movies in SQL, independent of users. Each method is one short transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.rows import genre_rows, movie_row, translation_rows
from butaca.adapters.sql.statements import upsert
from butaca.adapters.sql.tables import movie_genres, movies, translations, user_movies
from butaca.core.models import MovieRecord, StoredMovie


class SqlMovies:
    """The stored movies in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def movies(self, after: int, limit: int) -> Sequence[StoredMovie]:
        """Return up to `limit` stored movies with IDs above `after`, ordered by ID."""
        timestamps = movies.c.fetched_at, movies.c.checked_at, movies.c.gone_at
        statement = (
            select(movies.c.id, *timestamps, _is_referenced().label("is_referenced"))
            .where(movies.c.id > after)
            .order_by(movies.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_to_stored_movie(row) for row in connection.execute(statement)]

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a complete movie as fetched at a given time; it is no longer marked as gone."""
        with self._database.writing() as connection:
            write_movie(connection, record, at)

    def mark_unchanged(self, movie_ids: Iterable[int], at: datetime) -> None:
        """Record that at a given time the stored copies of these movies were up to date."""
        with self._database.writing() as connection:
            # Skip movies that are being written: their writers have newer data.
            unlocked = _select_ids(movie_ids).with_for_update(skip_locked=True, key_share=True)
            is_unchanged = movies.c.id.in_(connection.scalars(unlocked).all())
            connection.execute(update(movies).where(is_unchanged).values(checked_at=at))

    def mark_gone(self, movie_id: int, at: datetime) -> None:
        """Record that at a given time upstream no longer had this movie."""
        since = func.coalesce(movies.c.gone_at, at)
        statement = update(movies).where(movies.c.id == movie_id)
        with self._database.writing() as connection:
            connection.execute(statement.values(checked_at=at, gone_at=since))

    def drop_unreferenced(self, movie_ids: Iterable[int]) -> int:
        """Delete those of these movies that no user has favorited or rated; return how many."""
        with self._database.writing() as connection:
            # Lock first, so that no user can favorite a movie after the second statement has
            # checked it; a user who tries finds it deleted. Skip movies that are being written.
            unlocked = _select_ids(movie_ids).with_for_update(skip_locked=True)
            is_dropped = movies.c.id.in_(connection.scalars(unlocked).all()) & ~_is_referenced()
            return connection.execute(delete(movies).where(is_dropped)).rowcount


def write_movie(connection: Connection, record: MovieRecord, at: datetime) -> None:
    """Write a complete movie, replacing the stored one."""
    movie_id, row = record.details.id, movie_row(record, at)
    upsert(connection, movies, row)
    _copy_sort_keys(connection, row)
    for table, rows in (
        (translations, translation_rows(record)),
        (movie_genres, genre_rows(record)),
    ):
        connection.execute(delete(table).where(table.c.movie_id == movie_id))
        if rows:
            connection.execute(table.insert(), rows)


def _copy_sort_keys(connection: Connection, row: Mapping[str, Any]) -> None:
    """Copy a changed release date or title to the rows of all users who have the movie."""
    keys = {name: row[name] for name in ("release_date", "sort_title")}
    differs = or_(*(user_movies.c[name].is_distinct_from(keys[name]) for name in keys))
    connection.execute(
        update(user_movies).where(user_movies.c.movie_id == row["id"], differs).values(keys)
    )


def _is_referenced() -> ColumnElement[bool]:
    return exists().where(user_movies.c.movie_id == movies.c.id)


def _select_ids(movie_ids: Iterable[int]) -> Select[tuple[int]]:
    return select(movies.c.id).where(movies.c.id.in_(sorted(movie_ids))).order_by(movies.c.id)


def _to_stored_movie(row: Row[Any]) -> StoredMovie:
    return StoredMovie(
        row.id, row.fetched_at, row.checked_at or row.fetched_at, row.gone_at, row.is_referenced
    )
