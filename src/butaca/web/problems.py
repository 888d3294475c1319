"""The kinds of problems that a request can meet (RFC 9457), each with a code for programs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from butaca.core import errors
from butaca.web.inputs import MAX_BODY
from butaca.web.outputs import FieldError

PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: a status, a code that programs read, and words that people read."""

    status: HTTPStatus
    code: str
    title: str
    detail: str
    """One sentence that is safe to show."""

    @property
    def type(self) -> str:
        """The URI by which RFC 9457 knows it."""
        return f"urn:butaca:problem:{self.code}"


class Unacceptable(Exception):
    """A request that is understood and cannot be accepted, and what is wrong with it."""

    def __init__(self, mistakes: Iterable[FieldError]) -> None:
        super().__init__(UNPROCESSABLE.detail)
        self.mistakes = tuple(mistakes)


def _kind(refusal: type[errors.Refusal], status: HTTPStatus, code: str, title: str) -> Kind:
    return Kind(status, code, title, refusal.message)


_NOT_FOUND, _AWAY = HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
_BAD_GATEWAY = HTTPStatus.BAD_GATEWAY
_OF_REFUSALS: Mapping[type[errors.Refusal], Kind] = {
    refusal: _kind(refusal, status, code, title)
    for refusal, status, code, title in (
        (errors.MovieNotFound, _NOT_FOUND, "movie-not-found", "No such movie"),
        (errors.FavoriteNotFound, _NOT_FOUND, "favorite-not-found", "Not a favorite"),
        (errors.RatingNotFound, _NOT_FOUND, "rating-not-found", "Not rated"),
        (errors.UserNotFound, _NOT_FOUND, "user-not-found", "No such user"),
        (errors.TokenRejected, HTTPStatus.UNAUTHORIZED, "unauthorized", "Who are you?"),
        (errors.RoleMissing, HTTPStatus.FORBIDDEN, "forbidden", "Not for your role"),
        (errors.LibraryUnavailable, _AWAY, "library-unavailable", "The library is away"),
        (errors.LibraryBusy, _AWAY, "library-busy", "The library is busy"),
        (
            errors.CatalogueUnavailable,
            _AWAY,
            "catalogue-unavailable",
            "The movie catalogue is away",
        ),
        (errors.CatalogueBusy, _AWAY, "catalogue-busy", "The movie catalogue is busy"),
        (
            errors.CatalogueTimedOut,
            HTTPStatus.GATEWAY_TIMEOUT,
            "catalogue-timed-out",
            "The movie catalogue is too slow",
        ),
        (
            errors.CatalogueGarbled,
            _BAD_GATEWAY,
            "catalogue-garbled",
            "The movie catalogue cannot be read",
        ),
        (
            errors.CatalogueAnsweredNonsense,
            _BAD_GATEWAY,
            "catalogue-answered-nonsense",
            "The movie catalogue makes no sense",
        ),
        (
            errors.CatalogueRefusedUs,
            _BAD_GATEWAY,
            "catalogue-refused-us",
            "The movie catalogue refused to answer",
        ),
    )
}

_CANNOT_BE_MET = errors.Refusal.message
UNPROCESSABLE = Kind(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "unprocessable-content",
    "Not acceptable as it is",
    "Some of what was sent cannot be accepted.",
)
BROKEN = Kind(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal-server-error",
    "Something broke here",
    "This is our fault, and we have been told.",
)
_OF_HTTP: Mapping[int, Kind] = {
    kind.status: kind
    for kind in (
        Kind(HTTPStatus.BAD_REQUEST, "bad-request", "Not readable", "The body is not JSON."),
        Kind(_NOT_FOUND, "not-found", "No such thing", "There is nothing at this path."),
        Kind(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "No such method here",
            "This path does not take that method.",
        ),
        Kind(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "content-too-large",
            "Too much at once",
            f"The body is larger than {MAX_BODY // 1024} KiB.",
        ),
        Kind(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Not JSON",
            "Send a body as application/json.",
        ),
        Kind(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            "Too many requests",
            "These are more requests than a minute may bring.",
        ),
        Kind(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "overloaded",
            "Too busy",
            "Too much is asked at once. Try again soon.",
        ),
        UNPROCESSABLE,
        BROKEN,
    )
}

ALL = (*_OF_REFUSALS.values(), *_OF_HTTP.values())


def of_refusal(refusal: type[errors.Refusal]) -> Kind:
    """Return what a refusal of the core is over HTTP."""
    return _OF_REFUSALS[refusal]


def of_status(status: int) -> Kind:
    """Return the general problem of a status."""
    return _OF_HTTP.get(status) or Kind(
        HTTPStatus(status), f"http-{status}", "Not met", _CANNOT_BE_MET
    )
