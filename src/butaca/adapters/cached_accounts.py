"""An in-process cache of token owners, so that not every request looks up its token."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import cast

from butaca.adapters.cache import MemoryCache
from butaca.adapters.cache.entries import CacheEntry
from butaca.adapters.circuit_breaker import CircuitBreaker
from butaca.core.errors import LibraryUnavailable
from butaca.core.models import User
from butaca.core.ports import AccountStore, Bearer

FRESH_FOR = 2.5
"""In seconds. A token revoked elsewhere is refused within 5, even if a look-up is slow."""


class CachedAccounts:
    """A store of accounts that caches token owners in front of another store.

    A token that was found is not looked up again for `FRESH_FOR` seconds from the start of the
    look-up. During that time it stays valid here even if another process revokes it. Unknown tokens
    are never cached, so a token issued by another process is valid at once. Cached tokens keep
    their expiry time, so the core refuses them on time.

    While the database is unavailable or slow, the owners of cached tokens may go on calling, so
    that a database outage does not take the catalogue down. They wait up to `patience` seconds for
    a look-up; after a failed one, nobody waits while `breaker` is open. The price: a token that
    was revoked before the outage, but after this process last looked it up, stays valid here until
    the database is back or the cache entry expires. A token that this process saw revoked stays
    refused.
    """

    def __init__(
        self,
        store: AccountStore,
        memory: MemoryCache,
        breaker: CircuitBreaker,
        patience: float = 0.25,
        threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._memory = memory
        self._breaker = breaker
        self._patience = patience
        self._clock = clock
        # A look-up takes as long as the database does; callers with a cached token must not wait
        # for it.
        self._threads = ThreadPoolExecutor(threads, "look-up")

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return the owner of a token, even if it is revoked or expired."""
        remembered = cast("CacheEntry[Bearer] | None", self._memory.get(token_sha256))
        if remembered is None:
            return self._look_up(token_sha256)
        if remembered.age < FRESH_FOR or not self._breaker.allows_call():
            return remembered.value
        return self._look_up_in_time(token_sha256, otherwise=remembered.value)

    def find_user(self, user_id: int) -> User | None:
        """Return a user by ID."""
        return self._store.find_user(user_id)

    def grant_token(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store a user with a token, or make that token valid again."""
        is_so = self._store.grant_token(user, token_sha256, at)
        self._memory.drop(token_sha256)
        return is_so

    def revoke(self, token_sha256: str, at: datetime) -> bool:
        """Revoke a token; return whether there was a valid one."""
        was_valid = self._store.revoke(token_sha256, at)
        self._memory.drop(token_sha256)
        return was_valid

    def _look_up_in_time(self, token_sha256: str, otherwise: Bearer) -> Bearer | None:
        looking_up = self._threads.submit(copy_context().run, self._look_up, token_sha256)
        try:
            bearer = looking_up.result(self._patience)
        except (LibraryUnavailable, TimeoutError):
            looking_up.cancel()
            self._breaker.failed()
            return otherwise
        self._breaker.succeeded()
        return bearer

    def _look_up(self, token_sha256: str) -> Bearer | None:
        asked = self._clock()
        if bearer := self._store.find_bearer(token_sha256):
            # A slow answer is as old as its query, and must not replace a newer one.
            self._memory.put(token_sha256, bearer, age=self._clock() - asked)
        else:
            self._memory.drop(token_sha256)
        return bearer
