"""The cooldown of upstream after a failure, and the single probe that ends it."""

import threading
import time
from collections.abc import Callable
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter

from butaca.adapters.cache.memory import MemoryCache
from butaca.adapters.redis import RedisLink, milliseconds

# Both keys have the same hash tag, so that they share a slot in a Redis Cluster, as the script
# requires.
COOLDOWN_KEY = "butaca:{tmdb}:cooldown"
"""While this key exists, no call is made: upstream is cooling down, or being probed."""

UNHEALTHY_KEY = "butaca:{tmdb}:unhealthy"
"""While this key exists, the last call failed, and only one probe at a time is allowed."""

UNHEALTHY_SECONDS = 3600

MAX_INVALID_CALLS = 512
"""The maximum number of individual calls in a cooldown at a time."""

# Returns the time left in ms, and the ID of the probe in flight or just granted, if any.
_CLAIM = """
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
    local reason = redis.pcall('GET', KEYS[1])
    return {left, type(reason) == 'string' and reason or ''}
end
if redis.call('PTTL', KEYS[2]) == -2 then return {0, ''} end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
return {0, ARGV[2]}
"""

# Ends a probe, unless it has expired: then the key is that of another probe or of a cooldown.
_END_PROBE = """
if redis.pcall('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


class SharedHealth:
    """The health of upstream, shared by all pods; per process while Redis is unavailable.

    After a failure, no call is made for `cooldown` seconds. Then a single probe is allowed, for at
    most `probe_timeout` seconds. If it succeeds, all callers may call again; if it fails, the
    cooldown starts over. An invalid response starts a cooldown for that one call, in this process
    only. If TMDB rejects our API key, the cooldown applies to this process only: other pods may
    have a valid key, and one of them may probe at once.
    """

    def __init__(
        self,
        link: RedisLink,
        cooldown: float,
        probe_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._link = link
        self._claim = link.client.register_script(_CLAIM)
        self._end_probe = link.client.register_script(_END_PROBE)
        self._cooldown = cooldown
        self._probe_timeout = probe_timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._cooldown_until = 0.0
        self._api_key_rejected_until = 0.0
        self._is_unhealthy = False
        self._must_clear_redis = False
        self._probe_id = f"probe:{uuid4()}".encode()
        self._is_probing = False
        self._version = 0
        self._invalid_calls = MemoryCache(MAX_INVALID_CALLS, cooldown, clock)
        self._cooldowns = Counter(
            "butaca_tmdb_cooldowns", "Cooldowns started by this process.", registry=registry
        )

    @property
    def is_up(self) -> bool:
        """Whether the last call of this process succeeded."""
        return not self._is_unhealthy

    def cooldown_left(self, key: str) -> float:
        """Return the seconds until a call is allowed, as known to this process."""
        cooldown = self._seconds_until(max(self._cooldown_until, self._api_key_rejected_until))
        invalid = self._invalid_calls.get(key)
        call_cooldown = self._cooldown - invalid.age if invalid else 0.0
        return max(cooldown, call_cooldown)

    def claim_call(self) -> float:
        """Return 0 if the caller may call now, or the number of seconds to wait."""
        if left := self._seconds_until(self._api_key_rejected_until):
            return left
        version = self._version
        claimed = self._link.attempt(self._claim_in_redis, fallback=None)
        if claimed is None:
            return self._claim_locally()
        left, is_probe = claimed
        with self._lock:
            if left == 0 and is_probe:
                self._must_clear_redis = self._is_probing = True
            # A result recorded by this process in the meantime is newer than the reply of Redis.
            if version == self._version:
                # A probe may end at any moment, so the time left must not be cached.
                self._cooldown_until = self._clock() + (0.0 if is_probe else left)
        return left

    def record_failure(self) -> None:
        """Start a cooldown for all pods."""
        with self._lock:
            self._version += 1
            self._is_unhealthy = self._must_clear_redis = True
            self._is_probing = False
            self._cooldown_until = self._clock() + self._cooldown
        self._cooldowns.inc()
        self._link.attempt(self._store_failure, fallback=None)

    def record_rejected_api_key(self) -> None:
        """Start a cooldown for this process only, and let another pod probe."""
        with self._lock:
            self._is_unhealthy = True
            self._api_key_rejected_until = self._clock() + self._cooldown
            was_probing, self._is_probing = self._is_probing, False
        self._cooldowns.inc()
        if was_probing:
            self._link.attempt(self._end_own_probe, fallback=None)

    def record_invalid_response(self, key: str) -> None:
        """Start a cooldown for one call, and end that of all others."""
        self._invalid_calls.put(key, None)
        self.record_success()

    def record_success(self) -> None:
        """End the cooldown; update Redis only if this process knows of a failure there."""
        with self._lock:
            self._version += 1
            must_clear, self._must_clear_redis = self._must_clear_redis, False
            self._is_unhealthy = self._is_probing = False
            self._cooldown_until = self._api_key_rejected_until = 0.0
        if must_clear:
            self._link.attempt(self._clear_failure, fallback=None)

    def _seconds_until(self, moment: float) -> float:
        return max(moment - self._clock(), 0.0)

    def _claim_in_redis(self) -> tuple[float, bool]:
        keys = [COOLDOWN_KEY, UNHEALTHY_KEY]
        left_ms, reason = self._claim(
            keys=keys, args=[milliseconds(self._probe_timeout), self._probe_id]
        )
        return left_ms / 1000, reason.startswith(b"probe:")

    def _end_own_probe(self) -> None:
        self._end_probe(keys=[COOLDOWN_KEY], args=[self._probe_id])

    def _claim_locally(self) -> float:
        with self._lock:
            if left := self._seconds_until(self._cooldown_until):
                return left
            if self._is_unhealthy:
                self._cooldown_until = self._clock() + self._probe_timeout
            return 0.0

    def _clear_failure(self) -> None:
        self._link.client.delete(COOLDOWN_KEY, UNHEALTHY_KEY)

    def _store_failure(self) -> None:
        pipeline = self._link.client.pipeline()
        pipeline.set(UNHEALTHY_KEY, b"", px=milliseconds(UNHEALTHY_SECONDS))
        pipeline.set(COOLDOWN_KEY, b"", px=milliseconds(self._cooldown))
        pipeline.execute()
