"""Exports: a user's favorites and ratings as a file, streamed page by page in constant memory.

The status is sent before the last page is fetched, and the server ends a body that raises an
exception like a complete one. An interrupted export is therefore made invalid on purpose: parsing
it fails in either format.
"""

import csv
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import StringIO

from flask import Response

from butaca import trace
from butaca.core.errors import DomainError
from butaca.core.models import Export, UserMovie
from butaca.web import outputs

log = logging.getLogger("butaca.web")

CSV_DESCRIPTION = """\
A CSV file with the columns `tmdbID,Title,Year,Rating,WatchedDate`, which Letterboxd imports. \
`Rating` is 0.5 to 5. It is empty if the movie is not rated or has 0 stars, which Letterboxd does \
not support. `WatchedDate` is always empty. A title that a spreadsheet would take for a formula is \
prefixed with an apostrophe. An interrupted export ends in a quoted field that is never closed."""

_COLUMNS = ("tmdbID", "Title", "Year", "Rating", "WatchedDate")
_INTERRUPTION = '"This export was interrupted and is incomplete.'
# Source: OWASP, "CSV Injection". The last four are full-width variants.
_FORMULA_PREFIXES = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def download(export: Export, format_name: str) -> Response:
    """Return an export as a file to download. `format_name` is `json` or `csv`."""
    content_type, serialize = _FORMATS[format_name]
    filename = f"butaca-export-{export.exported_at:%Y-%m-%d}.{format_name}"
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="{filename}"',
    }
    parts = _with_interruption(serialize(export), export, trace.current())
    return Response(parts, headers=headers, content_type=content_type)


def as_json(export: Export) -> Iterator[str]:
    """Yield an `outputs.Export`, page by page. Raises LibraryUnavailable."""
    empty = outputs.Export(
        exported_at=export.exported_at, user=outputs.User.of(export.user), movies=[]
    )
    yield empty.model_dump_json().removesuffix("]}")
    for number, movies in enumerate(map(_json_movies, export.pages)):
        yield f",{movies}" if number else movies
    yield "]}"


def as_csv(export: Export) -> Iterator[str]:
    """Yield the CSV that Letterboxd imports (RFC 4180), page by page. Raises LibraryUnavailable.

    Anyone can edit titles on TMDB, and users open such files in spreadsheets, so a title that
    begins like a formula gets an apostrophe (OWASP). Letterboxd does not need the exact title,
    because it finds a movie by its `tmdbID` first. Users who need it can export JSON. Letterboxd
    does not support a rating of 0 stars, and Butaca does not know when a movie was watched: both
    are left empty.
    Source: https://letterboxd.com/about/importing-data/.
    """
    yield _to_csv([_COLUMNS])
    yield from map(_csv_rows, export.pages)


def _with_interruption(
    parts: Iterator[str], export: Export, request: trace.Trace | None
) -> Iterator[str]:
    """Yield the parts of an export, and end it with an invalid part if one of them fails."""
    trace.resume(request)
    try:
        yield from parts
    except Exception as error:
        # The adapters have already logged the cause of a DomainError.
        exc_info = None if isinstance(error, DomainError) else error
        fields = {"user_id": export.user.id}
        log.error("export.aborted", extra=fields, exc_info=exc_info)  # noqa: TRY400 - may be None
        yield _INTERRUPTION
    finally:
        trace.end()


def _json_movies(page: Iterable[UserMovie]) -> str:
    return ",".join(outputs.ExportedMovie.of(user_movie).model_dump_json() for user_movie in page)


def _csv_rows(page: Iterable[UserMovie]) -> str:
    return _to_csv(_row(user_movie) for user_movie in page)


def _row(user_movie: UserMovie) -> tuple[object, ...]:
    released = user_movie.movie.release_date
    year = released.year if released else ""
    stars = f"{user_movie.stars.number:g}" if user_movie.stars and user_movie.stars.halves else ""
    return user_movie.movie.id, _escape_formula(user_movie.movie.title), year, stars, ""


def _escape_formula(title: str) -> str:
    """Return a title that spreadsheets do not interpret as a formula.

    NUL is removed, because some spreadsheets stop reading there.
    """
    text = title.replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA_PREFIXES) else text


def _to_csv(rows: Iterable[Iterable[object]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


_FORMATS: Mapping[str, tuple[str, Callable[[Export], Iterator[str]]]] = {
    "json": ("application/json", as_json),
    "csv": ("text/csv; charset=utf-8; header=present", as_csv),
}
