"""The connection to Redis, and what happens while it is down."""

import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from butaca.adapters.circuit_breaker import CircuitBreaker

T = TypeVar("T")
log = logging.getLogger("butaca.redis")


def milliseconds(seconds: float) -> int:
    """Convert seconds to the unit of Redis, rounded up, because Redis rejects 0."""
    return math.ceil(seconds * 1000)


class RedisLink:
    """A Redis that may be unreachable, hang, or refuse writes, without failing any request.

    A call takes at most `timeout` seconds. After a failure, no call is made for `cooldown` seconds,
    so that a server that hangs costs only one request its timeout.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 0.1,
        cooldown: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # By default, redis-py retries ten times.
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._breaker = CircuitBreaker(cooldown, probe_timeout=cooldown, clock=clock)

    @property
    def is_up(self) -> bool:
        """Whether the last call to Redis succeeded."""
        return self._breaker.is_up

    def attempt(self, call: Callable[[], T], fallback: T) -> T:
        """Return the result of the call, or `fallback` while Redis is unavailable."""
        if not self._breaker.allows_call():
            return fallback
        try:
            result = call()
        except (RedisError, OSError) as error:
            self._record_failure(error)
            return fallback
        self._record_success()
        return result

    def _record_failure(self, error: Exception) -> None:
        if self._breaker.record_failure():
            log.error("redis.unavailable", extra={"reason": type(error).__name__})

    def _record_success(self) -> None:
        if self._breaker.record_success():
            log.warning("redis.recovered")
