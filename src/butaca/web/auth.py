"""Who calls, and what they may do (RFC 6750)."""

from collections.abc import Callable
from typing import Any, TypeVar

from butaca.core.accounts import permit
from butaca.core.errors import TokenRejected
from butaca.core.models import Role
from butaca.web.context import current_request, current_user, services, set_current_user

Route = TypeVar("Route", bound=Callable[..., Any])
_ROLE = "butaca_role"


def authenticate() -> None:
    """Recognize whoever carries the bearer token. Raises TokenRejected."""
    token = bearer_token(current_request().headers.get("Authorization", ""))
    set_current_user(services().accounts.identify(token))


def bearer_token(authorization: str) -> str:
    """Return the token of an `Authorization` header. Raises TokenRejected."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenRejected
    return token.strip()


def requires(role: Role) -> Callable[[Route], Route]:
    """Say of a route who may call it. A route of which nothing is said lets nobody in."""

    def mark(route: Route) -> Route:
        setattr(route, _ROLE, role)
        return route

    return mark


def required_role(route: Callable[..., Any]) -> Role:
    """Return the role without which nobody may call a route."""
    role: Role = getattr(route, _ROLE)
    return role


def authorize(route: Callable[..., Any]) -> None:
    """Let only those pass who may call a route. Raises RoleMissing."""
    permit(current_user(), required_role(route))
