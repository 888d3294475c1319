"""The types of problems that can be returned (RFC 9457), each with a code for programs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from butaca.core import errors
from butaca.web.inputs import MAX_BODY_SIZE
from butaca.web.outputs import FieldError

PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A type of problem: its status, its code for programs, and its texts for users."""

    status: HTTPStatus
    code: str
    title: str
    detail: str
    """One sentence that is safe to show."""

    @property
    def type(self) -> str:
        """The URI that identifies this type (RFC 9457)."""
        return f"urn:butaca:problem:{self.code}"


class InvalidRequest(Exception):
    """Raised for a request that is well-formed but invalid, with all of its errors."""

    def __init__(self, field_errors: Iterable[FieldError]) -> None:
        super().__init__(UNPROCESSABLE.detail)
        self.field_errors = tuple(field_errors)


def _problem_type(
    error_type: type[errors.DomainError], status: HTTPStatus, code: str, title: str
) -> ProblemType:
    return ProblemType(status, code, title, error_type.message)


_NOT_FOUND, _UNAVAILABLE = HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
_BAD_GATEWAY = HTTPStatus.BAD_GATEWAY
_BY_ERROR: Mapping[type[errors.DomainError], ProblemType] = {
    error_type: _problem_type(error_type, status, code, title)
    for error_type, status, code, title in (
        (errors.MovieNotFound, _NOT_FOUND, "movie-not-found", "Movie not found"),
        (errors.FavoriteNotFound, _NOT_FOUND, "favorite-not-found", "Favorite not found"),
        (errors.RatingNotFound, _NOT_FOUND, "rating-not-found", "Rating not found"),
        (errors.UserNotFound, _NOT_FOUND, "user-not-found", "User not found"),
        (errors.TokenRejected, HTTPStatus.UNAUTHORIZED, "unauthorized", "Authentication required"),
        (errors.PermissionDenied, HTTPStatus.FORBIDDEN, "forbidden", "Permission denied"),
        (errors.LibraryUnavailable, _UNAVAILABLE, "library-unavailable", "Library unavailable"),
        (errors.LibraryBusy, _UNAVAILABLE, "library-busy", "Library busy"),
        (
            errors.CatalogueUnavailable,
            _UNAVAILABLE,
            "catalogue-unavailable",
            "Movie catalogue unavailable",
        ),
        (errors.CatalogueBusy, _UNAVAILABLE, "catalogue-busy", "Movie catalogue busy"),
        (
            errors.CatalogueTimedOut,
            HTTPStatus.GATEWAY_TIMEOUT,
            "catalogue-timed-out",
            "Movie catalogue timed out",
        ),
        (
            errors.CatalogueMalformedResponse,
            _BAD_GATEWAY,
            "catalogue-malformed-response",
            "Unreadable response from the movie catalogue",
        ),
        (
            errors.CatalogueInvalidResponse,
            _BAD_GATEWAY,
            "catalogue-invalid-response",
            "Unexpected response from the movie catalogue",
        ),
        (
            errors.CatalogueAccessDenied,
            _BAD_GATEWAY,
            "catalogue-access-denied",
            "Movie catalogue denied access",
        ),
    )
}

UNPROCESSABLE = ProblemType(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "unprocessable-content",
    "Invalid request",
    "One or more parameters or fields are invalid.",
)
INTERNAL_ERROR = ProblemType(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal-server-error",
    "Internal server error",
    "An unexpected error occurred on the server. It has been logged.",
)
_BY_STATUS: Mapping[int, ProblemType] = {
    problem_type.status: problem_type
    for problem_type in (
        ProblemType(
            HTTPStatus.BAD_REQUEST,
            "bad-request",
            "Malformed request body",
            "The request body is not valid JSON, or is incomplete.",
        ),
        ProblemType(_NOT_FOUND, "not-found", "Not found", "There is no resource at this path."),
        ProblemType(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            "This path does not support that method.",
        ),
        ProblemType(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "content-too-large",
            "Request body too large",
            f"The request body is larger than {MAX_BODY_SIZE // 1024} KiB.",
        ),
        ProblemType(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            "Send the request body as application/json.",
        ),
        ProblemType(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            "Too many requests",
            "You have exceeded your rate limit. Try again later.",
        ),
        ProblemType(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "overloaded",
            "Server overloaded",
            "The server is handling too many requests. Try again soon.",
        ),
        UNPROCESSABLE,
        INTERNAL_ERROR,
    )
}

ALL = (*_BY_ERROR.values(), *_BY_STATUS.values())


def type_for_error(error_type: type[errors.DomainError]) -> ProblemType:
    """Return the type of problem for a type of error of the core."""
    return _BY_ERROR[error_type]


def type_for_status(status: int) -> ProblemType:
    """Return the generic type of problem for an HTTP status."""
    return _BY_STATUS.get(status) or ProblemType(
        HTTPStatus(status), f"http-{status}", "Request failed", errors.DomainError.message
    )
