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

# Takes a share of what is left in the window; returns it, and the time left in the window in ms.
_TAKE = """
local limit = tonumber(ARGV[1])
local taken = tonumber(redis.call("GET", KEYS[1]) or 0)
local share = math.max(math.ceil((limit - taken) / tonumber(ARGV[2])), 0)
if share > 0 then
  redis.call("INCRBY", KEYS[1], share)
  if taken == 0 then redis.call("PEXPIRE", KEYS[1], ARGV[3]) end
end
return {share, redis.call("PTTL", KEYS[1])}
"""

SHARES = 50
"""A process takes 1/SHARES of what is left at a time: the less is left, the smaller the share."""

CALLERS = 10_000
"""The number of callers whose shares a process remembers."""


@dataclass(slots=True)
class _Share:
    """The calls left to a caller in this process until the window ends, or a refusal until then.

    Times are those of the clock of the limits.
    """

    calls: int
    until: float
    is_refusal: bool

    def decides(self, now: float) -> bool:
        """Return whether this share decides a call, without asking Redis."""
        return now < self.until and (self.calls > 0 or self.is_refusal)


class RateLimits:
    """Limits such as `600/minute`, one for reads and one for writes, per caller.

    A process takes a fiftieth of what is left of a limit from Redis, and does not ask again until
    that is used. No caller gets more than the limit over all pods; few get less.
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
        self._take = link.client.register_script(_TAKE)
        self._shares: LRUCache[tuple[str, str], _Share] = LRUCache(CALLERS)
        self._lock = Lock()
        refused = Counter(
            "butaca_rate_limited",
            "Calls refused because their caller exceeded a rate limit.",
            ("kind",),
            registry=registry,
        )
        self._refused = {kind: refused.labels(kind) for kind in self._limits}
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, caller: str, kind: str) -> int:
        """Count a call of a kind (`read` or `write`); return 0, or the seconds to wait."""
        if seconds := self._seconds_to_wait(caller, kind):
            self._refused[kind].inc()
        return seconds

    def _seconds_to_wait(self, caller: str, kind: str) -> int:
        with self._lock:
            share = self._shares.get((caller, kind))
            if share and share.decides(self._clock()):
                return self._use(share)
        fresh = self._link.attempt(lambda: self._take_share(caller, kind), otherwise=None)
        if fresh is None:
            return self._count_alone(caller, kind)
        with self._lock:
            # Another thread may have stored a share in the meantime.
            held = self._shares.get((caller, kind))
            if held and held.decides(self._clock()):
                fresh.calls += held.calls
            self._shares[caller, kind] = fresh
            return self._use(fresh)

    def _use(self, share: _Share) -> int:
        if share.calls > 0:
            share.calls -= 1
            return 0
        return max(math.ceil(share.until - self._clock()), 1)

    def _take_share(self, caller: str, kind: str) -> _Share:
        limit, asked = self._limits[kind], self._clock()
        answer = self._take(
            keys=[f"butaca:limits:{limit.key_for(caller, kind)}"],
            args=[limit.amount, SHARES, limit.get_expiry() * 1000],
        )
        calls, milliseconds = cast("list[int]", answer)
        return _Share(calls, asked + milliseconds / 1000, is_refusal=calls == 0)

    def _count_alone(self, caller: str, kind: str) -> int:
        limit = self._limits[kind]
        # `limits` starts a timer at the first hit, and two timers at two concurrent first hits.
        with self._lock:
            if self._own.hit(limit, caller, kind):
                return 0
        left = self._own.get_window_stats(limit, caller, kind).reset_time - time.time()
        return max(math.ceil(left), 1)
