"""Authentication and authorization: who owns a token, and what that user may do."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from butaca.core.clock import utc_now
from butaca.core.errors import PermissionDenied, TokenRejected, UserNotFound
from butaca.core.models import Role, User
from butaca.core.ports import AccountStore, Bearer

DEMO_USERS = (
    (User(1, "admin", Role.ADMIN), "abcdef1234567890"),
    (User(2, "consumer", Role.USER), "1234567890"),
)
"""The two demo users, with their publicly known tokens."""


def digest(token: str) -> str:
    """Return the SHA-256 digest of a token in hexadecimal, which is stored instead of the token."""
    return sha256(token.encode()).hexdigest()


def require_role(user: User, role: Role) -> None:
    """Check that a user has the permissions of a role. Raises PermissionDenied."""
    if not user.role.includes(role):
        raise PermissionDenied


@dataclass(frozen=True, slots=True)
class Accounts:
    """Authenticates users and provides the demo users. May raise LibraryUnavailable."""

    store: AccountStore
    now: Callable[[], datetime] = utc_now

    def identify(self, token: str) -> User:
        """Return the owner of a valid token. Raises TokenRejected."""
        bearer = self.store.find_bearer(digest(token))
        if bearer is None or not self._is_valid(bearer, token):
            raise TokenRejected
        return bearer.user

    def user(self, user_id: int) -> User:
        """Return a user by ID. Raises UserNotFound."""
        if (user := self.store.find_user(user_id)) is None:
            raise UserNotFound
        return user

    def enable_demo_users(self) -> bool:
        """Create the demo users, or make their tokens valid again; return whether this succeeded.

        It fails if another user has the ID or the name of a demo user. Then both demo tokens are
        revoked.
        """
        now = self.now()
        if all(self.store.grant_token(user, digest(token), now) for user, token in DEMO_USERS):
            return True
        self.disable_demo_users()
        return False

    def disable_demo_users(self) -> bool:
        """Revoke the tokens of the demo users; return whether any existed and was not revoked."""
        now = self.now()
        revoked = [self.store.revoke_by_digest(digest(token), now) for _, token in DEMO_USERS]
        return any(revoked)

    def _is_valid(self, bearer: Bearer, token: str) -> bool:
        matches = hmac.compare_digest(bearer.token_sha256, digest(token))
        is_unexpired = bearer.expires_at is None or self.now() < bearer.expires_at
        return matches and is_unexpired and bearer.revoked_at is None
