"""How often somebody may call: counted over all pods, and per process while Redis is away."""

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

# Take a share of what is left of the window; tell it, and the milliseconds that the window lasts.
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
"""A process takes so small a part of what is left at a time: the less is left, the fewer calls."""

CALLERS = 10_000
"""Of how many each process knows what is left of their share."""


@dataclass(slots=True)
class _Share:
    """How many calls are left to somebody here until the window ends, or that none is anywhere.

    Times are those of the clock that the limits go by.
    """

    calls: int
    until: float
    is_refusal: bool

    def decides(self, now: float) -> bool:
        """Tell whether nobody else needs to be asked."""
        return now < self.until and (self.calls > 0 or self.is_refusal)


class RateLimits:
    """Limits such as `600/minute`, one for reads and one for writes, for each caller apart.

    A process takes a fiftieth of what is left of a limit from Redis at a time, and then asks nobody
    until that is used: no caller gets more than the limit over all pods, and few get less.
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
            "Calls that were refused because their caller had made too many.",
            ("kind",),
            registry=registry,
        )
        self._refused = {kind: refused.labels(kind) for kind in self._limits}
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, caller: str, kind: str) -> int:
        """Count one call of a kind (`read` or `write`); return 0, or the seconds to wait."""
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
            # Another thread may have come back with a share meanwhile.
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
        with self._lock:  # `limits` starts a timer at the first hit, and twice at two first hits.
            if self._own.hit(limit, caller, kind):
                return 0
        left = self._own.get_window_stats(limit, caller, kind).reset_time - time.time()
        return max(math.ceil(left), 1)
