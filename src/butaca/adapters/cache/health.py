"""The cooldown of upstream after a failure, and the single probe that ends it."""

import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from butaca.adapters.cache.memory import MemoryCache
from butaca.adapters.redis import RedisLink, milliseconds

# Both keys have the same hash tag, so that they share a slot in a Redis Cluster, as the script
# requires.
RESTING = "butaca:{tmdb}:resting"
"""While this key exists, nothing is sent: upstream is cooling down, or being probed."""

AILING = "butaca:{tmdb}:ailing"
"""While this key exists, the last call failed, and only one probe at a time is sent."""

AILING_SECONDS = 3600

NONSENSE = 512
"""The maximum number of individual calls in a cooldown at a time."""

# Returns the time left, and whether the reason is a probe, the caller's or another's.
_CLAIM = """
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
    local why = redis.pcall('GET', KEYS[1])
    return {left, type(why) == 'string' and why or ''}
end
if redis.call('PTTL', KEYS[2]) == -2 then return {0, ''} end
redis.call('SET', KEYS[1], 'probe', 'PX', ARGV[1])
return {0, 'probe'}
"""


class SharedHealth:
    """The health of upstream, shared by all pods; per process while Redis is unavailable.

    After a failure, nothing is sent for `cooldown` seconds. Then one caller may try, for at most
    `probe` seconds. If it succeeds, everybody may call again; if it fails, the cooldown starts
    again. A call whose own answer is invalid gets a cooldown of its own, in this process only. If
    TMDB rejects our key, the cooldown is for this process alone: other pods may have a valid key.
    """

    def __init__(
        self,
        link: RedisLink,
        cooldown: float,
        probe: float,
        clock: Callable[[], float] = time.monotonic,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._link = link
        self._claim = link.client.register_script(_CLAIM)
        self._cooldown = cooldown
        self._probe = probe
        self._clock = clock
        self._lock = threading.Lock()
        self._rests_until = 0.0
        self._refused_until = 0.0
        self._is_ailing = False
        self._is_known_to_ail = False
        self._verdicts = 0
        self._nonsense = MemoryCache(NONSENSE, cooldown, clock)
        self._cooldowns = Counter(
            "butaca_tmdb_cooldowns", "Cooldowns started by this process.", registry=registry
        )

    @property
    def is_up(self) -> bool:
        """Whether the last call of this process was answered."""
        return not self._is_ailing

    def seconds_of_rest(self, key: str) -> float:
        """Return how long a call must wait, as far as this process knows."""
        nonsense = self._nonsense.get(key)
        alone = self._cooldown - nonsense.age if nonsense else 0.0
        return max(self._own_rest(), alone)

    def claim(self, *, is_calm: bool = False) -> float:
        """Return 0 if the caller may call now, or the seconds to wait; skip Redis if `is_calm`."""
        if is_calm:
            return self._own_rest()
        if left := self._seconds_until(self._refused_until):
            return left
        verdicts = self._verdicts
        claimed = self._link.attempt(self._claim_for_all, otherwise=None)
        if claimed is None:
            return self._claim_here()
        left, is_probed = claimed
        with self._lock:
            self._is_known_to_ail |= left == 0 and is_probed
            # A verdict of this process in the meantime is newer than the answer of Redis.
            if verdicts == self._verdicts:
                # A probe may end at any moment, so the time left must not be remembered.
                self._rests_until = self._clock() + (0.0 if is_probed else left)
        return left

    def failed(self) -> None:
        """Start a cooldown for all pods."""
        with self._lock:
            self._verdicts += 1
            self._is_ailing = self._is_known_to_ail = True
            self._rests_until = self._clock() + self._cooldown
        self._cooldowns.inc()
        self._link.attempt(self._tell_failure, otherwise=None)

    def refused(self) -> None:
        """Start a cooldown for this process alone."""
        with self._lock:
            self._is_ailing = True
            self._refused_until = self._clock() + self._cooldown
        self._cooldowns.inc()

    def answered_nonsense(self, key: str) -> None:
        """Start a cooldown for one call, and end that of all others."""
        self._nonsense.put(key, None)
        self.answered()

    def answered(self) -> None:
        """End the cooldown; update Redis only if a failure was known to this process."""
        with self._lock:
            self._verdicts += 1
            was_known, self._is_known_to_ail = self._is_known_to_ail, False
            self._is_ailing = False
            self._rests_until = self._refused_until = 0.0
        if was_known:
            self._link.attempt(self._tell_recovery, otherwise=None)

    def _own_rest(self) -> float:
        return self._seconds_until(max(self._rests_until, self._refused_until))

    def _seconds_until(self, moment: float) -> float:
        return max(moment - self._clock(), 0.0)

    def _claim_for_all(self) -> tuple[float, bool]:
        keys, args = [RESTING, AILING], [milliseconds(self._probe)]
        left_ms, why = self._claim(keys=keys, args=args)
        return left_ms / 1000, why == b"probe"

    def _claim_here(self) -> float:
        with self._lock:
            if left := self._seconds_until(self._rests_until):
                return left
            if self._is_ailing:
                self._rests_until = self._clock() + self._probe
            return 0.0

    def _tell_recovery(self) -> None:
        self._link.client.delete(RESTING, AILING)

    def _tell_failure(self) -> None:
        pipeline = self._link.client.pipeline()
        pipeline.set(AILING, b"", px=milliseconds(AILING_SECONDS))
        pipeline.set(RESTING, b"", px=milliseconds(self._cooldown))
        pipeline.execute()
