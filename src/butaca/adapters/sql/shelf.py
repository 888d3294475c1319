"""A shelf: rows of one user, each with its movie, read one by one or by the page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, delete, func, select

from butaca.adapters.sql.stored import to_details, to_translation
from butaca.adapters.sql.tables import favorites, movies, ratings, translations
from butaca.core.listing import ListQuery, SortKey, SortOrder
from butaca.core.models import Favorite, MovieDetails, MovieRecord, Page, Rating, Stars, Translation
from butaca.core.translations import localized

T = TypeVar("T")

_SORTED_BY: Mapping[SortKey, ColumnElement[Any]] = {
    SortKey.RELEASE_DATE: movies.c.release_date,
    SortKey.RATING: ratings.c.half_stars,
    SortKey.TITLE: movies.c.sort_title,
    SortKey.FAVORITED_AT: favorites.c.favorited_at,
    SortKey.RATED_AT: ratings.c.rated_at,
}


@dataclass(frozen=True, slots=True)
class Shelf(Generic[T]):
    """One table of what users have, how its rows are read, and what they become."""

    table: Table
    rows: Select[Any]
    become: Callable[[Any, MovieDetails], T]

    def find(
        self, connection: Connection, user_id: int, movie_id: int, language: str | None
    ) -> T | None:
        """Return one, with its movie's texts in a language."""
        found = connection.execute(self.rows.where(*self._at(user_id, movie_id))).all()
        return next(iter(self._entities(connection, found, language)), None)

    def page(self, connection: Connection, user_id: int, query: ListQuery) -> Page[T]:
        """Return one page of a user's, in a total order."""
        mine = self.table.c.user_id == user_id
        total = connection.scalar(select(func.count()).select_from(self.table).where(mine)) or 0
        rows = (
            self.rows.where(mine)
            .order_by(*_order(query.sort), self.table.c.movie_id)
            .limit(query.page_size)
            .offset((query.page - 1) * query.page_size)
        )
        found = connection.execute(rows).all()
        return Page(
            results=tuple(self._entities(connection, found, query.language)),
            page=query.page,
            page_size=query.page_size,
            total_results=total,
            total_pages=-(-total // query.page_size),
        )

    def remove(self, connection: Connection, user_id: int, movie_id: int) -> bool:
        """Tell whether there was one to remove."""
        gone = delete(self.table).where(*self._at(user_id, movie_id))
        return connection.execute(gone).rowcount > 0

    def among(self, user_id: int, movie_ids: Sequence[int]) -> ColumnElement[bool]:
        """Narrow a query to those of a user's that are of certain movies."""
        return (self.table.c.user_id == user_id) & self.table.c.movie_id.in_(movie_ids)

    def _at(self, user_id: int, movie_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self.table.c.user_id == user_id, self.table.c.movie_id == movie_id

    def _entities(
        self, connection: Connection, rows: Sequence[Row[Any]], language: str | None
    ) -> Iterable[T]:
        texts = _translations(connection, [row.movie_id for row in rows], language)
        for row in rows:
            translations = tuple(texts.get(row.movie_id, ()))
            record = MovieRecord(to_details(row.details), translations, row.language)
            yield self.become(row, localized(record, language))


def _order(sort: SortOrder) -> list[ColumnElement[Any]]:
    columns = ((_SORTED_BY[by.key], by.descending) for by in sort)
    return [(column.desc() if down else column.asc()).nulls_last() for column, down in columns]


def _translations(
    connection: Connection, movie_ids: Sequence[int], language: str | None
) -> Mapping[int, Sequence[Translation]]:
    """Return the texts in a language, of whatever region, by movie ID."""
    if language is None or not movie_ids:
        return {}
    wanted = select(translations.c.movie_id, translations.c.texts).where(
        translations.c.movie_id.in_(movie_ids),
        translations.c.language == language.partition("-")[0],
    )
    by_movie: dict[int, list[Translation]] = {}
    for row in connection.execute(wanted):
        by_movie.setdefault(row.movie_id, []).append(to_translation(row.texts))
    return by_movie


def _favorite(row: Any, movie: MovieDetails) -> Favorite:
    stars = None if row.half_stars is None else Stars(row.half_stars)
    return Favorite(movie=movie, rating=stars, favorited_at=row.favorited_at)


def _rating(row: Any, movie: MovieDetails) -> Rating:
    return Rating(
        movie=movie,
        stars=Stars(row.half_stars),
        rated_at=row.rated_at,
        corrected_at=row.corrected_at,
    )


FAVORITES: Shelf[Favorite] = Shelf(
    favorites,
    select(favorites, ratings.c.half_stars, movies.c.details, movies.c.language)
    .join(movies, movies.c.id == favorites.c.movie_id)
    .outerjoin(
        ratings,
        (ratings.c.user_id == favorites.c.user_id) & (ratings.c.movie_id == favorites.c.movie_id),
    ),
    _favorite,
)

RATINGS: Shelf[Rating] = Shelf(
    ratings,
    select(ratings, movies.c.details, movies.c.language).join(
        movies, movies.c.id == ratings.c.movie_id
    ),
    _rating,
)
