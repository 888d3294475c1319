"""The shared cache in Redis, independent of the clocks of the pods."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from butaca.adapters.cache.entries import CacheEntry, Lease
from butaca.adapters.cache.health import COOLDOWN_KEY, UNHEALTHY_KEY
from butaca.adapters.redis import RedisLink, milliseconds

FORMAT = 1
"""The version of the entry format. It is part of every key, so other formats are misses."""

# Acquires the lease if it is free, and reads the entry in the same script, so that its body and its
# time-to-live belong together. An entry that cannot be read is a miss: an error would hide whether
# the lease was acquired.
_ACQUIRE = """
local acquired = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
local body = redis.pcall('GET', KEYS[1])
if type(body) == 'table' then body = false end
return {acquired and 1 or 0, body, redis.call('PTTL', KEYS[1])}
"""

# An expired lease may belong to another pod by now. Source: https://redis.io/docs/latest/commands/set/.
_RELEASE = "return redis.pcall('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"

# The lease is released even if the entry cannot be stored for lack of memory.
_STORE = """
local stored = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if redis.pcall('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return stored
"""

_RETENTION_MS = re.compile(rb"(\d{1,15})\n")


def entry_key(key: str) -> str:
    """Return the Redis key of an entry."""
    return f"butaca:{FORMAT}:{{{key}}}"


def lease_key(key: str) -> str:
    """Return the Redis key of a lease, in the slot of its entry, because one script uses both.

    Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags.
    """
    return f"butaca:lease:{{{key}}}"


class RedisCache:
    """A cache shared by all pods. Without Redis it is empty, and does not raise.

    The age of an entry is computed from the remaining time-to-live, which Redis counts down: a pod
    whose clock is wrong sees the same age as the others.
    """

    def __init__(
        self, link: RedisLink, retention: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._redis: Redis = link.client
        self._store = link.client.register_script(_STORE)
        self._release = link.client.register_script(_RELEASE)
        self._retention_ms = milliseconds(retention)
        self._clock = clock

    def get(self, key: str) -> CacheEntry[bytes] | None:
        """Return the latest entry for a key."""
        return self._link.attempt(lambda: self._get(key), fallback=None)

    def put(self, key: str, body: bytes, lease: Lease | None = None) -> bool:
        """Store a body for `retention` seconds; release its lease in the same round trip."""
        token = lease.token if lease else None
        value = b"%d\n%s" % (self._retention_ms, body)
        store = partial(
            self._store,
            keys=[entry_key(key), lease_key(key)],
            args=[value, self._retention_ms, token or b""],
        )
        is_stored = bool(self._link.attempt(store, fallback=None))
        if lease and is_stored:
            lease.token = None
        return is_stored

    @contextmanager
    def lease(self, key: str, seconds: float) -> Iterator[Lease]:
        """Acquire the lease of a key across all pods, by `SET NX PX` with a unique token.

        Without Redis every process leads, and only the calls within each process are collapsed.
        """
        acquired = self._link.attempt(lambda: self._acquire(key, seconds), fallback=None)
        lease = acquired or Lease(is_leader=True, entry=None)
        try:
            yield lease
        finally:
            if lease.token:
                release = partial(self._release, keys=[lease_key(key)], args=[lease.token])
                self._link.attempt(release, fallback=None)

    def _acquire(self, key: str, seconds: float) -> Lease:
        token, sent_at = uuid4().hex, self._clock()
        # No transaction: the health keys are in another slot. They are read last, so they are
        # newer.
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.eval(_ACQUIRE, 2, entry_key(key), lease_key(key), token, milliseconds(seconds))
        pipeline.exists(COOLDOWN_KEY, UNHEALTHY_KEY)
        # If only the health keys cannot be read, the lease is acquired nevertheless.
        acquired, health_keys = pipeline.execute(raise_on_error=False)
        is_leader, *stored = _unwrap(acquired)
        return Lease(
            bool(is_leader),
            self._parse(stored, sent_at),
            token if is_leader else None,
            upstream_healthy=health_keys == 0,
        )

    def _get(self, key: str) -> CacheEntry[bytes] | None:
        sent_at, pipeline = self._clock(), self._redis.pipeline()
        # In one transaction, so that the body and its time-to-live belong together.
        pipeline.get(entry_key(key))
        pipeline.pttl(entry_key(key))
        body, left_ms = pipeline.execute(raise_on_error=False)
        if _is_of_another_type(body):
            return None  # The next SET overwrites it.
        return self._parse([_unwrap(body), _unwrap(left_ms)], sent_at)

    def _parse(self, stored: list[Any], sent_at: float) -> CacheEntry[bytes] | None:
        body, left_ms = stored
        header = _RETENTION_MS.match(body or b"")
        if not header or left_ms < 0:
            return None
        # The time-to-live went on decreasing while the reply was in transit.
        age = (int(header[1]) - left_ms) / 1000 + self._clock() - sent_at
        return CacheEntry(body[header.end() :], age)


def _unwrap(result: Any) -> Any:
    """Return one result of a pipeline, or raise its error."""
    if isinstance(result, RedisError):
        raise result
    return result


def _is_of_another_type(result: Any) -> bool:
    return isinstance(result, ResponseError) and str(result).startswith("WRONGTYPE")
