"""How a movie is written into its row, and read back."""

import unicodedata
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from butaca.core.models import MovieDetails, MovieRecord, Translation

_DETAILS = TypeAdapter(MovieDetails)
_TRANSLATION = TypeAdapter(Translation)


def movie_row(record: MovieRecord, at: datetime) -> dict[str, Any]:
    """Return the row that keeps a movie's details whole, and apart what it is sorted by."""
    return {
        "id": record.details.id,
        "sort_title": folded(record.details.title),
        "release_date": record.details.release_date,
        "language": record.language,
        "details": _DETAILS.dump_json(record.details).decode(),
        "fetched_at": at,
    }


def translation_rows(record: MovieRecord) -> list[dict[str, Any]]:
    """Return the rows that keep a movie's translations, one for each language and region."""
    each_once = {(each.language, each.region): each for each in record.translations}
    return [
        {
            "movie_id": record.details.id,
            "language": each.language,
            "region": each.region,
            "texts": _TRANSLATION.dump_json(each, exclude_none=True).decode(),
        }
        for each in each_once.values()
    ]


def to_details(text: str) -> MovieDetails:
    """Read a movie's details back."""
    return _DETAILS.validate_json(text)


def to_translation(text: str) -> Translation:
    """Read a translation back."""
    return _TRANSLATION.validate_json(text)


def folded(title: str) -> str:
    """Return a title without case and accents, as people expect it to be sorted and found."""
    # Case goes last: the capitals inside "№" and "™" only show once those are taken apart.
    letters = unicodedata.normalize("NFKD", title).casefold()
    # PostgreSQL has no room for a NUL in its texts.
    return "".join(c for c in letters if not unicodedata.combining(c) and c != "\0")
