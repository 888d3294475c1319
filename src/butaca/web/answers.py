"""Builds responses: bodies in the form of their schemas, and the headers that belong to them."""

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
from butaca.web.compression import without_codings
from butaca.web.context import (
    current_request,
    current_route,
    current_user,
    set_freshness,
    writer,
)
from butaca.web.outputs import Answer, MovieDetails, MoviePage
from butaca.web.writing import Writer

REPLAY = "butaca.replay"
"""The key of the `Replay` in the WSGI environment, if the express lane can repeat the response."""

FAILURE = "butaca.failure"
"""The key of the exception that the express lane met, if any, so that nothing is tried twice."""

Render = Callable[[models.User], tuple[bytes, Mapping[str, str]]]
"""Writes the response for a user: its body, and the headers that depend on it. Raises Refusal."""


class Replay(NamedTuple):
    """How the express lane can repeat a response: its route, role, freshness and writer."""

    route: str
    role: models.Role
    """The role that is required to receive it."""

    freshness: Freshness | None
    """`None` if the response does not age."""

    render: Render | None = None
    """Writes the response for a user. `None` if it is the same for all users."""

    size: int = 0
    """The number of bytes that `render` keeps in memory."""


MarksOf = Callable[[models.User, Iterable[int]], Mapping[int, models.Mark]]
"""Returns the marks of a user on movies, by movie ID."""


class Bare(Response):
    """A response that has no `Content-Type` unless it is given one. Flask's are `text/html`."""

    default_mimetype = None


class Entry(Protocol):
    """A movie that is a favorite of a user or rated by them."""

    @property
    def movie(self) -> models.MovieDetails:
        """The movie."""

    @property
    def language(self) -> str:
        """The language of its texts, as `xx-YY`."""


def answer(
    body: Answer, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a body. Fields that were never set are omitted."""
    return _answer(writer().write(body), status, headers)


def entry_answer(
    shape: type[Answer],
    entry: Entry,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response with a favorite or a rating."""
    body = writer().write_with_movies(shape.of(entry), [entry.movie])
    return _answer(body, status, {**_spoken([entry]), **(headers or {})})


def own(response: Response) -> Response:
    """Let clients cache a user's own response, but revalidate it each time."""
    return conditional(response, "private, no-cache")


def own_page(shape: type[Answer], page: Page[Any]) -> Response:
    """Return a response with a page of a user's list."""
    body, headers = _written_page(writer(), shape, page, *_asked())
    return own(_answer(body, headers=headers))


def my_page(shape: type[Answer], read: Callable[[models.User], Page[Any]]) -> Response:
    """Return a response with a page of the current user's list.

    `read` is called now, and again whenever the express lane repeats the response.
    """
    by, asked = writer(), _asked()

    def render(user: models.User) -> tuple[bytes, Mapping[str, str]]:
        return _written_page(by, shape, read(user), *asked)

    return _rendered_per_user(render)


def _written_page(
    by: Writer, shape: type[Answer], page: Page[Any], path: str, query: str
) -> tuple[bytes, Mapping[str, str]]:
    body = by.write_with_movies(shape.of(page), [entry.movie for entry in page.results])
    return body, {**_page_links(page, path, query), **_spoken(page.results)}


def _rendered_per_user(
    render: Render,
    freshness: Freshness | None = None,
    size: int = 0,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response for the current user, and let the express lane write it for others."""
    if failure := current_request().environ.get(FAILURE):
        raise failure
    body, of_body = render(current_user())
    _tell(freshness, render, size)
    return own(_answer(body, headers={**(headers or {}), **of_body}))


def _tell(freshness: Freshness | None, render: Render | None = None, size: int = 0) -> None:
    """Let the express lane repeat the response to the current request."""
    asked, role = current_request(), required_role(current_route())
    rule = cast("Rule", asked.url_rule).rule
    asked.environ[REPLAY] = Replay(rule, role, freshness, render, size)


def _spoken(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the `Content-Language` of entries (RFC 9110, 8.5), with each language once."""
    languages = dict.fromkeys(entry.language for entry in entries)
    return {"Content-Language": ", ".join(languages)} if languages else {}


def catalogue_response(
    shape: type[MoviePage] | type[MovieDetails],
    fetched: Fetched[Any],
    marks_of: MarksOf | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response with movies of the catalogue, their cache status and their lifetime.

    With `marks_of`, each movie has the marks of the current user.
    """
    if marks_of is None:
        return shared_response(shape, fetched, headers)
    found = _found(fetched.freshness)
    unmarked = writer().unmarked(shape, fetched.value)

    def render(user: models.User) -> tuple[bytes, Mapping[str, str]]:
        return unmarked.mark(marks_of(user, unmarked.movie_ids)), headers or {}

    return _rendered_per_user(render, fetched.freshness, unmarked.size, found)


def shared_response(
    shape: type[Answer], fetched: Fetched[Any], headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with data of the catalogue that is the same for all users."""
    found = _found(freshness := fetched.freshness)
    _tell(freshness)
    whole = answer(shape.of(fetched.value), headers={**found, **(headers or {})})
    return conditional(whole, f"private, max-age={_lifetime(freshness)}")


def _found(freshness: Freshness) -> dict[str, str]:
    """Return the headers that describe the freshness, and let it be logged and counted."""
    set_freshness(freshness)
    return {"Age": str(freshness.age), "Cache-Status": cache_status(freshness)}


def _answer(
    body: bytes, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(body, status, headers, mimetype="application/json")


def _lifetime(freshness: Freshness) -> int:
    """Return how many seconds a response is fresh, from when it was fetched (RFC 9111, 4.2).

    This is not the remaining time: caches subtract `Age`, and would subtract it twice.
    """
    return freshness.age + freshness.ttl if freshness.ttl > 0 else 0


def cache_status(freshness: Freshness) -> str:
    """Return the value of `Cache-Status` (RFC 9211)."""
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
    """Add an ETag to a response, and turn it into a 304 if the client has it (RFC 9110, 13.1.2).

    `tag` is the ETag of the body. Without it, the body is hashed.
    """
    response.headers["Cache-Control"] = cache_control
    response.set_etag(tag or tag_of(response.get_data()))
    # Without this check, `make_conditional` would cost a tenth of a cached response.
    if "If-None-Match" in request.headers:
        response.make_conditional(without_codings(request.environ))
    return response


def tag_of(body: bytes) -> str:
    """Return a hash of a body, for a strong `ETag` (RFC 9110, 8.8.3)."""
    return blake2b(body, digest_size=16).hexdigest()


def page_links(page: Page[Any]) -> dict[str, str]:
    """Return the `Link` header of a page (RFC 8288)."""
    return _page_links(page, *_asked())


def _page_links(page: Page[Any], path: str, query: str) -> dict[str, str]:
    return {"Link": _links(path, query, page.page, max(page.total_pages, 1))}


def _asked() -> tuple[str, str]:
    """Return the path and the query string of the current request."""
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
