"""The errors that Butaca expects and reports.

    DomainError
    ├── MovieNotFound, FavoriteNotFound, RatingNotFound, UserNotFound
    ├── TokenRejected, PermissionDenied
    ├── NameTaken, InvalidName, DemoRoleFixed
    ├── TokenNotFound, TokenAlreadyRevoked, InvalidLifetime
    ├── StarsOutOfRange, InvalidSortOrder
    ├── LibraryUnavailable              The database is unreachable.
    │   └── LibraryBusy                 The limit of concurrent requests to it is reached.
    └── CatalogueFailed                 TMDB returned nothing usable:
        ├── CatalogueUnavailable        it is unreachable, or in its cooldown.
        │   └── CatalogueBusy           The limit of concurrent requests to it is reached.
        ├── CatalogueTimedOut           it did not respond in time.
        ├── CatalogueMalformedResponse  its response is unreadable, and others may be, too.
        ├── CatalogueInvalidResponse    its response is readable, but invalid for this request.
        └── CatalogueAccessDenied       it rejected our API key, which the operator must replace.

Every message is one sentence that is safe to show to clients.
"""

from typing import ClassVar


class DomainError(Exception):
    """Base class of the expected errors: the request cannot be fulfilled, for the reason given."""

    message: ClassVar[str] = "The request cannot be fulfilled."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class MovieNotFound(DomainError):
    """TMDB has no movie with that ID."""

    message = "There is no movie with that ID."


class FavoriteNotFound(DomainError):
    """The movie is not one of the user's favorites."""

    message = "That movie is not among the favorites."


class RatingNotFound(DomainError):
    """The user has not rated the movie."""

    message = "That movie has no rating yet."


class UserNotFound(DomainError):
    """No user has that ID."""

    message = "There is no user with that ID."


class TokenRejected(DomainError):
    """The token is missing, unknown, expired or revoked."""

    message = "A valid bearer token is needed."


class PermissionDenied(DomainError):
    """The token is valid, but its owner lacks the required role."""

    message = "Your role does not permit this."


class NameTaken(DomainError):
    """Another user has that name."""

    message = "That name is already taken."


class InvalidName(DomainError):
    """The name is empty, too long, not printable, or could be mistaken for an ID."""

    message = "A name must be 1 to 100 printable characters, and not digits alone."


class DemoRoleFixed(DomainError):
    """The user is a demo user, whose role is fixed because DEMO_USERS=true relies on it."""

    message = "The role of a demo user cannot be changed."


class TokenNotFound(DomainError):
    """No token has that ID."""

    message = "There is no token with that ID."


class TokenAlreadyRevoked(DomainError):
    """The token had been revoked before."""

    message = "That token has already been revoked."


class InvalidLifetime(DomainError):
    """The lifetime of a token is not positive, or longer than the maximum."""

    message = "The lifetime of a token must be longer than zero and at most 100 years."


class StarsOutOfRange(DomainError):
    """The number of stars is not between 0 and 5 in steps of 0.5."""

    message = "Stars are a number from 0 to 5 in steps of 0.5."


class InvalidSortOrder(DomainError):
    """The sort order names an unknown key, or the same key twice."""


class LibraryUnavailable(DomainError):
    """The database is unreachable. `retry_after` is in seconds."""

    message = "The library cannot be reached right now."
    retry_after = 5


class LibraryBusy(LibraryUnavailable):
    """The limit of concurrent requests to the database is reached."""

    message = "The library is busy."
    retry_after = 1


class CatalogueFailed(DomainError):
    """TMDB returned nothing usable.

    `upstream_status` is the HTTP status that TMDB returned, if any; `attempts` is the number of
    attempts; `retry_after` is the number of seconds after which a retry makes sense.
    """

    retry_after = 5

    def __init__(
        self,
        message: str | None = None,
        *,
        upstream_status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.upstream_status = upstream_status
        self.retry_after = self.retry_after if retry_after is None else retry_after
        self.attempts = 1


class CatalogueUnavailable(CatalogueFailed):
    """TMDB is unreachable, reports an outage, or is in its cooldown."""

    message = "The movie catalogue cannot be reached right now."


class CatalogueBusy(CatalogueUnavailable):
    """The limit of concurrent requests to TMDB is reached."""

    message = "The movie catalogue is busy."
    retry_after = 1


class CatalogueTimedOut(CatalogueFailed):
    """TMDB did not respond before the deadline."""

    message = "The movie catalogue did not respond in time."


class CatalogueMalformedResponse(CatalogueFailed):
    """The response is truncated or not a JSON object; other responses may be affected, too."""

    message = "The movie catalogue returned an unreadable response."


class CatalogueInvalidResponse(CatalogueFailed):
    """The response to one request does not match TMDB's documentation."""

    message = "The movie catalogue returned an invalid response."


class CatalogueAccessDenied(CatalogueFailed):
    """TMDB rejected our API key. No client can fix this."""

    message = "The movie catalogue rejected this service's API key."
