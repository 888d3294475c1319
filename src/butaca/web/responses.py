"""What the contract says of answers: their statuses, their headers, and the problems."""

from collections.abc import Collection
from dataclasses import dataclass

from butaca.core import errors
from butaca.core.errors import Refusal
from butaca.web import examples
from butaca.web.headers import Spec
from butaca.web.problems import PROBLEM_JSON, Kind, of_refusal, of_status

GOOD = {
    200: "As asked.",
    201: "Made anew.",
    204: "Gone.",
    304: "What you have is still good.",
}


@dataclass(frozen=True, slots=True)
class Bad:
    """A status of 400 or more that routes share, and each kind of problem that it may bring.

    Its name is that of its status in RFC 9110, or that of the only problem where a status has
    several: a client wants to know which.
    """

    name: str
    meaning: str
    kinds: tuple[Kind, ...]
    headers: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The one status of all these kinds."""
        return self.kinds[0].status.value


def _of_refusals(*refusals: type[Refusal]) -> tuple[Kind, ...]:
    return tuple(of_refusal(refusal) for refusal in refusals)


def _of_status(name: str, status: int, meaning: str, *headers: str) -> Bad:
    return Bad(name, meaning, (of_status(status),), headers)


def _not_found(name: str, refusal: type[Refusal]) -> Bad:
    return Bad(name, refusal.message, _of_refusals(refusal))


UNAUTHORIZED = Bad(
    "Unauthorized",
    "No token, or one that is unknown, expired or revoked.",
    _of_refusals(errors.TokenRejected),
    ("WWW-Authenticate",),
)
FORBIDDEN = Bad(
    "Forbidden",
    "The token is good, and the role is not.",
    _of_refusals(errors.RoleMissing),
    ("WWW-Authenticate",),
)
MOVIE_NOT_FOUND = _not_found("MovieNotFound", errors.MovieNotFound)
FAVORITE_NOT_FOUND = _not_found("FavoriteNotFound", errors.FavoriteNotFound)
RATING_NOT_FOUND = _not_found("RatingNotFound", errors.RatingNotFound)
USER_NOT_FOUND = _not_found("UserNotFound", errors.UserNotFound)

OVERLOADED = of_status(503)
_LIBRARY_AWAY = (errors.LibraryUnavailable, errors.LibraryBusy)
LIBRARY_UNAVAILABLE = Bad(
    "LibraryUnavailable",
    "Our database is away, or busy, or too much is asked at once.",
    (*_of_refusals(*_LIBRARY_AWAY), OVERLOADED),
    ("Retry-After",),
)
ALWAYS = (
    UNAUTHORIZED,
    _of_status("UnprocessableContent", 422, "Understood, and not acceptable."),
    _of_status("TooManyRequests", 429, "More requests in a minute than allowed.", "Retry-After"),
    _of_status("InternalServerError", 500, "A defect of ours."),
    LIBRARY_UNAVAILABLE,
)
"""The problems of whatever needs a token."""

BODY = (
    _of_status("BadRequest", 400, "The body is not JSON."),
    _of_status("ContentTooLarge", 413, "The body is too large."),
    _of_status("UnsupportedMediaType", 415, "The body is not declared as JSON."),
)
"""The problems of whatever takes a body."""

CATALOGUE = (
    Bad(
        "BadGateway",
        "TMDB answered nonsense or refused our key, and nothing is kept.",
        _of_refusals(
            errors.CatalogueGarbled, errors.CatalogueAnsweredNonsense, errors.CatalogueRefusedUs
        ),
    ),
    Bad(
        "ServiceUnavailable",
        "TMDB is away or busy and nothing is kept, or our database is, or we are.",
        (
            *_of_refusals(errors.CatalogueUnavailable, errors.CatalogueBusy, *_LIBRARY_AWAY),
            OVERLOADED,
        ),
        ("Retry-After",),
    ),
    Bad(
        "GatewayTimeout",
        "TMDB did not answer within the deadline, and nothing is kept.",
        _of_refusals(errors.CatalogueTimedOut),
        ("Retry-After",),
    ),
)
"""The problems of whatever stands on TMDB."""

ALL = (
    *ALWAYS,
    *BODY,
    *CATALOGUE,
    FORBIDDEN,
    MOVIE_NOT_FOUND,
    FAVORITE_NOT_FOUND,
    RATING_NOT_FOUND,
    USER_NOT_FOUND,
)


def components() -> Spec:
    """Return the responses that routes share."""
    return {bad.name: _described(bad) for bad in ALL}


def response(meaning: str, headers: Collection[str]) -> Spec:
    """Return a response with these headers, and those that every one has."""
    described = {name: ref("headers", name) for name in sorted({*headers, "X-Request-Id"})}
    return {"description": meaning, "headers": described}


def ref(kind: str, name: str) -> Spec:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def _described(bad: Bad) -> Spec:
    shown = {
        kind.code: {"summary": kind.title, "value": examples.problem(kind)} for kind in bad.kinds
    }
    content = {PROBLEM_JSON: {"schema": ref("schemas", "Problem"), "examples": shown}}
    return {**response(bad.meaning, ("Cache-Control", *bad.headers)), "content": content}
