"""The responses in the contract: their descriptions, headers and problems."""

from collections.abc import Collection
from dataclasses import dataclass

from butaca.core import errors
from butaca.core.errors import DomainError
from butaca.web import examples
from butaca.web.headers import Spec
from butaca.web.inputs import MAX_BODY_SIZE
from butaca.web.problems import PROBLEM_JSON, ProblemType, type_for_error, type_for_status

NOT_MODIFIED = "Not modified. The `ETag` in `If-None-Match` is still current."


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A response of status 400 or above that routes share, with the problems it can contain.

    Its name is the status phrase of RFC 9110. Where routes use a status for different problems,
    it is the name of the problem instead, so that clients can tell these responses apart.
    """

    name: str
    description: str
    problem_types: tuple[ProblemType, ...]
    headers: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The status, which all of its problems share."""
        return self.problem_types[0].status.value


def _problem_types_for(*error_types: type[DomainError]) -> tuple[ProblemType, ...]:
    return tuple(type_for_error(error_type) for error_type in error_types)


def _for_status(name: str, status: int, description: str, *headers: str) -> ErrorResponse:
    return ErrorResponse(name, description, (type_for_status(status),), headers)


def _not_found(name: str, error_type: type[DomainError]) -> ErrorResponse:
    return ErrorResponse(name, error_type.message, _problem_types_for(error_type))


UNAUTHORIZED = ErrorResponse(
    "Unauthorized",
    "The bearer token is missing, unknown, expired or revoked.",
    _problem_types_for(errors.TokenRejected),
    ("WWW-Authenticate",),
)
FORBIDDEN = ErrorResponse(
    "Forbidden",
    "The token is valid, but its owner does not have the required role.",
    _problem_types_for(errors.PermissionDenied),
    ("WWW-Authenticate",),
)
MOVIE_NOT_FOUND = _not_found("MovieNotFound", errors.MovieNotFound)
FAVORITE_NOT_FOUND = _not_found("FavoriteNotFound", errors.FavoriteNotFound)
RATING_NOT_FOUND = _not_found("RatingNotFound", errors.RatingNotFound)
USER_NOT_FOUND = _not_found("UserNotFound", errors.UserNotFound)

OVERLOADED = type_for_status(503)
_LIBRARY_ERRORS = (errors.LibraryUnavailable, errors.LibraryBusy)
LIBRARY_UNAVAILABLE = ErrorResponse(
    "LibraryUnavailable",
    "The database is unreachable or busy, or the server is overloaded.",
    (*_problem_types_for(*_LIBRARY_ERRORS), OVERLOADED),
    ("Retry-After",),
)
COMMON = (
    UNAUTHORIZED,
    _for_status(
        "UnprocessableContent",
        422,
        "A parameter or field is unknown, missing, repeated or invalid. `errors` lists each one.",
    ),
    _for_status("TooManyRequests", 429, "The user has exceeded a rate limit.", "Retry-After"),
    _for_status("InternalServerError", 500, "An unexpected error occurred on the server."),
    LIBRARY_UNAVAILABLE,
)
"""The problems of every operation that requires a token."""

BODY = (
    _for_status("BadRequest", 400, "The request body is not valid JSON, or is incomplete."),
    _for_status(
        "ContentTooLarge", 413, f"The request body is larger than {MAX_BODY_SIZE // 1024} KiB."
    ),
    _for_status("UnsupportedMediaType", 415, "The `Content-Type` of the request body is not JSON."),
)
"""The problems of every operation with a request body."""

CATALOGUE = (
    ErrorResponse(
        "BadGateway",
        "TMDB returned an unusable response or rejected Butaca's API key, and no cached copy is "
        "available.",
        _problem_types_for(
            errors.CatalogueMalformedResponse,
            errors.CatalogueInvalidResponse,
            errors.CatalogueAccessDenied,
        ),
    ),
    ErrorResponse(
        "ServiceUnavailable",
        "TMDB is unavailable or busy and no cached copy is available, the database is unreachable "
        "or busy, or the server is overloaded.",
        (
            *_problem_types_for(
                errors.CatalogueUnavailable, errors.CatalogueBusy, *_LIBRARY_ERRORS
            ),
            OVERLOADED,
        ),
        ("Retry-After",),
    ),
    ErrorResponse(
        "GatewayTimeout",
        "TMDB did not respond within the deadline, and no cached copy is available.",
        _problem_types_for(errors.CatalogueTimedOut),
        ("Retry-After",),
    ),
)
"""The problems of every operation that depends on TMDB."""

ALL = (
    *COMMON,
    *BODY,
    *CATALOGUE,
    FORBIDDEN,
    MOVIE_NOT_FOUND,
    FAVORITE_NOT_FOUND,
    RATING_NOT_FOUND,
    USER_NOT_FOUND,
)


def components() -> Spec:
    """Return the shared responses by name."""
    return {error.name: _to_openapi(error) for error in ALL}


def response(description: str, headers: Collection[str]) -> Spec:
    """Return a response with these headers and the headers that every response has."""
    described = {name: ref("headers", name) for name in sorted({*headers, "X-Request-Id"})}
    return {"description": description, "headers": described}


def ref(kind: str, name: str) -> Spec:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def _to_openapi(error: ErrorResponse) -> Spec:
    examples_by_code = {
        problem_type.code: {
            "summary": problem_type.title,
            "value": examples.problem(problem_type),
        }
        for problem_type in error.problem_types
    }
    content = {PROBLEM_JSON: {"schema": ref("schemas", "Problem"), "examples": examples_by_code}}
    return {**response(error.description, ("Cache-Control", *error.headers)), "content": content}
