"""How often somebody may call: counted over all pods, and per process while Redis is away."""

import math
import time

from limits import parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from butaca.adapters.redis import RedisLink


class RateLimits:
    """Limits such as `600/minute`, one for reads and one for writes, for each caller apart."""

    def __init__(self, link: RedisLink, url: str, *, reads: str, writes: str) -> None:
        self._link = link
        self._limits = {"read": parse(reads), "write": parse(writes)}
        pool = link.client.connection_pool
        self._shared = FixedWindowRateLimiter(
            RedisStorage(url, connection_pool=pool, key_prefix="butaca:limits")
        )
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, caller: str, kind: str) -> int:
        """Count one call of a kind (`read` or `write`); return 0, or the seconds to wait."""
        wait = self._link.attempt(lambda: self._count(self._shared, caller, kind), otherwise=None)
        return self._count(self._own, caller, kind) if wait is None else wait

    def _count(self, limiter: RateLimiter, caller: str, kind: str) -> int:
        limit = self._limits[kind]
        if limiter.hit(limit, caller, kind):
            return 0
        left = limiter.get_window_stats(limit, caller, kind).reset_time - time.time()
        return max(math.ceil(left), 1)
