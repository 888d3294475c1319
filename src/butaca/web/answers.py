"""Answers: a body in the shape of its schema, and the headers that go with it."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import parse_qsl, quote, urlencode

from flask import Response, request
from werkzeug.routing import Rule

from butaca.core import models
from butaca.core.models import Fetched, Freshness, Page, Source
from butaca.web.auth import required_role
from butaca.web.compression import uncoded
from butaca.web.context import (
    current_request,
    current_route,
    current_user,
    set_freshness,
    writer,
)
from butaca.web.outputs import Answer, MovieDetails, MoviePage
from butaca.web.writing import Writer

TOLD = "butaca.told"
"""Where in the environment of a request there is a `Told`, if it may be answered again by that."""

FAILURE = "butaca.failure"
"""Where in it there is what that failed with, if it did: what fails is not tried twice."""

Anew = Callable[[models.User], tuple[bytes, Mapping[str, str]]]
"""Writes an answer for somebody: its body, and the headers that go with it. Raises Refusal."""


class Told(NamedTuple):
    """An answer to everybody who may call: of which route, to whom, and how fresh."""

    route: str
    role: models.Role
    """Without which nobody may hear it."""

    freshness: Freshness | None
    """Nothing, where nothing of it ages."""

    anew: Anew | None = None
    """How it is written for whoever asks, where it is not the same for all."""

    size: int = 0
    """Bytes that `anew` holds on to."""


MarksOf = Callable[[models.User, Iterable[int]], Mapping[int, models.Mark]]
"""Tells what movies are to somebody, by their IDs."""


class Entry(Protocol):
    """A movie that is somebody's."""

    @property
    def movie(self) -> models.MovieDetails:
        """All of it."""

    @property
    def language(self) -> str:
        """The language of its texts, as `xx-YY`."""


