"""Every foreseen "no".

    Refusal
    ├── MovieNotFound, FavoriteNotFound, RatingNotFound, UserNotFound
    ├── TokenRejected, RoleMissing
    ├── NameTaken, NameUnacceptable
    ├── TokenNotFound, TokenRevokedAlready, LifetimeUnacceptable
    ├── StarsOutOfRange, SortUnknown
    ├── LibraryUnavailable           our database is away …
    │   └── LibraryBusy              … or as many are asking it already as may at a time
    └── CatalogueFailed              TMDB gave nothing that we can use …
        ├── CatalogueUnavailable     … it cannot be reached, or is resting
        │   └── CatalogueBusy        … as many are asking it already as may at a time
        ├── CatalogueTimedOut        … it did not answer in time
        ├── CatalogueGarbled         … what it sent cannot be read, nor might anything else
        ├── CatalogueAnsweredNonsense … what it sent can be read, and is no answer to this call
        └── CatalogueRefusedUs       … our key is bad: the operator's affair

Every message is one sentence that is safe to show to a caller.
"""

from typing import ClassVar


class Refusal(Exception):
    """A request that cannot be met, and one sentence that says why."""

    message: ClassVar[str] = "The request cannot be met."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class MovieNotFound(Refusal):
    """TMDB knows no movie by that ID."""

    message = "There is no movie with that ID."


class FavoriteNotFound(Refusal):
    """The movie is not among the favorites."""

    message = "That movie is not among the favorites."


class RatingNotFound(Refusal):
    """The movie has not been rated."""

    message = "That movie has no rating yet."


class UserNotFound(Refusal):
    """Nobody has that ID."""

    message = "There is no user with that ID."


class TokenRejected(Refusal):
    """No token, or one that is unknown, expired or revoked."""

    message = "A valid bearer token is needed."


class RoleMissing(Refusal):
    """The token is good, and its owner may not do this."""

    message = "Your role does not permit this."


class NameTaken(Refusal):
    """Somebody else has that name."""

    message = "Somebody has that name already."


class NameUnacceptable(Refusal):
    """A name that is too long, cannot be read, or looks like an ID."""

    message = "A name is 1 to 100 printable characters, and not digits alone."


class TokenNotFound(Refusal):
    """No token has that ID."""

    message = "There is no token with that ID."


class TokenRevokedAlready(Refusal):
    """The token has been revoked before."""

    message = "That token is revoked already."


class LifetimeUnacceptable(Refusal):
    """A token that would never be good, or longer than anybody can tell."""

    message = "A token is good for more than nothing and for 100 years at most."


class StarsOutOfRange(Refusal):
    """Stars that are not 0 to 5 in steps of 0.5."""

    message = "Stars are a number from 0 to 5 in steps of 0.5."


class SortUnknown(Refusal):
    """A sort order that names an unknown key, or one key twice."""


class LibraryUnavailable(Refusal):
    """Our own database cannot be asked. `retry_after` is in seconds."""

    message = "The library cannot be reached right now."
    retry_after = 5


class LibraryBusy(LibraryUnavailable):
    """As many are asking our database already as may at a time."""

    message = "The library is busy."
    retry_after = 1


class CatalogueFailed(Refusal):
    """TMDB gave nothing that we can use, by status `upstream_status` if it gave one.

    `tries` is how often it was asked; `retry_after`, after how many seconds it makes sense to
    ask again.
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
        self.tries = 1


class CatalogueUnavailable(CatalogueFailed):
    """TMDB cannot be reached, says that it is out of order, or is resting."""

    message = "The movie catalogue cannot be reached right now."


class CatalogueBusy(CatalogueUnavailable):
    """As many are asking TMDB already as may at a time."""

    message = "The movie catalogue is busy."
    retry_after = 1


class CatalogueTimedOut(CatalogueFailed):
    """TMDB did not answer within the deadline."""

    message = "The movie catalogue did not answer in time."


class CatalogueGarbled(CatalogueFailed):
    """What TMDB sent is cut, or no JSON object, as anything that it sends now may be."""

    message = "The movie catalogue answered something unreadable."


class CatalogueAnsweredNonsense(CatalogueFailed):
    """To one call TMDB answered something that is not what its documentation says."""

    message = "The movie catalogue answered something that makes no sense."


class CatalogueRefusedUs(CatalogueFailed):
    """TMDB does not accept our key, which no caller can mend."""

    message = "The movie catalogue refused to answer."
