"""Builds responses: their bodies, and the headers that depend on them."""

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
    serializer,
    set_freshness,
)
from butaca.web.outputs import MovieDetails, MoviePage, ResponseModel
from butaca.web.serialization import Serializer

REPLAY = "butaca.replay"
"""The key of the `Replay` in the WSGI environment, if the express lane can repeat the response."""

FAILURE = "butaca.failure"
"""The key of an exception that the express lane caught, so that nothing is tried twice."""

Render = Callable[[models.User], tuple[bytes, Mapping[str, str]]]
"""Renders the body for a user, and the headers that depend on it. Raises DomainError."""


class Replay(NamedTuple):
    """How the express lane can repeat a response: its route, role, freshness and renderer."""

    route: str
    role: models.Role
    """The required role."""

    freshness: Freshness | None
    """`None` if the response does not age."""

    render: Render | None = None
    """Renders the response for a user. `None` if it is the same for all users."""

    size: int = 0
    """The number of bytes that `render` keeps in memory."""


MarksLookup = Callable[[models.User, Iterable[int]], Mapping[int, models.Mark]]
"""Returns the marks of a user on movies, by movie ID."""


class UntypedResponse(Response):
    """A response without a default `Content-Type`. Flask's default is `text/html`."""

    default_mimetype = None


class LibraryItem(Protocol):
    """A movie that is a favorite of a user or rated by them."""

    @property
    def movie(self) -> models.MovieDetails:
        """The movie."""

    @property
    def language(self) -> str:
        """The language of its texts, as `xx-YY`."""


def json_response(
    body: ResponseModel, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a body. Fields that were never set are omitted."""
    return _json_response(serializer().serialize(body), status, headers)


def item_response(
    schema: type[ResponseModel],
    item: LibraryItem,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response with a favorite or a rating."""
    body = serializer().serialize_with_movies(schema.of(item), [item.movie])
    return _json_response(body, status, {**_content_language([item]), **(headers or {})})


def require_revalidation(response: Response) -> Response:
    """Let the client cache a response of one user, but revalidate it on each use."""
    return conditional(response, "private, no-cache")


def page_response(schema: type[ResponseModel], page: Page[Any]) -> Response:
    """Return a response with a page of a user's list."""
    body, headers = _render_page(serializer(), schema, page, *_path_and_query())
    return require_revalidation(_json_response(body, headers=headers))


def replayable_page_response(
    schema: type[ResponseModel], read: Callable[[models.User], Page[Any]]
) -> Response:
    """Return a response with a page of the current user's list.

    `read` is called now, and again whenever the express lane repeats the response.
    """
    body_serializer, path_and_query = serializer(), _path_and_query()

    def render(user: models.User) -> tuple[bytes, Mapping[str, str]]:
        return _render_page(body_serializer, schema, read(user), *path_and_query)

    return _per_user_response(render)


def _render_page(
    body_serializer: Serializer, schema: type[ResponseModel], page: Page[Any], path: str, query: str
) -> tuple[bytes, Mapping[str, str]]:
    body = body_serializer.serialize_with_movies(
        schema.of(page), [item.movie for item in page.results]
    )
    return body, {**_page_links(page, path, query), **_content_language(page.results)}


def _per_user_response(
    render: Render,
    freshness: Freshness | None = None,
    size: int = 0,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response for the current user, and let the express lane render it for others."""
    if failure := current_request().environ.get(FAILURE):
        raise failure
    body, body_headers = render(current_user())
    _allow_replay(freshness, render, size)
    return require_revalidation(_json_response(body, headers={**(headers or {}), **body_headers}))


def _allow_replay(freshness: Freshness | None, render: Render | None = None, size: int = 0) -> None:
    """Let the express lane repeat the response to the current request."""
    current, role = current_request(), required_role(current_route())
    rule = cast("Rule", current.url_rule).rule
    current.environ[REPLAY] = Replay(rule, role, freshness, render, size)


def _content_language(items: Iterable[LibraryItem]) -> dict[str, str]:
    """Return the `Content-Language` of items (RFC 9110, 8.5), with each language once."""
    languages = dict.fromkeys(item.language for item in items)
    return {"Content-Language": ", ".join(languages)} if languages else {}


def catalogue_response(
    schema: type[MoviePage] | type[MovieDetails],
    fetched: Fetched[Any],
    marks_for: MarksLookup | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response with movies of the catalogue, their cache status and their lifetime.

    With `marks_for`, each movie includes the mark of the current user.
    """
    if marks_for is None:
        return shared_response(schema, fetched, headers)
    freshness = fetched.freshness
    set_freshness(freshness)
    template = serializer().movie_template(schema, fetched.value)

    def render(user: models.User) -> tuple[bytes, Mapping[str, str]]:
        return template.render(marks_for(user, template.movie_ids)), headers or {}

    return _per_user_response(render, freshness, template.size, _freshness_headers(freshness))


def shared_response(
    schema: type[ResponseModel], fetched: Fetched[Any], headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with data of the catalogue that is the same for all users."""
    freshness = fetched.freshness
    set_freshness(freshness)
    _allow_replay(freshness)
    all_headers = {**_freshness_headers(freshness), **(headers or {})}
    response = json_response(schema.of(fetched.value), headers=all_headers)
    return conditional(response, f"private, max-age={_lifetime(freshness)}")


def _freshness_headers(freshness: Freshness) -> dict[str, str]:
    return {"Age": str(freshness.age), "Cache-Status": cache_status(freshness)}


def _json_response(
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
    return f"butaca; {_cache_status_parameters(freshness)}"


def _cache_status_parameters(freshness: Freshness) -> str:
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


def conditional(response: Response, cache_control: str, etag: str | None = None) -> Response:
    """Add an ETag to a response, and turn it into a 304 if the client has it (RFC 9110, 13.1.2).

    `etag` is the ETag of the body, without quotes. If it is omitted, the body is hashed.
    """
    response.headers["Cache-Control"] = cache_control
    response.set_etag(etag or etag_for(response.get_data()))
    # Without this check, `make_conditional` would cost a tenth of a cached response.
    if "If-None-Match" in request.headers:
        response.make_conditional(without_codings(request.environ))
    return response


def etag_for(body: bytes) -> str:
    """Return a hash of a body, for a strong `ETag` (RFC 9110, 8.8.3)."""
    return blake2b(body, digest_size=16).hexdigest()


def page_links(page: Page[Any]) -> dict[str, str]:
    """Return the `Link` header of a page (RFC 8288)."""
    return _page_links(page, *_path_and_query())


def _page_links(page: Page[Any], path: str, query: str) -> dict[str, str]:
    return {"Link": _links(path, query, page.page, max(page.total_pages, 1))}


def _path_and_query() -> tuple[str, str]:
    """Return the path and the query string of the current request."""
    current = current_request()
    return current.path, current.query_string.decode()


@lru_cache(maxsize=1024)
def _links(path: str, query: str, page: int, last: int) -> str:
    numbers = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    links = [
        f'<{quote(path)}?{urlencode({**parameters, "page": number})}>; rel="{relation}"'
        for relation, number in numbers.items()
        if 1 <= number <= last
    ]
    return ", ".join(links)
