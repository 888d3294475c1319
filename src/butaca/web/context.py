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
from butaca.web.serialization import Serializer

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
    """Whether the express lane responds to repeated requests without Flask."""


@dataclass(frozen=True, slots=True)
class _AppState:
    services: Services
    options: WebOptions
    contract: Contract
    serializer: Serializer


def attach_services(
    app: Flask, services: Services, options: WebOptions, contract: Contract
) -> None:
    """Attach the services and options to an app."""
    app.extensions[_KEY] = _AppState(
        services, options, contract, Serializer(options.image_base_url)
    )


def _app_state() -> _AppState:
    state: _AppState = _context.get().app.extensions[_KEY]
    return state


def services() -> Services:
    """Return the services of the current app."""
    return _app_state().services


def options() -> WebOptions:
    """Return the options of the current app."""
    return _app_state().options


def contract() -> Contract:
    """Return the contract of the current app."""
    return _app_state().contract


def serializer() -> Serializer:
    """Return the serializer of response bodies of the current app."""
    return _app_state().serializer


def current_route() -> Callable[..., Any]:
    """Return the view function of the current request."""
    context = _context.get()
    return context.app.view_functions[cast("str", context.request.endpoint)]


@dataclass(slots=True)
class RequestState:
    """The state of a request that is being processed."""

    request_id: str
    started: float
    """When the request arrived, in seconds of `time.perf_counter`."""

    user: User | None = None
    freshness: Freshness | None = None


@dataclass(frozen=True, slots=True)
class _RequestContext:
    """The current app, its current request, and the state of this request."""

    app: Flask
    request: Request
    state: RequestState


_context: ContextVar[_RequestContext] = ContextVar("butaca.request")


def set_current_request(app: Flask, begin: "Callable[[WSGIEnvironment], RequestState]") -> None:
    """Set the current request of an app, with the state that `begin` returns."""
    # Flask documents this method, but the type of `request` does not show that it is a proxy.
    current: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    _context.set(_RequestContext(app, current, begin(current.environ)))


def clear_current_request() -> None:
    """Clear the current request, so that this thread does not keep its connection alive.

    The variable is set rather than reset: Flask can tear down a request twice, but a token of a
    context variable can be used only once.
    """
    _context.set(cast("_RequestContext", None))


def current_request() -> Request:
    """Return the current request."""
    return _context.get().request


def request_state() -> RequestState:
    """Return the state of the current request."""
    return _context.get().state


def set_current_user(user: User) -> None:
    """Set the user of the current request."""
    request_state().user = user


def current_user() -> User:
    """Return the user of the current request. Every request to `/api/v1` has one."""
    return cast("User", request_state().user)


def request_id() -> str:
    """Return the ID of the current request."""
    return request_state().request_id


def set_freshness(freshness: Freshness) -> None:
    """Set the freshness of the response to the current request."""
    request_state().freshness = freshness
