"""The cache in Redis: two clocks, and neither of them on our wall."""

import math
import re

from redis import Redis

from butaca.adapters.cache.entries import Entry
from butaca.adapters.redis import RedisLink

PREFIX = "butaca:1:"
"""The format of what is kept is part of every key: another release's entry is a miss."""

RESTING = "butaca:resting"
"""Not below the prefix, where it could be an entry's key."""

_KEPT_MS = re.compile(rb"(\d{1,15})\n")


class RedisCache:
    """A cache that all pods share. Without Redis it is empty, and says nothing.

    Redis counts down how long an entry is kept, and its age is what that countdown has lost:
    a pod whose clock is wrong sees the same age as the others.
    """

    def __init__(self, link: RedisLink, kept_for: float) -> None:
        self._link = link
        self._redis: Redis = link.client
        self._kept_ms = _milliseconds(kept_for)

    def get(self, key: str) -> Entry | None:
        """Return what was put last under a key."""
        return self._link.attempt(lambda: self._get(PREFIX + key), otherwise=None)

    def put(self, key: str, body: bytes) -> bool:
        """Keep a body for `kept_for` seconds."""
        entry = b"%d\n%s" % (self._kept_ms, body)
        return self._link.attempt(
            lambda: bool(self._redis.set(PREFIX + key, entry, px=self._kept_ms)), otherwise=False
        )

    def rest(self, seconds: float) -> None:
        """Let upstream rest, for all pods."""
        self._link.attempt(
            lambda: self._redis.set(RESTING, b"", px=_milliseconds(seconds)), otherwise=None
        )

    def resting(self) -> float:
        """Return for how many more seconds upstream rests."""
        left_ms = self._link.attempt(lambda: self._redis.pttl(RESTING), otherwise=0)
        return max(left_ms, 0) / 1000

    def _get(self, key: str) -> Entry | None:
        # Both in one transaction, lest the body and the countdown be of two entries.
        pipeline = self._redis.pipeline()
        pipeline.get(key)
        pipeline.pttl(key)
        entry, left_ms = pipeline.execute()
        head = _KEPT_MS.match(entry or b"")
        if not head or left_ms < 0:
            return None
        return Entry(entry[head.end() :], (int(head[1]) - left_ms) / 1000)


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)  # Rounded up: 0 is what Redis refuses.
