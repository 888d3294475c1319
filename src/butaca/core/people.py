"""People: who may call and with which tokens, as operators manage it."""

import logging
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from butaca.core.accounts import digest
from butaca.core.clock import utc_now
from butaca.core.errors import (
    LifetimeUnacceptable,
    NameUnacceptable,
    TokenNotFound,
    TokenRevokedAlready,
    UserNotFound,
)
from butaca.core.models import MAX_ID, Role, Token, User
from butaca.core.ports import PeopleStore

PREFIX = "butaca_"
"""What every token begins with, so that those who scan for leaked secrets recognize it."""

LONGEST_NAME = 100
LONGEST_LIFETIME = timedelta(days=36_500)

audit = logging.getLogger("butaca.audit")


def new_token() -> str:
    """Return a token that nobody can guess: the prefix and 43 letters, digits, `-` and `_`."""
    return PREFIX + secrets.token_urlsafe(32)


def name_of(text: str) -> str:
    """Return a name as it is kept: trimmed, in Unicode's form NFC. Raises NameUnacceptable.

    Digits alone are no name, so that an ID is never taken for one.
    """
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name.isdecimal():
        raise NameUnacceptable
    return name


@dataclass(frozen=True, slots=True)
class People:
    """The people who may call, and their tokens. Every method may raise LibraryUnavailable."""

    store: PeopleStore
    now: Callable[[], datetime] = utc_now
    new_token: Callable[[], str] = new_token

    def add(self, name: str, role: Role) -> User:
        """Add somebody, who cannot call before they have a token.

        Raises NameUnacceptable, NameTaken.
        """
        user = self.store.add_user(name_of(name), role, self.now())
        audit.info("user.added", extra={"user_id": user.id, "role": user.role})
        return user

    def everybody(self) -> tuple[User, ...]:
        """Return everybody, in the order of their IDs."""
        return self.store.everybody()

    def who(self, id_or_name: str) -> User:
        """Return somebody by ID, if it is of digits alone, or else by name. Raises UserNotFound."""
        user = self._by_id(id_or_name) if id_or_name.isdecimal() else self._by_name(id_or_name)
        if user is None:
            raise UserNotFound("There is no user with that ID or name.")
        return user

    def issue(self, owner: User, lifetime: timedelta | None = None) -> tuple[Token, str]:
        """Let somebody call with a new token, good for a time or for ever.

        Returns what is known of the token, and the token itself, which is kept nowhere.
        Raises LifetimeUnacceptable.
        """
        now, secret = self.now(), self.new_token()
        token = self.store.add_token(owner, digest(secret), now, _end(now, lifetime))
        ends = token.expires_at and token.expires_at.isoformat()
        audit.info("token.issued", extra={**_about(token), "expires_at": ends})
        return token, secret

    def tokens(self, owner: User | None = None) -> tuple[Token, ...]:
        """Return somebody's tokens, or everybody's, in the order of their IDs."""
        return self.store.tokens(owner.id if owner else None)

    def revoke(self, token_id: int) -> Token:
        """Let nobody call with a token any more; return it as it was until now.

        Raises TokenNotFound, TokenRevokedAlready.
        """
        token = self.store.find_token(token_id) if 0 < token_id <= MAX_ID else None
        if token is None:
            raise TokenNotFound
        if not self.store.revoke_token(token_id, self.now()):
            raise TokenRevokedAlready
        audit.info("token.revoked", extra=_about(token))
        return token

    def _by_id(self, digits: str) -> User | None:
        # The length first: Python does not read numbers of any length.
        is_small = len(digits) <= len(str(MAX_ID)) and int(digits) <= MAX_ID
        return self.store.find_user(int(digits)) if is_small else None

    def _by_name(self, text: str) -> User | None:
        try:
            return self.store.find_user_named(name_of(text))
        except NameUnacceptable:
            return None


def _end(start: datetime, lifetime: timedelta | None) -> datetime | None:
    if lifetime is None:
        return None
    if not timedelta(0) < lifetime <= LONGEST_LIFETIME:
        raise LifetimeUnacceptable
    return start + lifetime


def _about(token: Token) -> dict[str, object]:
    return {"token_id": token.id, "owner_id": token.owner.id}