def answer(
    body: Answer, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a body; what was never set of it is left out."""
    return _answer(writer().write(body), status, headers)


def entry_answer(
    shape: type[Answer],
    entry: Entry,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a movie of somebody's own."""
    body = writer().write_with_movies(shape.of(entry), [entry.movie])
    return _answer(body, status, {**_spoken([entry]), **(headers or {})})


def own(response: Response) -> Response:
    """Let whoever asked keep an answer about themselves, if they ask each time."""
    return conditional(response, "private, no-cache")


def own_page(shape: type[Answer], page: Page[Any]) -> Response:
    """Answer with a page of a list of somebody's own."""
    body, headers = _written_page(writer(), shape, page, *_asked())
    return own(_answer(body, headers=headers))


def my_page(shape: type[Answer], read: Callable[[models.User], Page[Any]]) -> Response:
    """Answer with a page of a list of whoever asks: read now, and whenever it is told again."""
    by, asked = writer(), _asked()

    def anew(user: models.User) -> tuple[bytes, Mapping[str, str]]:
        return _written_page(by, shape, read(user), *asked)

    return _told_anew(anew)


def _written_page(
    by: Writer, shape: type[Answer], page: Page[Any], path: str, query: str
) -> tuple[bytes, Mapping[str, str]]:
    body = by.write_with_movies(shape.of(page), [entry.movie for entry in page.results])
    return body, {**_page_links(page, path, query), **_spoken(page.results)}


def _told_anew(
    anew: Anew,
    freshness: Freshness | None = None,
    size: int = 0,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer whoever asks as others may be answered without the app."""
    if failure := current_request().environ.get(FAILURE):
        raise failure
    body, of_body = anew(current_user())
    _tell(freshness, anew, size)
    return own(_answer(body, headers={**(headers or {}), **of_body}))


def _tell(freshness: Freshness | None, anew: Anew | None = None, size: int = 0) -> None:
    """Let this request be answered again by what is told."""
    asked, role = current_request(), required_role(current_route())
    rule = cast("Rule", asked.url_rule).rule
    asked.environ[TOLD] = Told(rule, role, freshness, anew, size)


def _spoken(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the `Content-Language` of entries (RFC 9110, 8.5): each language once."""
    languages = dict.fromkeys(entry.language for entry in entries)
    return {"Content-Language": ", ".join(languages)} if languages else {}


def told(
    shape: type[MoviePage] | type[MovieDetails],
    fetched: Fetched[Any],
    marks_of: MarksOf | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with what the catalogue tells: how it was come by, and how long it may be kept.

    With `marks_of`, what each movie is to whoever asks is told, too.
    """
    set_freshness(freshness := fetched.freshness)
    found = {"Age": str(freshness.age), "Cache-Status": cache_status(freshness)}
    always = headers or {}
    if marks_of:
        unmarked = writer().unmarked(shape, fetched.value)

        def anew(user: models.User) -> tuple[bytes, Mapping[str, str]]:
            return unmarked.mark(marks_of(user, unmarked.movie_ids)), always

        return _told_anew(anew, freshness, unmarked.size, found)
    _tell(freshness)
    whole = answer(shape.of(fetched.value), headers={**found, **always})
    return conditional(whole, f"private, max-age={_lifetime(freshness)}")


def _answer(
    body: bytes, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(body, status, headers, mimetype="application/json")


def _lifetime(freshness: Freshness) -> int:
    """Return the seconds for which an answer may be kept, from its birth on (RFC 9111, 4.2).

    Whoever keeps it takes `Age` off: of what is left, it would be taken off twice.
    """
    return freshness.age + freshness.ttl if freshness.ttl > 0 else 0


def cache_status(freshness: Freshness) -> str:
    """Write `Cache-Status` (RFC 9211)."""
    return f"butaca; {_how(freshness)}"


def _how(freshness: Freshness) -> str:
    match freshness.source:
        case Source.HIT:
            return f"hit; ttl={freshness.ttl}"
        case Source.COOLDOWN | Source.UPDATING | Source.BUSY as reason:
            return f"hit; ttl={freshness.ttl}; detail={reason.value}"
        case Source.STALE:
            status = freshness.upstream_status
            return f"fwd=stale; fwd-status={status}" if status else "fwd=stale"
        case source:
            stored = "; stored" if freshness.stored else ""
            collapsed = "; collapsed" if source is Source.COLLAPSED else ""
            return f"fwd=miss{stored}{collapsed}"


def conditional(response: Response, cache_control: str, tag: str | None = None) -> Response:
    """Name what is answered, and spare whoever has it already (RFC 9110, 13.1.2).

    `tag` is of these very bytes; without one, they are hashed.
    """
    response.headers["Cache-Control"] = cache_control
    response.set_etag(tag or tag_of(response.get_data()))
    if "If-None-Match" in request.headers:  # Looking costs a tenth of a warm answer.
        response.make_conditional(uncoded(request.environ))
    return response


def tag_of(body: bytes) -> str:
    """Return a name of these very bytes, for a strong `ETag` (RFC 9110, 8.8.3)."""
    return blake2b(body, digest_size=16).hexdigest()


def page_links(page: Page[Any]) -> dict[str, str]:
    """Return the `Link` header of a page (RFC 8288)."""
    return _page_links(page, *_asked())


def _page_links(page: Page[Any], path: str, query: str) -> dict[str, str]:
    return {"Link": _links(path, query, page.page, max(page.total_pages, 1))}


def _asked() -> tuple[str, str]:
    """Return the path and the query of this request."""
    asked = current_request()
    return asked.path, asked.query_string.decode()


@lru_cache(maxsize=1024)
def _links(path: str, query: str, page: int, last: int) -> str:
    numbers = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
    given = dict(parse_qsl(query, keep_blank_values=True))
    links = [
        f'<{quote(path)}?{urlencode({**given, "page": number})}>; rel="{relation}"'
        for relation, number in numbers.items()
        if 1 <= number <= last
    ]
    return ", ".join(links)
