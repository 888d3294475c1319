"""TMDB's JSON as our models: what is absent becomes `None`, what is unknown is let go."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from pydantic import TypeAdapter, ValidationError

from butaca.core.errors import CatalogueAnsweredNonsense
from butaca.core.models import MAX_PAGE, Movie, MovieDetails, MovieRecord, Page, Translation

PAGE_SIZE = 20
"""TMDB's pages have no other size."""

# TMDB writes "" for these where it knows nothing, and 0 for a runtime.
_OFTEN_EMPTY = (
    "overview",
    "tagline",
    "homepage",
    "imdb_id",
    "poster_path",
    "backdrop_path",
    "status",
    "runtime",
    "title",
)

_MOVIES = TypeAdapter(list[Movie])
_DETAILS = TypeAdapter(MovieDetails)
_TRANSLATIONS = TypeAdapter(list[Translation])

Json = Mapping[str, Any]


def movie_page(body: Json) -> Page[Movie]:
    """Read a page of list items. Raises CatalogueAnsweredNonsense."""
    try:
        movies = _MOVIES.validate_python([_filled(item) for item in body["results"]])
        return Page(
            results=tuple(_each_once(movies)),
            page=int(body["page"]),
            page_size=PAGE_SIZE,
            total_results=int(body["total_results"]),
            total_pages=min(int(body["total_pages"]), MAX_PAGE),
        )
    except (ValidationError, LookupError, TypeError, ValueError) as error:
        raise CatalogueAnsweredNonsense from error


def movie_details(body: Json) -> MovieDetails:
    """Read one movie. Raises CatalogueAnsweredNonsense."""
    try:
        return _DETAILS.validate_python(_filled(body))
    except (ValidationError, TypeError) as error:
        raise CatalogueAnsweredNonsense from error


def movie_record(body: Json) -> MovieRecord:
    """Read one movie with the translations appended. Raises CatalogueAnsweredNonsense."""
    details = movie_details(body)
    try:
        translations = [_flat(each) for each in body["translations"]["translations"]]
        return MovieRecord(details, tuple(_TRANSLATIONS.validate_python(translations)))
    except (ValidationError, LookupError, TypeError) as error:
        raise CatalogueAnsweredNonsense from error


def _filled(item: Json) -> dict[str, Any]:
    absent = {key: None for key in _OFTEN_EMPTY if key in item and not item[key]}
    return {**item, **absent, "release_date": _date(item.get("release_date"))}


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _flat(translation: Json) -> dict[str, Any]:
    return {
        **_filled(translation["data"]),
        "language": translation["iso_639_1"],
        "region": translation["iso_3166_1"],
    }


def _each_once(movies: Iterable[Movie]) -> Iterator[Movie]:
    seen: set[int] = set()
    for movie in movies:
        if movie.id not in seen:
            seen.add(movie.id)
            yield movie
