"""Queries for a user's favorites or ratings, by movie or by page."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Exists,
    Integer,
    ScalarSelect,
    Select,
    Table,
    bindparam,
    exists,
    func,
    null,
    select,
)

from butaca.adapters.sql.stored import folded, to_localized, to_stars
from butaca.adapters.sql.tables import movie_genres, movies, translations, user_movies
from butaca.core.listing import Filter, ListQuery, SortKey, SortOrder
from butaca.core.models import Favorite, MovieDetails, Page, Rating, Stars

T = TypeVar("T")
_States = tuple[tuple[str, bool], ...]

_SORTED_BY: Mapping[SortKey, str] = {
    SortKey.RELEASE_DATE: "release_date",
    SortKey.RATING: "half_stars",
    SortKey.TITLE: "sort_title",
    SortKey.FAVORITED_AT: "favorited_at",
    SortKey.RATED_AT: "rated_at",
}
_mine = user_movies.c
_SORTED_ALWAYS = (_mine.movie_id, _mine.release_date, _mine.sort_title)
"""The columns by which any list can be sorted; they are not returned, as the movie has them."""


@dataclass(frozen=True, slots=True, eq=False)
class UserMovieList(Generic[T]):
    """A kind of list: its condition on `user_movies`, the columns it returns, and its entities.

    The list's index contains all these columns and those to sort by, so that selecting and sorting
    reads nothing else, but for the `favorite` filter on ratings.
    """

    holds: ColumnElement[bool]
    columns: tuple[ColumnElement[Any], ...]
    become: Callable[..., T]
    """Creates an entity from a movie, the language of its texts, and these columns."""

    def find(
        self, connection: Connection, user_id: int, movie_id: int, language: str | None
    ) -> T | None:
        """Return one entity, with the movie's texts in a language."""
        this_one = this_movie(user_id, movie_id) & self.holds
        this = _with_movies(self, self.chosen(this_one), language)
        found = connection.execute(this).first()
        return None if found is None else self._entity(found, language)

    def page(self, connection: Connection, user_id: int, query: ListQuery) -> Page[T]:
        """Return one page of a user's list, in a total order."""
        values = _values(query.filter)
        count, page = _statements(
            self, query.sort, _states(query.filter), frozenset(values), query.language
        )
        skipped = (query.page - 1) * query.page_size
        here = {"user_id": user_id, "page_size": query.page_size, "skipped": skipped, **values}
        found = connection.execute(page, here).all()
        # A page beyond the last one has no row from which to read the total.
        total = found[0].total if found else connection.scalar(count, here) or 0
        return Page(
            results=tuple(self._entity(row, query.language) for row in found),
            page=query.page,
            page_size=query.page_size,
            total_results=total,
            total_pages=-(-total // query.page_size),
        )

    def chosen(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """Select the rows that meet the conditions, with all columns to return and to sort by."""
        return select(*self.columns, *_SORTED_ALWAYS).where(*conditions)

    def _entity(self, row: Any, language: str | None) -> T:
        # Access by position: access by name takes twice as long, a twentieth of a page of
        # favorites.
        own = len(self.columns)
        details, stored_in, texts = row[own : own + 3]
        return self.become(*to_localized(details, texts, stored_in, language), *row[:own])


@lru_cache(maxsize=256)
def _statements(
    movie_list: UserMovieList[Any],
    sort: SortOrder,
    states: _States,
    values: frozenset[str],
    language: str | None,
) -> tuple[Select[Any], Select[Any]]:
    """Return the statements that count a list, and that read a page of it including its `total`.

    They take longer to build than to execute, so they are cached, whatever the values are.
    """
    chosen = (
        _mine.user_id == bindparam("user_id"),
        movie_list.holds,
        *_conditions(states, values, language),
    )
    page = (
        movie_list.chosen(*chosen)
        .order_by(*_order(sort, _mine))
        .limit(bindparam("page_size", type_=Integer))
        .offset(bindparam("skipped", type_=Integer))
    )
    count = select(func.count()).where(*chosen)
    whole = _with_movies(movie_list, page, language, sort)
    return count, whole.add_columns(count.scalar_subquery().label("total"))


def this_movie(user_id: int, movie_id: int) -> ColumnElement[bool]:
    """Return the condition that selects one movie of a user."""
    return (_mine.user_id == user_id) & (_mine.movie_id == movie_id)


def _with_movies(
    movie_list: UserMovieList[Any], chosen: Select[Any], language: str | None, sort: SortOrder = ()
) -> Select[Any]:
    """Join the few selected rows with the large columns of their movies.

    Only the columns that are returned are read: each of them takes a hundredth of the request.
    """
    here = chosen.subquery("here")
    told = (here.c[column.name] for column in movie_list.columns)
    texts = _texts(here.c.movie_id, language) if language else null()
    return (
        select(*told, movies.c.details, movies.c.language, texts.label("texts"))
        .join(movies, movies.c.id == here.c.movie_id)
        .order_by(*_order(sort, here.c))
    )


def _texts(movie_id: ColumnElement[int], language: str) -> ScalarSelect[str]:
    """Select a movie's texts in a language, of all regions, one per line."""
    spoken = _of_language(language)
    lines = func.aggregate_strings(translations.c.texts, "\n")
    return select(lines).where(translations.c.movie_id == movie_id, spoken).scalar_subquery()


def _of_language(language: str) -> ColumnElement[bool]:
    return translations.c.language == language.partition("-")[0]


def _order(sort: SortOrder, columns: Any) -> list[ColumnElement[Any]]:
    keys = ((columns[_SORTED_BY[by.key]], by.descending) for by in sort)
    order = [(column.desc() if down else column.asc()).nulls_last() for column, down in keys]
    return [*order, columns["movie_id"]]


def _states(wanted: Filter) -> _States:
    """Return the columns that must be set, or must not be set, for a filter."""
    columns = (("half_stars", wanted.rated), ("favorited_at", wanted.favorite))
    return tuple((name, is_set) for name, is_set in columns if is_set is not None)


def _values(wanted: Filter) -> dict[str, Any]:
    """Return the values of a filter: the parameters of `_conditions`."""
    values = {
        "min_rating": wanted.min_rating and wanted.min_rating.halves,
        "year_from": wanted.year_from and date(wanted.year_from, 1, 1),
        "year_to": wanted.year_to and date(wanted.year_to, 12, 31),
        "genre": wanted.genre,
        "title": None if wanted.title is None else _containing(folded(wanted.title)),
    }
    return {name: value for name, value in values.items() if value is not None}


def _containing(words: str) -> str:
    """Return a LIKE pattern whose escape character is `/`."""
    return "%" + re.sub("[/%_]", r"/\g<0>", words) + "%"


def _conditions(
    states: _States, values: frozenset[str], language: str | None
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a filter that sets these values."""
    for name, is_set in states:
        yield _mine[name].is_not(None) if is_set else _mine[name].is_(None)
    if "min_rating" in values:
        yield _mine.half_stars >= bindparam("min_rating")
    if "year_from" in values:
        yield _mine.release_date >= bindparam("year_from")
    if "year_to" in values:
        yield _mine.release_date <= bindparam("year_to")
    if "genre" in values:
        yield _of_this_movie(movie_genres).where(movie_genres.c.genre_id == bindparam("genre"))
    if "title" in values:
        yield _has_title(language)


def _has_title(language: str | None) -> ColumnElement[bool]:
    """Return the condition that a title, stored or translated, matches."""
    as_stored = _mine.sort_title.like(bindparam("title"), escape="/")
    if language is None:
        return as_stored
    translated = _of_this_movie(translations).where(
        _of_language(language),
        translations.c.sort_title.like(bindparam("title"), escape="/"),
    )
    return as_stored | translated


def _of_this_movie(table: Table) -> Exists:
    return exists().where(table.c.movie_id == _mine.movie_id)


def _favorite(
    movie: MovieDetails, language: str, favorited_at: datetime, half_stars: int | None
) -> Favorite:
    return Favorite(movie, to_stars(half_stars), favorited_at, language)


def _rating(
    movie: MovieDetails,
    language: str,
    half_stars: int,
    rated_at: datetime,
    corrected_at: datetime | None,
) -> Rating:
    return Rating(movie, Stars(half_stars), rated_at, corrected_at, language)


FAVORITES: UserMovieList[Favorite] = UserMovieList(
    _mine.favorited_at.is_not(None),
    (_mine.favorited_at, _mine.half_stars),
    _favorite,
)

RATINGS: UserMovieList[Rating] = UserMovieList(
    _mine.half_stars.is_not(None),
    (_mine.half_stars, _mine.rated_at, _mine.corrected_at),
    _rating,
)
