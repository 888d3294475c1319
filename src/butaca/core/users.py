"""User and token management for operators."""

import logging
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from butaca.core.accounts import DEMO_USERS, digest
from butaca.core.clock import utc_now
from butaca.core.errors import (
    DemoRoleFixed,
    InvalidLifetime,
    InvalidName,
    TokenAlreadyRevoked,
    TokenNotFound,
    UserNotFound,
)
from butaca.core.models import MAX_ID, Role, Token, User
from butaca.core.ports import UserStore

TOKEN_PREFIX = "butaca_"  # noqa: S105 - not a token itself
"""The prefix of every token, by which secret scanners recognize it."""

MAX_NAME_LENGTH = 100
MAX_LIFETIME = timedelta(days=36_500)

_DEMO_IDS = frozenset(user.id for user, _ in DEMO_USERS)

audit = logging.getLogger("butaca.audit")


def is_demo_user(user: User) -> bool:
    """Return whether this is a demo user, which the next start with DEMO_USERS=true recreates."""
    return user.id in _DEMO_IDS


def new_token() -> str:
    """Return a new random token: the prefix and 43 letters, digits, `-` and `_`."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def normalize_name(text: str) -> str:
    """Return a name as it is stored: stripped, in Unicode NFC. Raises InvalidName.

    A name of only digits is rejected, because it could be mistaken for an ID.
    """
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name.isdecimal():
        raise InvalidName
    return name


@dataclass(frozen=True, slots=True)
class UserManager:
    """Manages the users and their tokens. Every method may raise LibraryUnavailable."""

    store: UserStore
    now: Callable[[], datetime] = utc_now
    new_token: Callable[[], str] = new_token

    def add(self, name: str, role: Role) -> User:
        """Add a user, who needs a token to call the API.

        Raises InvalidName, NameTaken.
        """
        user = self.store.add_user(normalize_name(name), role, self.now())
        audit.info("user.added", extra={"user_id": user.id, "role": user.role})
        return user

    def all_users(self) -> tuple[User, ...]:
        """Return all users, ordered by ID."""
        return self.store.all_users()

    def resolve(self, id_or_name: str) -> User:
        """Find a user by ID, if the text is all digits, or else by name. Raises UserNotFound."""
        user = self._by_id(id_or_name) if id_or_name.isdecimal() else self._by_name(id_or_name)
        if user is None:
            raise UserNotFound("There is no user with that ID or name.")
        return user

    def set_role(self, user: User, role: Role) -> None:
        """Change the role of a user. Raises DemoRoleFixed, UserNotFound."""
        if is_demo_user(user):
            raise DemoRoleFixed
        if not self.store.set_role(user.id, role):
            raise UserNotFound
        audit.info("user.role_set", extra={"user_id": user.id, "role": role})

    def remove(self, user: User) -> None:
        """Delete a user with all tokens, favorites and ratings. Raises UserNotFound."""
        if not self.store.remove_user(user.id):
            raise UserNotFound
        audit.info("user.removed", extra={"user_id": user.id})

    def issue(self, owner: User, lifetime: timedelta | None = None) -> tuple[Token, str]:
        """Issue a token that expires after `lifetime`, or never.

        Return the metadata and the token itself, of which only a digest is stored. Raises
        InvalidLifetime.
        """
        now, secret = self.now(), self.new_token()
        token = self.store.add_token(owner, digest(secret), now, _expiry(now, lifetime))
        expires_at = token.expires_at and token.expires_at.isoformat()
        fields = {**_token_fields(token.id, owner), "expires_at": expires_at}
        audit.info("token.issued", extra=fields)
        return token, secret

    def tokens(self, owner: User | None = None) -> tuple[Token, ...]:
        """Return the tokens of one user or of all users, ordered by ID."""
        return self.store.tokens(owner.id if owner else None)

    def revoke(self, token_id: int) -> Token:
        """Revoke a token; return it as it was before.

        Raises TokenNotFound, TokenAlreadyRevoked.
        """
        token = self.store.find_token(token_id) if 0 < token_id <= MAX_ID else None
        if token is None:
            raise TokenNotFound
        if not self.store.revoke_token(token_id, self.now()):
            raise TokenAlreadyRevoked
        audit.info("token.revoked", extra=_token_fields(token.id, token.owner))
        return token

    def revoke_all(self, owner: User) -> int:
        """Revoke all tokens of a user; return how many had not been revoked before."""
        revoked = self.store.revoke_tokens(owner.id, self.now())
        for token_id in revoked:
            audit.info("token.revoked", extra=_token_fields(token_id, owner))
        return len(revoked)

    def _by_id(self, digits: str) -> User | None:
        # Check the length first: `int` rejects very long numbers.
        is_small = len(digits) <= len(str(MAX_ID)) and int(digits) <= MAX_ID
        return self.store.find_user(int(digits)) if is_small else None

    def _by_name(self, name: str) -> User | None:
        try:
            return self.store.find_user_by_name(normalize_name(name))
        except InvalidName:
            return None


def _expiry(start: datetime, lifetime: timedelta | None) -> datetime | None:
    if lifetime is None:
        return None
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise InvalidLifetime
    return start + lifetime


def _token_fields(token_id: int, owner: User) -> dict[str, object]:
    return {"token_id": token_id, "owner_id": owner.id}
