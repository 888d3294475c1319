"""The cache in Redis: two clocks, and neither of them on our wall."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from butaca.adapters.cache.entries import Kept
from butaca.adapters.redis import RedisLink, milliseconds

PREFIX = "butaca:1:"
"""The format of what is kept is part of every key: another release's entry is a miss."""

LEASE = "butaca:lease:"
"""Not below the prefix, where it could be an entry's key."""

_KEPT_MS = re.compile(rb"(\d{1,15})\n")


class RedisCache:
    """A cache that all pods share. Without Redis it is empty, and says nothing.

    Redis counts down how long an entry is kept, and its age is what that countdown has lost:
    a pod whose clock is wrong sees the same age as the others.
    """

    def __init__(
        self, link: RedisLink, kept_for: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._redis: Redis = link.client
        self._kept_ms = milliseconds(kept_for)
        self._clock = clock

    def get(self, key: str) -> Kept[bytes] | None:
        """Return what was put last under a key."""
        return self._link.attempt(lambda: self._get(PREFIX + key), otherwise=None)

    def put(self, key: str, body: bytes) -> bool:
        """Keep a body for `kept_for` seconds."""
        entry = b"%d\n%s" % (self._kept_ms, body)
        return self._link.attempt(
            lambda: bool(self._redis.set(PREFIX + key, entry, px=self._kept_ms)), otherwise=False
        )

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[bool]:
        """Lead for a key over all pods, with `SET NX PX` and a token of our own.

        Without Redis everybody leads: the flights of each process are all that there is then.
        """
        lock = self._redis.lock(LEASE + key, timeout=seconds, blocking=False, thread_local=False)
        is_ours = self._link.attempt(lock.acquire, otherwise=None)
        try:
            yield is_ours is not False
        finally:
            if is_ours:
                self._link.attempt(lambda: _release(lock), otherwise=None)

    def _get(self, key: str) -> Kept[bytes] | None:
        asked = self._clock()
        # Both in one transaction, lest the body and the countdown be of two entries.
        pipeline = self._redis.pipeline()
        pipeline.get(key)
        pipeline.pttl(key)
        entry, left_ms = pipeline.execute()
        head = _KEPT_MS.match(entry or b"")
        if not head or left_ms < 0:
            return None
        # The countdown went on while the answer was on its way.
        age = (int(head[1]) - left_ms) / 1000 + self._clock() - asked
        return Kept(entry[head.end() :], age)


def _release(lock: Lock) -> None:
    with suppress(LockNotOwnedError):  # It ran out, or Redis forgot it: Redis itself is well.
        lock.release()
