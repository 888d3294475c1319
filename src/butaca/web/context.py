"""What every request stands on: the services behind, and whoever calls.

Our modules look here, and not through Flask's proxies: a look there takes four calls, some forty
times a request, a twentieth of what it costs. Only what works in any app uses those.
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
    """Who may call how often."""

    def seconds_to_wait(self, caller: str, kind: str) -> int:
        """Count one call of a kind (`read` or `write`); return 0, or the seconds to wait."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the web needs of the rest of the house."""

    movies: Movies
    library: Library
    accounts: Accounts
    rate_limiter: RateLimiter
    check_database: Callable[[], None]
    """Raises LibraryUnavailable."""


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What an operator chooses about the web."""

    image_base_url: str = "https://image.tmdb.org/t/p"
    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False
    trusted_proxies: int = 0
    demo_users: bool = False
    """Whether the documentation page offers their tokens."""
    express: bool = True
    """Whether what is fresh is told again without Flask."""


@dataclass(frozen=True, slots=True)
class _Provided:
    services: Services
    options: WebOptions
    contract: Contract
    writer: Writer


def provide(app: Flask, services: Services, options: WebOptions, contract: Contract) -> None:
    """Put what requests stand on where they find it."""
    app.extensions[_KEY] = _Provided(services, options, contract, Writer(options.image_base_url))


def _provided() -> _Provided:
    provided: _Provided = _here.get().app.extensions[_KEY]
    return provided


def services() -> Services:
    """Return the services of the app that answers."""
    return _provided().services


def options() -> WebOptions:
    """Return the options of the app that answers."""
    return _provided().options


def contract() -> Contract:
    """Return the contract of the app that answers."""
    return _provided().contract


def writer() -> Writer:
    """Return who writes the answers of this app."""
    return _provided().writer


def current_route() -> Callable[..., Any]:
    """Return the view function that is asked for."""
    here = _here.get()
    return here.app.view_functions[cast("str", here.request.endpoint)]


@dataclass(slots=True)
class Visit:
    """What is known by now of the request that is being answered.

    `started` is when it came, by the performance counter.
    """

    request_id: str
    started: float
    user: User | None = None
    freshness: Freshness | None = None


@dataclass(frozen=True, slots=True)
class _Here:
    """What is asked, of which app, and what is known of it."""

    app: Flask
    request: Request
    visit: Visit


_here: ContextVar[_Here] = ContextVar("butaca.here")


def welcome(app: Flask, begin: "Callable[[WSGIEnvironment], Visit]") -> None:
    """Remember a request that came, and what is known of it when it begins."""
    # As Flask's documentation has it; its type does not tell that it is a proxy.
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    _here.set(_Here(app, asked, begin(asked.environ)))


def farewell() -> None:
    """Forget the request, lest this thread hold its connection until the next one comes.

    Flask may tear down twice, and a token can be reset but once.
    """
    _here.set(cast("_Here", None))


def current_request() -> Request:
    """Return the request that is being answered."""
    return _here.get().request


def visit() -> Visit:
    """Return what is known of this request."""
    return _here.get().visit


def set_current_user(user: User) -> None:
    """Remember who calls, for this request."""
    visit().user = user


def current_user() -> User:
    """Return who calls. Every route under `/api/v1` has somebody."""
    return cast("User", visit().user)


def request_id() -> str:
    """Return the name of this request."""
    return visit().request_id


def set_freshness(freshness: Freshness) -> None:
    """Remember how this request's answer was come by."""
    visit().freshness = freshness
