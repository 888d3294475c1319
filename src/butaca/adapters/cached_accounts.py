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

FRESH_SECONDS = 2.5
"""In seconds. A token revoked elsewhere is rejected within 5, even if a lookup is slow."""


class CachedAccounts:
    """A store of accounts that caches token owners in front of another store.

    A known token is not looked up again for `FRESH_SECONDS` from the start of the lookup.
    During that time it stays valid here even if another process revokes it. Unknown tokens are
    never cached, so a token issued by another process is valid immediately. Cached tokens keep
    their expiry time, so the core rejects them on time.

    While the database is unavailable or slow, cached tokens stay valid, so that a database outage
    does not take the catalogue down. Their requests wait up to `max_wait` seconds for a lookup;
    after a failed one, none waits while `breaker` is open. The trade-off: a token that was revoked
    before the outage, but after this process last looked it up, stays valid here until the database
    is back or the cache entry expires. A token that this process found to be revoked stays
    rejected.
    """

    def __init__(
        self,
        store: AccountStore,
        memory: MemoryCache,
        breaker: CircuitBreaker,
        max_wait: float = 0.25,
        threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._memory = memory
        self._breaker = breaker
        self._max_wait = max_wait
        self._clock = clock
        # A lookup may hang with the database; callers with a cached token must not wait for it.
        self._threads = ThreadPoolExecutor(threads, "lookup")

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return the owner of a token, even if it is revoked or expired."""
        cached = cast("CacheEntry[Bearer] | None", self._memory.get(token_sha256))
        if cached is None:
            return self._look_up(token_sha256)
        if cached.age < FRESH_SECONDS or not self._breaker.allows_call():
            return cached.value
        return self._look_up_with_timeout(token_sha256, fallback=cached.value)

    def find_user(self, user_id: int) -> User | None:
        """Return a user by ID."""
        return self._store.find_user(user_id)

    def grant_token(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store a user with a token, or make that token valid again."""
        is_granted = self._store.grant_token(user, token_sha256, at)
        self._memory.drop(token_sha256)
        return is_granted

    def revoke_by_digest(self, token_sha256: str, at: datetime) -> bool:
        """Revoke a token; return whether it existed and was not revoked before."""
        is_revoked = self._store.revoke_by_digest(token_sha256, at)
        self._memory.drop(token_sha256)
        return is_revoked

    def _look_up_with_timeout(self, token_sha256: str, fallback: Bearer) -> Bearer | None:
        lookup = self._threads.submit(copy_context().run, self._look_up, token_sha256)
        try:
            bearer = lookup.result(self._max_wait)
        except (LibraryUnavailable, TimeoutError):
            lookup.cancel()
            self._breaker.record_failure()
            return fallback
        self._breaker.record_success()
        return bearer

    def _look_up(self, token_sha256: str) -> Bearer | None:
        started = self._clock()
        if bearer := self._store.find_bearer(token_sha256):
            # A slow result is as old as its query, and must not replace a newer one.
            self._memory.put(token_sha256, bearer, age=self._clock() - started)
        else:
            self._memory.drop(token_sha256)
        return bearer
