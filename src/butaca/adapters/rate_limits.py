"""Rate limits per user: shared by all pods, or per process while Redis is unavailable."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import cast

from cachetools import LRUCache
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from prometheus_client import CollectorRegistry, Counter

from butaca.adapters.redis import RedisLink

# Reserves part of what is left in the window; returns it, and the time left in the window in ms.
_RESERVE = """
local limit = tonumber(ARGV[1])
local reserved = tonumber(redis.call("GET", KEYS[1]) or 0)
local quota = math.max(math.ceil((limit - reserved) / tonumber(ARGV[2])), 0)
if quota > 0 then
  redis.call("INCRBY", KEYS[1], quota)
  if reserved == 0 then redis.call("PEXPIRE", KEYS[1], ARGV[3]) end
end
return {quota, redis.call("PTTL", KEYS[1])}
"""

QUOTA_DIVISOR = 50
"""A process reserves 1/QUOTA_DIVISOR of what is left, so the quotas shrink as the limit nears."""

MAX_QUOTAS = 10_000
"""The number of quotas cached per process, one per caller and kind of call."""


@dataclass(slots=True)
class _Quota:
    """The calls reserved for a caller in this process until the window ends.

    If the limit is exhausted in Redis, all calls in the window are rejected.
    """

    calls_left: int
    expires_at: float
    """In seconds, on the clock of the rate limits."""

    is_exhausted: bool

    def is_valid(self, now: float) -> bool:
        """Return whether a call can be allowed or rejected without Redis."""
        return now < self.expires_at and (self.calls_left > 0 or self.is_exhausted)


class RateLimits:
    """Limits such as `600/minute`, one for reads and one for writes, per caller.

    A process reserves a fiftieth of what is left of a limit in Redis, and calls Redis again only
    when that is used up. No caller gets more than the limit across all pods; few get less.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        reads: str,
        writes: str,
        clock: Callable[[], float] = time.monotonic,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._link = link
        self._clock = clock
        self._limits = {"read": parse(reads), "write": parse(writes)}
        self._reserve = link.client.register_script(_RESERVE)
        self._quotas: LRUCache[tuple[str, str], _Quota] = LRUCache(MAX_QUOTAS)
        self._lock = Lock()
        rejections = Counter(
            "butaca_rate_limited",
            "Requests rejected because their user exceeded a rate limit.",
            ("kind",),
            registry=registry,
        )
        self._rejections = {kind: rejections.labels(kind) for kind in self._limits}
        self._local_limiter = FixedWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, caller: str, kind: str) -> int:
        """Count a call of a kind (`read` or `write`); return 0, or the seconds to wait."""
        if seconds := self._seconds_to_wait(caller, kind):
            self._rejections[kind].inc()
        return seconds

    def _seconds_to_wait(self, caller: str, kind: str) -> int:
        with self._lock:
            quota = self._quotas.get((caller, kind))
            if quota and quota.is_valid(self._clock()):
                return self._consume(quota)
        quota = self._link.attempt(lambda: self._reserve_quota(caller, kind), fallback=None)
        if quota is None:
            return self._count_locally(caller, kind)
        with self._lock:
            # Another thread may have stored a quota in the meantime.
            other = self._quotas.get((caller, kind))
            if other and other.is_valid(self._clock()):
                quota.calls_left += other.calls_left
            self._quotas[caller, kind] = quota
            return self._consume(quota)

    def _consume(self, quota: _Quota) -> int:
        if quota.calls_left > 0:
            quota.calls_left -= 1
            return 0
        return max(math.ceil(quota.expires_at - self._clock()), 1)

    def _reserve_quota(self, caller: str, kind: str) -> _Quota:
        limit, sent_at = self._limits[kind], self._clock()
        reply = self._reserve(
            keys=[f"butaca:limits:{limit.key_for(caller, kind)}"],
            args=[limit.amount, QUOTA_DIVISOR, limit.get_expiry() * 1000],
        )
        calls, left_ms = cast("list[int]", reply)
        return _Quota(calls, sent_at + left_ms / 1000, is_exhausted=calls == 0)

    def _count_locally(self, caller: str, kind: str) -> int:
        limit = self._limits[kind]
        # `limits` starts a timer at the first hit, and two timers at two concurrent first hits.
        with self._lock:
            if self._local_limiter.hit(limit, caller, kind):
                return 0
        stats = self._local_limiter.get_window_stats(limit, caller, kind)
        return max(math.ceil(stats.reset_time - time.time()), 1)
