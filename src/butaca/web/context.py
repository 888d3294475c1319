"""The context of each request: the services, the options and the user.

The modules of this package use this context rather than Flask's proxies. A proxy takes four calls
per access, about forty times per request, which is a twentieth of the cost of a request. Only code
that works in any app uses the proxies.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from flask import Flask, Request, request

from butaca.core.accounts import Accounts
from butaca.core.library import Library
from butaca.core.models import Freshness, User
from butaca.core.movies import Movies
from butaca.web.contract import Contract
from butaca.web.writing import Writer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_KEY = "butaca"


class RateLimiter(Protocol):
    """Limits how often each user can call."""

    def seconds_to_wait(self, caller: str, kind: str) -> int:
        """Count a call of a kind (`read` or `write`). Return 0, or the seconds to wait."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the web package needs from the rest of the application."""

    movies: Movies
    library: Library
    accounts: Accounts
    rate_limiter: RateLimiter
    check_database: Callable[[], None]
    """Raises LibraryUnavailable."""


@dataclass(frozen=True, slots=True)
class WebOptions:
    """The web options that operators can set."""

    image_base_url: str = "https://image.tmdb.org/t/p"
    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False
    trusted_proxies: int = 0
    demo_users: bool = False
    """Whether the documentation page offers the tokens of the demo users."""
    express: bool = True
    """Whether the express lane answers repeated requests without Flask."""


@dataclass(frozen=True, slots=True)
class _Provided:
    services: Services
    options: WebOptions
    contract: Contract
    writer: Writer


def provide(app: Flask, services: Services, options: WebOptions, contract: Contract) -> None:
    """Attach the services and options to an app."""
    app.extensions[_KEY] = _Provided(services, options, contract, Writer(options.image_base_url))


def _provided() -> _Provided:
    provided: _Provided = _here.get().app.extensions[_KEY]
    return provided


def services() -> Services:
    """Return the services of the current app."""
    return _provided().services


def options() -> WebOptions:
    """Return the options of the current app."""
    return _provided().options


def contract() -> Contract:
    """Return the contract of the current app."""
    return _provided().contract


def writer() -> Writer:
    """Return the writer of response bodies of the current app."""
    return _provided().writer


def current_route() -> Callable[..., Any]:
    """Return the view function of the current request."""
    here = _here.get()
    return here.app.view_functions[cast("str", here.request.endpoint)]


@dataclass(slots=True)
class RequestState:
    """The record of a request that is being processed.

    `started` is when it arrived, by the performance counter.
    """

    request_id: str
    started: float
    user: User | None = None
    freshness: Freshness | None = None


@dataclass(frozen=True, slots=True)
class _Here:
    """The current app, its current request, and the record of this request."""

    app: Flask
    request: Request
    visit: RequestState


_here: ContextVar[_Here] = ContextVar("butaca.here")


def welcome(app: Flask, begin: "Callable[[WSGIEnvironment], RequestState]") -> None:
    """Set the current request of an app, with the record that `begin` returns."""
    # Flask documents this method, but the type of `request` does not show that it is a proxy.
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    _here.set(_Here(app, asked, begin(asked.environ)))


def farewell() -> None:
    """Clear the current request, so that this thread does not hold its connection any longer.

    The variable is set rather than reset: Flask can tear down twice, but a token of a context
    variable can be used only once.
    """
    _here.set(cast("_Here", None))


def current_request() -> Request:
    """Return the current request."""
    return _here.get().request


def visit() -> RequestState:
    """Return the record of the current request."""
    return _here.get().visit


def set_current_user(user: User) -> None:
    """Set the user of the current request."""
    visit().user = user


def current_user() -> User:
    """Return the user of the current request. Every request to `/api/v1` has one."""
    return cast("User", visit().user)


def request_id() -> str:
    """Return the ID of the current request."""
    return visit().request_id


def set_freshness(freshness: Freshness) -> None:
    """Set the freshness of the response to the current request."""
    visit().freshness = freshness
