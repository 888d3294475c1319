"""Who calls, and what they may do (RFC 6750)."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import request

from butaca.core.accounts import permit
from butaca.core.errors import TokenRejected
from butaca.core.models import Role
from butaca.web.context import current_user, services, set_current_user

P = ParamSpec("P")
R = TypeVar("R")


def authenticate() -> None:
    """Recognize whoever carries the bearer token. Raises TokenRejected."""
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise TokenRejected
    set_current_user(services().accounts.identify(given.token))


def requires(role: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only those call a route who may do what `role` may. Raises RoleMissing."""

    def decorate(route: Callable[P, R]) -> Callable[P, R]:
        @wraps(route)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            permit(current_user(), role)
            return route(*args, **kwargs)

        return guarded

    return decorate
