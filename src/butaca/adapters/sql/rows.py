"""Conversion between movies and their rows."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from butaca.core.listing import fold_text
from butaca.core.models import MovieDetails, MovieRecord, Stars, Translation
from butaca.core.translations import localized

MAX_TITLE_LENGTH = 200
"""The length to which titles are truncated for sorting and searching, to fit into an index."""

_DETAILS = TypeAdapter(MovieDetails)
_TRANSLATION = TypeAdapter(Translation)


def movie_row(record: MovieRecord, at: datetime) -> dict[str, Any]:
    """Return the row of a movie: the details as JSON, and the columns to filter and sort by."""
    return {
        "id": record.details.id,
        "sort_title": fold_title(record.details.title),
        "release_date": record.details.release_date,
        "language": record.language,
        "details": _DETAILS.dump_json(record.details).decode(),
        "fetched_at": at,
        "checked_at": at,
        "gone_at": None,
    }


def translation_rows(record: MovieRecord) -> list[dict[str, Any]]:
    """Return the rows of a movie's translations, one for each language and region."""
    unique = {(each.language, each.region): each for each in record.translations}
    return [
        {
            "movie_id": record.details.id,
            "language": each.language,
            "region": each.region,
            "sort_title": fold_title(each.title) if each.title else None,
            "texts": _TRANSLATION.dump_json(each, exclude_none=True).decode(),
        }
        for each in unique.values()
    ]


def genre_rows(record: MovieRecord) -> list[dict[str, Any]]:
    """Return the rows of a movie's genres."""
    movie_id = record.details.id
    ids = {genre.id for genre in record.details.genres}
    return [{"movie_id": movie_id, "genre_id": genre_id} for genre_id in sorted(ids)]


def to_details(text: str) -> MovieDetails:
    """Parse a movie's details."""
    return _DETAILS.validate_json(text)


@lru_cache(maxsize=1024)
def to_localized(
    details: str, texts: str | None, stored_language: str, language: str | None
) -> tuple[MovieDetails, str]:
    """Return a movie with its texts in a language, and the language of those texts.

    `texts` are translations, one per line. Results are cached, about 15 kB each, because many users
    have the same movies.
    """
    translations = map(to_translation, texts.split("\n")) if texts else ()
    record = MovieRecord(to_details(details), tuple(translations), stored_language)
    return localized(record, language)


def to_stars(half_stars: int | None) -> Stars | None:
    """Convert a nullable number of half stars."""
    return None if half_stars is None else Stars(half_stars)


def to_translation(text: str) -> Translation:
    """Parse a translation."""
    return _TRANSLATION.validate_json(text)


def fold_title(title: str) -> str:
    """Normalize a title for sorting and searching: fold case and accents, and truncate it."""
    # PostgreSQL does not allow NUL in text.
    return fold_text(title).replace("\0", "")[:MAX_TITLE_LENGTH]
