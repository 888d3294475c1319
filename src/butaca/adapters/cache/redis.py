"""The cache in Redis: two clocks, and neither of them on our wall."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

from redis import Redis

from butaca.adapters.cache.entries import Kept, Lease
from butaca.adapters.cache.health import AILING, RESTING
from butaca.adapters.redis import RedisLink, milliseconds

FORMAT = 1
"""Of what is kept. It is part of every key: another release's entry is a miss."""

# Takes the lease unless somebody has it, and tells what is kept by then: in one script, lest body
# and countdown be of two entries.
_TAKE = """
local taken = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
return {taken and 1 or 0, redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
"""

# A lease that ran out may be another's by now. Source: https://redis.io/docs/latest/commands/set/.
_RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"

# A lease ends even where its answer cannot be kept, for want of room.
_KEEP = """
local kept = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return kept
"""

_KEPT_MS = re.compile(rb"(\d{1,15})\n")


def entry_key(key: str) -> str:
    """Return under which key Redis keeps an entry."""
    return f"butaca:{FORMAT}:{{{key}}}"


def lease_key(key: str) -> str:
    """Return the key of a lease: in the slot of the entry's, for one script has both.

    Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags.
    """
    return f"butaca:lease:{{{key}}}"


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
        self._keep = link.client.register_script(_KEEP)
        self._release = link.client.register_script(_RELEASE)
        self._kept_ms = milliseconds(kept_for)
        self._clock = clock

    def get(self, key: str) -> Kept[bytes] | None:
        """Return what was put last under a key."""
        return self._link.attempt(lambda: self._get(key), otherwise=None)

    def put(self, key: str, body: bytes, lease: Lease | None = None) -> bool:
        """Keep a body for `kept_for` seconds; give back its lease in the same trip to Redis."""
        token = lease.token if lease else None
        written = b"%d\n%s" % (self._kept_ms, body)
        keep = partial(
            self._keep,
            keys=[entry_key(key), lease_key(key)],
            args=[written, self._kept_ms, token or b""],
        )
        is_kept = bool(self._link.attempt(keep, otherwise=None))
        if lease and is_kept:
            lease.token = None
        return is_kept

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[Lease]:
        """Lead for a key over all pods, with `SET NX PX` and a token of our own.

        Without Redis everybody leads: the flights of each process are all that there is then.
        """
        taken = self._link.attempt(lambda: self._take(key, seconds), otherwise=None)
        lease = taken or Lease(leads=True, found=None)
        try:
            yield lease
        finally:
            if lease.token:
                release = partial(self._release, keys=[lease_key(key)], args=[lease.token])
                self._link.attempt(release, otherwise=None)

    def _take(self, key: str, seconds: float) -> Lease:
        token, asked, pipeline = uuid4().hex, self._clock(), self._redis.pipeline(transaction=False)
        # No transaction: the verdicts are of another slot. They are last, so that they are newer.
        pipeline.eval(_TAKE, 2, entry_key(key), lease_key(key), token, milliseconds(seconds))
        pipeline.exists(RESTING, AILING)
        (is_ours, *entry), verdicts = pipeline.execute()
        kept = self._kept(entry, asked)
        return Lease(bool(is_ours), kept, token if is_ours else None, is_calm=not verdicts)

    def _get(self, key: str) -> Kept[bytes] | None:
        asked, pipeline = self._clock(), self._redis.pipeline()
        # One transaction, lest body and countdown be of two entries.
        pipeline.get(entry_key(key))
        pipeline.pttl(entry_key(key))
        return self._kept(pipeline.execute(), asked)

    def _kept(self, entry: list[Any], asked: float) -> Kept[bytes] | None:
        body, left_ms = entry
        head = _KEPT_MS.match(body or b"")
        if not head or left_ms < 0:
            return None
        # The countdown went on while the answer was on its way.
        age = (int(head[1]) - left_ms) / 1000 + self._clock() - asked
        return Kept(body[head.end() :], age)
