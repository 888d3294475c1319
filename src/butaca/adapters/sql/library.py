"""Favorites and ratings in SQL. Each method is one short transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    delete,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.movies import write_movie
from butaca.adapters.sql.rows import to_details, to_stars
from butaca.adapters.sql.statements import ids_parameter, in_ids, insert_or_set_if_null
from butaca.adapters.sql.tables import movies, user_movies
from butaca.adapters.sql.user_movie_list import FAVORITES, RATINGS, is_movie_of_user
from butaca.core.errors import TokenRejected
from butaca.core.listing import ListQuery
from butaca.core.models import Favorite, Mark, MovieRecord, Page, Rating, Stars, UserMovie
from butaca.core.ports import MovieNotStored

_FAVORITE = ("favorited_at",)
_RATING = ("half_stars", "rated_at", "corrected_at")


class SqlLibrary:
    """The favorites and ratings in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a complete movie, or replace the stored one."""
        with self._database.writing() as connection:
            write_movie(connection, record, at)

    def add_favorite(self, user_id: int, movie_id: int, at: datetime) -> tuple[Favorite, bool]:
        """Make a movie a favorite; return the favorite, and whether it is new."""
        with self._database.writing() as connection:
            is_new = _set_columns(connection, user_id, movie_id, favorited_at=at)
            if favorite := FAVORITES.find(connection, user_id, movie_id, language=None):
                return favorite, is_new
        raise MovieNotStored

    def remove_favorite(self, user_id: int, movie_id: int) -> bool:
        """Remove a favorite; return whether there was one."""
        with self._database.writing() as connection:
            return _clear_columns(connection, is_movie_of_user(user_id, movie_id), _FAVORITE) > 0

    def clear_favorites(self, user_id: int) -> int:
        """Remove all favorites of a user; return how many there were."""
        with self._database.writing() as connection:
            return _clear_columns(connection, user_movies.c.user_id == user_id, _FAVORITE)

    def find_favorite(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Favorite | None:
        """Return a favorite with the movie's texts in a language."""
        with self._database.reading() as connection:
            return FAVORITES.find(connection, user_id, movie_id, language)

    def favorites(self, user_id: int, query: ListQuery) -> Page[Favorite]:
        """Return one page of favorites."""
        with self._database.reading() as connection:
            return FAVORITES.page(connection, user_id, query)

    def rate(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> tuple[Rating, bool]:
        """Rate a movie, or correct its rating; return the rating, and whether it is new."""
        with self._database.writing() as connection:
            is_new = _set_columns(
                connection, user_id, movie_id, half_stars=stars.halves, rated_at=at
            )
            if not is_new:
                _replace_stars(connection, user_id, movie_id, stars, at)
            if rating := RATINGS.find(connection, user_id, movie_id, language=None):
                return rating, is_new
        raise MovieNotStored

    def update_rating(
        self, user_id: int, movie_id: int, stars: Stars, at: datetime
    ) -> Rating | None:
        """Replace the stars of a rating and return it, or return None if there is none."""
        with self._database.writing() as connection:
            _replace_stars(connection, user_id, movie_id, stars, at)
            return RATINGS.find(connection, user_id, movie_id, language=None)

    def remove_rating(self, user_id: int, movie_id: int) -> bool:
        """Remove a rating; return whether there was one."""
        with self._database.writing() as connection:
            return _clear_columns(connection, is_movie_of_user(user_id, movie_id), _RATING) > 0

    def find_rating(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Rating | None:
        """Return a rating with the movie's texts in a language."""
        with self._database.reading() as connection:
            return RATINGS.find(connection, user_id, movie_id, language)

    def ratings(self, user_id: int, query: ListQuery) -> Page[Rating]:
        """Return one page of ratings."""
        with self._database.reading() as connection:
            return RATINGS.page(connection, user_id, query)

    def marks(self, user_id: int, movie_ids: Iterable[int]) -> Mapping[int, Mark]:
        """Return whether and how a user has favorited and rated these movies."""
        with self._database.reading() as connection:
            dialect = connection.dialect.name
            parameters = {"user_id": user_id, **ids_parameter(movie_ids, dialect)}
            rows = connection.execute(_select_marks(dialect), parameters).all()
        return {movie_id: _to_mark(is_favorite, halves) for movie_id, is_favorite, halves in rows}

    def user_movies(self, user_id: int, after: int, limit: int) -> tuple[UserMovie, ...]:
        """Return the favorited and rated movies with IDs above `after`, ordered by movie ID."""
        columns = user_movies.c
        statement = (
            select(user_movies, movies.c.details)
            .join(movies, movies.c.id == columns.movie_id)
            .where(columns.user_id == user_id, columns.movie_id > after)
            .order_by(columns.movie_id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return tuple(_to_user_movie(row) for row in rows)


@cache
def _select_marks(dialect: str) -> Select[Any]:
    columns = user_movies.c
    return select(columns.movie_id, columns.favorited_at.is_not(None), columns.half_stars).where(
        columns.user_id == bindparam("user_id"), in_ids(columns.movie_id, dialect)
    )


@cache
def _to_mark(is_favorite: bool, half_stars: int | None) -> Mark:
    return Mark(favorite=is_favorite, rating=to_stars(half_stars))


def _to_user_movie(row: Any) -> UserMovie:
    return UserMovie(
        movie=to_details(row.details),
        favorited_at=row.favorited_at,
        stars=to_stars(row.half_stars),
        rated_at=row.rated_at,
        corrected_at=row.corrected_at,
    )


def _set_columns(connection: Connection, user_id: int, movie_id: int, **values: Any) -> bool:
    """Set columns of a user's movie unless they are set; return whether they were null.

    The stored movie is locked, so that no concurrent transaction drops or changes it. Raises
    TokenRejected.
    """
    literals = {name: literal(value, user_movies.c[name].type) for name, value in values.items()}
    row = select(
        literal(user_id).label("user_id"),
        movies.c.id.label("movie_id"),
        movies.c.release_date,
        movies.c.sort_title,
        *(value.label(name) for name, value in literals.items()),
    )
    locked_row = row.where(movies.c.id == movie_id).with_for_update(read=True)
    try:
        return insert_or_set_if_null(connection, user_movies, locked_row, list(values))
    except IntegrityError as error:  # The user was removed after the token was looked up.
        raise TokenRejected from error


def _clear_columns(
    connection: Connection, condition: ColumnElement[bool], names: tuple[str, ...]
) -> int:
    """Set columns of a user's movies to null; return the number of rows changed.

    The rows are locked in the order of their movie IDs, so that two requests that clear the same
    list do not deadlock.
    """
    columns = user_movies.c
    to_clear = select(columns.movie_id).where(condition, columns[names[0]].is_not(None))
    locked = to_clear.order_by(columns.movie_id).with_for_update()
    statement = update(user_movies).where(condition, columns.movie_id.in_(locked))
    count = connection.execute(statement.values(dict.fromkeys(names))).rowcount
    is_empty = columns.favorited_at.is_(None) & columns.half_stars.is_(None)
    connection.execute(delete(user_movies).where(condition, is_empty))
    return count


def _replace_stars(
    connection: Connection, user_id: int, movie_id: int, stars: Stars, at: datetime
) -> None:
    # Setting the same stars again is not a correction: a repeated PUT changes nothing.
    columns = user_movies.c
    now = literal(at, columns.corrected_at.type)
    statement = (
        update(user_movies)
        .where(is_movie_of_user(user_id, movie_id), columns.half_stars.is_not(None))
        .values(
            half_stars=stars.halves,
            corrected_at=case(
                (columns.half_stars != stars.halves, now), else_=columns.corrected_at
            ),
        )
    )
    connection.execute(statement)
