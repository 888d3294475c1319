"""Accounts that are remembered: who carried a token just now is not looked up at each request."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import cast

from butaca.adapters.cache import Memory
from butaca.adapters.cache.entries import Kept
from butaca.adapters.rest import Rest
from butaca.core.errors import LibraryUnavailable
from butaca.core.models import User
from butaca.core.ports import AccountStore, Bearer

FRESH_FOR = 2.5
"""Seconds. A token that is revoked elsewhere is refused within 5, though a look-up come late."""


class RememberedAccounts:
    """A store of accounts in front of another.

    Who was found is not looked up again for `FRESH_FOR` seconds from the moment of asking, within
    which a token that another process revokes is still good. An unknown token is never remembered:
    one that another process issues is good at once. What is remembered tells when it expires, so
    that the core refuses it at that very moment.

    While the database is away or slow, whoever is remembered may go on calling: an outage of ours
    does not take the catalogue down. They wait `patience` seconds for a look-up, and after one
    that fails nobody waits while `rest` lasts. The price: a token that was revoked before the
    outage, but after this process looked it up last, stays good here until the database is back
    or the memory forgets it. One that this process saw revoked stays refused.
    """

    def __init__(
        self,
        store: AccountStore,
        memory: Memory,
        rest: Rest,
        patience: float = 0.25,
        threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._memory = memory
        self._rest = rest
        self._patience = patience
        self._clock = clock
        # A look-up may take as long as the database does; nobody who is remembered waits so long.
        self._threads = ThreadPoolExecutor(threads, "look-up")

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return whom a token speaks for, revoked and expired ones included."""
        remembered = cast("Kept[Bearer] | None", self._memory.get(token_sha256))
        if remembered is None:
            return self._look_up(token_sha256)
        if remembered.age < FRESH_FOR or not self._rest.may_try():
            return remembered.value
        return self._look_up_in_time(token_sha256, otherwise=remembered.value)

    def find_user(self, user_id: int) -> User | None:
        """Return somebody by ID."""
        return self._store.find_user(user_id)

    def let_in(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store somebody with a token, or make that token valid again."""
        is_so = self._store.let_in(user, token_sha256, at)
        self._memory.drop(token_sha256)
        return is_so

    def revoke(self, token_sha256: str, at: datetime) -> bool:
        """Tell whether there was a valid token to revoke."""
        was_valid = self._store.revoke(token_sha256, at)
        self._memory.drop(token_sha256)
        return was_valid

    def _look_up_in_time(self, token_sha256: str, otherwise: Bearer) -> Bearer | None:
        looking_up = self._threads.submit(copy_context().run, self._look_up, token_sha256)
        try:
            bearer = looking_up.result(self._patience)
        except (LibraryUnavailable, TimeoutError):
            looking_up.cancel()
            self._rest.failed()
            return otherwise
        self._rest.succeeded()
        return bearer

    def _look_up(self, token_sha256: str) -> Bearer | None:
        asked = self._clock()
        if bearer := self._store.find_bearer(token_sha256):
            # A slow answer is as old as its question, and does not replace a younger one.
            self._memory.put(token_sha256, bearer, age=self._clock() - asked)
        else:
            self._memory.drop(token_sha256)
        return bearer
