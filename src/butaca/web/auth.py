"""Authentication and authorization with bearer tokens (RFC 6750)."""

from collections.abc import Callable
from typing import Any, TypeVar

from butaca.core.accounts import require_role
from butaca.core.errors import TokenRejected
from butaca.core.models import Role
from butaca.web.context import current_request, current_user, services, set_current_user

Route = TypeVar("Route", bound=Callable[..., Any])
_ROLE = "butaca_role"


def authenticate() -> None:
    """Identify the user by the bearer token of the request. Raises TokenRejected."""
    token = bearer_token(current_request().headers.get("Authorization", ""))
    set_current_user(services().accounts.identify(token))


def bearer_token(authorization: str) -> str:
    """Return the token of an `Authorization` header. Raises TokenRejected."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenRejected
    return token.strip()


def requires(role: Role) -> Callable[[Route], Route]:
    """Declare the role that a route requires. A route without a role cannot be registered."""

    def mark(route: Route) -> Route:
        setattr(route, _ROLE, role)
        return route

    return mark


def required_role(route: Callable[..., Any]) -> Role:
    """Return the role that a route requires. Raises TypeError if it declares none."""
    role: Role | None = getattr(route, _ROLE, None)
    if role is None:
        raise TypeError(f"{route.__name__} declares no role. Decorate it with @requires.")
    return role


def authorize(route: Callable[..., Any]) -> None:
    """Check that the current user may call a route. Raises PermissionDenied."""
    require_role(current_user(), required_role(route))
