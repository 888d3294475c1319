"""Every "no" as `application/problem+json` (RFC 9457)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, request

from butaca.core import errors
from butaca.web.context import request_id
from butaca.web.contract import PROBLEM_JSON
from butaca.web.outputs import FieldError, Problem


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: a status, a code that programs read, and a title that people read."""

    status: HTTPStatus
    code: str
    title: str


class Unacceptable(Exception):
    """A request that is understood and cannot be accepted, and what is wrong with it."""

    def __init__(self, mistakes: Iterable[FieldError]) -> None:
        super().__init__("Some of what was sent cannot be accepted.")
        self.mistakes = tuple(mistakes)


_OF_REFUSALS: Mapping[type[errors.Refusal], Kind] = {
    errors.MovieNotFound: Kind(HTTPStatus.NOT_FOUND, "movie-not-found", "No such movie"),
    errors.FavoriteNotFound: Kind(HTTPStatus.NOT_FOUND, "favorite-not-found", "Not a favorite"),
    errors.RatingNotFound: Kind(HTTPStatus.NOT_FOUND, "rating-not-found", "Not rated"),
    errors.UserNotFound: Kind(HTTPStatus.NOT_FOUND, "user-not-found", "No such user"),
    errors.TokenRejected: Kind(HTTPStatus.UNAUTHORIZED, "unauthorized", "Who are you?"),
    errors.RoleMissing: Kind(HTTPStatus.FORBIDDEN, "forbidden", "Not for your role"),
    errors.LibraryUnavailable: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "library-unavailable", "The library is away"
    ),
    errors.CatalogueUnavailable: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "catalogue-unavailable", "The movie catalogue is away"
    ),
    errors.CatalogueBusy: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "catalogue-busy", "The movie catalogue is busy"
    ),
    errors.CatalogueTimedOut: Kind(
        HTTPStatus.GATEWAY_TIMEOUT, "catalogue-timed-out", "The movie catalogue is too slow"
    ),
    errors.CatalogueAnsweredNonsense: Kind(
        HTTPStatus.BAD_GATEWAY, "catalogue-answered-nonsense", "The movie catalogue makes no sense"
    ),
    errors.CatalogueRefusedUs: Kind(
        HTTPStatus.BAD_GATEWAY, "catalogue-refused-us", "The movie catalogue refused to answer"
    ),
}

UNPROCESSABLE = Kind(
    HTTPStatus.UNPROCESSABLE_ENTITY, "unprocessable-content", "Not acceptable as it is"
)
BROKEN = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-server-error", "Something broke here")
_OF_HTTP: Mapping[int, Kind] = {
    kind.status: kind
    for kind in (
        Kind(HTTPStatus.BAD_REQUEST, "bad-request", "Not readable"),
        Kind(HTTPStatus.NOT_FOUND, "not-found", "No such thing"),
        Kind(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "No such method here"),
        Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "content-too-large", "Too much at once"),
        Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Not JSON"),
        Kind(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
        UNPROCESSABLE,
        BROKEN,
    )
}

ALL = (*_OF_REFUSALS.values(), *_OF_HTTP.values())


def of_refusal(refusal: errors.Refusal) -> Kind:
    """Return what a refusal of the core is over HTTP."""
    return _OF_REFUSALS[type(refusal)]


def of_status(status: int) -> Kind:
    """Return the general problem of a status."""
    return _OF_HTTP.get(status) or Kind(HTTPStatus(status), f"http-{status}", "Not met")


def problem(
    kind: Kind,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    mistakes: Sequence[FieldError] = (),
) -> Response:
    """Answer with a problem; `detail` is one sentence that is safe to show."""
    body = Problem(
        type=f"urn:butaca:problem:{kind.code}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        code=kind.code,
        instance=request.path,
        request_id=request_id(),
        **({"errors": list(mistakes)} if mistakes else {}),
    )
    response = Response(body.model_dump_json(exclude_unset=True), kind.status, headers)
    response.content_type = PROBLEM_JSON
    response.headers["Cache-Control"] = "no-store"
    return response
