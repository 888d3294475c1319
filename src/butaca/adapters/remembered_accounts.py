"""Accounts that are remembered: who carried a token just now is not looked up at each request."""

from datetime import datetime
from typing import cast

from butaca.adapters.cache import Memory
from butaca.adapters.cache.entries import Kept
from butaca.core.errors import LibraryUnavailable
from butaca.core.models import User
from butaca.core.ports import AccountStore, Bearer


class RememberedAccounts:
    """A store of accounts in front of another.

    Who was found is not looked up again for `fresh_for` seconds, within which a token that
    another process revokes is still good. While the database is away, whoever is remembered
    may go on calling: an outage of ours does not take the catalogue down.
    """

    def __init__(self, store: AccountStore, memory: Memory, fresh_for: float = 5.0) -> None:
        self._store = store
        self._memory = memory
        self._fresh_for = fresh_for

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return whom a token speaks for, revoked and expired ones included."""
        remembered = cast("Kept[Bearer] | None", self._memory.get(token_sha256))
        if remembered and remembered.age < self._fresh_for:
            return remembered.value
        try:
            bearer = self._store.find_bearer(token_sha256)
        except LibraryUnavailable:
            if remembered is None:
                raise
            return remembered.value
        self._memory.drop(token_sha256)
        if bearer:
            self._memory.put(token_sha256, bearer)
        return bearer

    def find_user(self, user_id: int) -> User | None:
        """Return somebody by ID."""
        return self._store.find_user(user_id)

    def let_in(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store somebody with a token, or make that token valid again."""
        self._memory.drop(token_sha256)
        return self._store.let_in(user, token_sha256, at)

    def revoke(self, token_sha256: str, at: datetime) -> bool:
        """Tell whether there was a valid token to revoke."""
        self._memory.drop(token_sha256)
        return self._store.revoke(token_sha256, at)
