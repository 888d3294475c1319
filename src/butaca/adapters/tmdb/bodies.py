"""Parsing TMDB's JSON: missing values become `None`, unknown fields are ignored."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from butaca.core.errors import CatalogueInvalidResponse
from butaca.core.models import (
    DEFAULT_LANGUAGE,
    MAX_ID,
    MAX_PAGE,
    Movie,
    MovieDetails,
    MovieRecord,
    Page,
    Translation,
)

T = TypeVar("T")
M = TypeVar("M", Movie, MovieDetails)

PAGE_SIZE, CHANGES_PAGE_SIZE = 20, 100
"""The fixed page sizes of TMDB: for movies, and for changes."""

MAX_CODE_LENGTH = 10
"""The length of the longest language or region code that every store can hold."""

# TMDB sends "" for these if the value is unknown, and 0 for a runtime.
_OFTEN_EMPTY = (
    "overview",
    "tagline",
    "homepage",
    "imdb_id",
    "poster_path",
    "backdrop_path",
    "status",
    "runtime",
)


@dataclass(frozen=True, slots=True)
class _Envelope:
    """The envelope of a page."""

    results: list[dict[str, Any]]
    page: int
    total_results: int
    total_pages: int


@dataclass(frozen=True, slots=True)
class _Change:
    """A movie that changed. If `adult` is null, the movie was deleted, and a fetch returns 404."""

    id: int


@dataclass(frozen=True, slots=True)
class _Genre:
    """A genre. Its name is null if TMDB has none in the language."""

    id: int
    name: str | None


def _check_id(number: int) -> None:
    if not 0 < number <= MAX_ID:
        raise ValueError("the ID is out of range")


def _with_valid_id(movie: M) -> M:
    _check_id(movie.id)
    return movie


def _with_valid_genres(details: MovieDetails) -> MovieDetails:
    for genre in details.genres:
        _check_id(genre.id)
    return details


def _with_valid_codes(translation: Translation) -> Translation:
    for code in (translation.language, translation.region):
        if len(code) > MAX_CODE_LENGTH or "\0" in code:
            raise ValueError("the code is too long or contains NUL")
    return translation


# Values that no store can hold are rejected here, so that they count as failures of TMDB.
_Movie = Annotated[Movie, AfterValidator(_with_valid_id)]
_Details = Annotated[
    MovieDetails, AfterValidator(_with_valid_id), AfterValidator(_with_valid_genres)
]
_Translation = Annotated[Translation, AfterValidator(_with_valid_codes)]

# 1e999 is valid JSON, and is parsed as infinity.
_FINITE = ConfigDict(allow_inf_nan=False)
_ENVELOPE = TypeAdapter(_Envelope)
_MOVIES = TypeAdapter(list[_Movie], config=_FINITE)
_DETAILS = TypeAdapter(tuple[_Details], config=_FINITE)
_TRANSLATIONS = TypeAdapter(list[_Translation])
_CHANGES = TypeAdapter(list[_Change])
_GENRES = TypeAdapter(list[_Genre])

Json = Mapping[str, Any]


@contextmanager
def _validation() -> Iterator[None]:
    """Raise CatalogueInvalidResponse if a body does not have the expected structure."""
    try:
        yield
    except (ValidationError, LookupError, TypeError) as error:
        raise CatalogueInvalidResponse from error


def movie_page(body: Json) -> Page[Movie]:
    """Parse a page of movies. Raises CatalogueInvalidResponse."""
    with _validation():
        page = _ENVELOPE.validate_python(body)
        movies = _MOVIES.validate_python([_with_title(item) for item in page.results])
    return _page(page, _unique(movies), PAGE_SIZE, min(page.total_pages, MAX_PAGE))


def changes_page(body: Json) -> Page[int]:
    """Parse a page of IDs of changed movies. Raises CatalogueInvalidResponse."""
    with _validation():
        page = _ENVELOPE.validate_python(body)
        changes = _CHANGES.validate_python(page.results)
    return _page(page, (each.id for each in changes), CHANGES_PAGE_SIZE, page.total_pages)


def _page(envelope: _Envelope, results: Iterable[T], page_size: int, total_pages: int) -> Page[T]:
    return Page(
        results=tuple(results),
        page=envelope.page,
        page_size=page_size,
        total_results=envelope.total_results,
        total_pages=total_pages,
    )


def movie_details(body: Json) -> MovieDetails:
    """Parse the details of a movie. Raises CatalogueInvalidResponse."""
    with _validation():
        (details,) = _DETAILS.validate_python([_with_title(body)])
    return details


def movie_record(body: Json, language: str = DEFAULT_LANGUAGE) -> MovieRecord:
    """Parse a movie in a language with all translations. Raises CatalogueInvalidResponse."""
    details = movie_details(body)
    with _validation():
        translations = [_flattened(each) for each in body["translations"]["translations"]]
        return MovieRecord(details, tuple(_TRANSLATIONS.validate_python(translations)), language)


def genre_names(body: Json) -> dict[int, str | None]:
    """Parse the names of the genres, by ID. Raises CatalogueInvalidResponse."""
    with _validation():
        genres = _GENRES.validate_python(body["genres"])
    return {each.id: each.name or None for each in genres}


def _normalized(item: Json) -> dict[str, Any]:
    missing = {key: None for key in _OFTEN_EMPTY if key in item and not item[key]}
    return {**item, **missing, "release_date": _parsed_date(item.get("release_date"))}


def _with_title(item: Json) -> dict[str, Any]:
    return {**_normalized(item), "title": item["title"] or item["original_title"]}


def _parsed_date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _flattened(translation: Json) -> dict[str, Any]:
    return {
        **_normalized(translation["data"]),
        "title": translation["data"].get("title") or None,
        "language": translation["iso_639_1"],
        "region": translation["iso_3166_1"],
    }


def _unique(movies: Iterable[Movie]) -> Iterator[Movie]:
    seen: set[int] = set()
    for movie in movies:
        if movie.id not in seen:
            seen.add(movie.id)
            yield movie
