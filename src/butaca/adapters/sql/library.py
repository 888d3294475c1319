"""The library in SQL: each method is one short transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, case, delete, literal, select, update

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.shelf import FAVORITES, RATINGS
from butaca.adapters.sql.statements import insert_new, upsert
from butaca.adapters.sql.stored import movie_row, translation_rows
from butaca.adapters.sql.tables import favorites, movies, ratings, translations
from butaca.core.listing import ListQuery
from butaca.core.models import Favorite, Mark, MovieRecord, Page, Rating, Stars


class SqlLibrary:
    """Favorites and ratings in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_movie(self, movie_id: int) -> bool:
        """Tell whether the movie is stored."""
        with self._database.reading() as connection:
            return connection.scalar(select(movies.c.id).where(movies.c.id == movie_id)) is not None

    def save_movie(self, record: MovieRecord, at: datetime) -> None:
        """Store a movie whole, or replace what was stored of it."""
        movie_id = record.details.id
        with self._database.writing() as connection:
            upsert(connection, movies, movie_row(record, at))
            connection.execute(delete(translations).where(translations.c.movie_id == movie_id))
            if rows := translation_rows(record):
                connection.execute(translations.insert(), rows)

    def add_favorite(self, user_id: int, movie_id: int, at: datetime) -> tuple[Favorite, bool]:
        """Make a stored movie a favorite; return it, and whether it is a new one."""
        row = {"user_id": user_id, "movie_id": movie_id, "favorited_at": at}
        with self._database.writing() as connection:
            while True:
                is_new = insert_new(connection, favorites, row)
                if favorite := FAVORITES.find(connection, user_id, movie_id, language=None):
                    return favorite, is_new
                # It was there, and somebody removed it before it could be read: add it anew.

    def remove_favorite(self, user_id: int, movie_id: int) -> bool:
        """Tell whether there was one to remove."""
        with self._database.writing() as connection:
            return FAVORITES.remove(connection, user_id, movie_id)

    def clear_favorites(self, user_id: int) -> int:
        """Remove all of somebody's favorites; return how many there were."""
        with self._database.writing() as connection:
            gone = delete(favorites).where(favorites.c.user_id == user_id)
            return connection.execute(gone).rowcount

    def find_favorite(
        self, user_id: int, movie_id: int, language: str | None = None
    ) -> Favorite | None:
        """Return a favorite with its texts in a language."""
        with self._database.reading() as connection:
            return FAVORITES.find(connection, user_id, movie_id, language)

    def favorites(self, user_id: int, query: ListQuery) -> Page[Favorite]:
        """Return one page of favorites."""
        with self._database.reading() as connection:
            return FAVORITES.page(connection, user_id, query)

    def rate(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> tuple[Rating, bool]:
        """Rate a stored movie, or correct its rating; return it, and whether it is a new one."""
        row = {"user_id": user_id, "movie_id": movie_id, "half_stars": stars.halves, "rated_at": at}
        with self._database.writing() as connection:
            while True:
                is_new = insert_new(connection, ratings, row)
                if not is_new:
                    _correct(connection, user_id, movie_id, stars, at)
                if rating := RATINGS.find(connection, user_id, movie_id, language=None):
                    return rating, is_new
                # It was there, and somebody took it back before it could be read: rate anew.

    def correct_rating(
        self, user_id: int, movie_id: int, stars: Stars, at: datetime
    ) -> Rating | None:
        """Replace the stars, if there is a rating to correct; return it."""
        with self._database.writing() as connection:
            _correct(connection, user_id, movie_id, stars, at)
            return RATINGS.find(connection, user_id, movie_id, language=None)

    def remove_rating(self, user_id: int, movie_id: int) -> bool:
        """Tell whether there was one to remove."""
        with self._database.writing() as connection:
            return RATINGS.remove(connection, user_id, movie_id)

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
        """Return what these movies are to somebody."""
        ids = list(movie_ids)
        kept = select(favorites.c.movie_id).where(FAVORITES.among(user_id, ids))
        rated = select(ratings.c.movie_id, ratings.c.half_stars).where(RATINGS.among(user_id, ids))
        with self._database.reading() as connection:
            hearts = set(connection.scalars(kept))
            stars = {row.movie_id: Stars(row.half_stars) for row in connection.execute(rated)}
        return {movie_id: Mark(movie_id in hearts, stars.get(movie_id)) for movie_id in ids}


def _correct(
    connection: Connection, user_id: int, movie_id: int, stars: Stars, at: datetime
) -> None:
    # The same stars again correct nothing: a repeated PUT leaves the rating as it is.
    is_changed = ratings.c.half_stars != stars.halves
    now = literal(at, ratings.c.corrected_at.type)
    correction = (
        update(ratings)
        .where(ratings.c.user_id == user_id, ratings.c.movie_id == movie_id)
        .values(
            half_stars=stars.halves,
            corrected_at=case((is_changed, now), else_=ratings.c.corrected_at),
        )
    )
    connection.execute(correction)
