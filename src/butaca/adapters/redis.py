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
    """Return a time as Redis expects it, rounded up, because Redis rejects 0."""
    return math.ceil(seconds * 1000)


class RedisLink:
    """A Redis that may be unreachable, hang, or refuse writes, without failing any request.

    A call takes at most `timeout` seconds. After a failure, no call is made for `rest` seconds, so
    that a hung server costs only one request its timeout.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 0.1,
        rest: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # By default, redis-py retries ten times.
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._breaker = CircuitBreaker(rest, longest_try=rest, clock=clock)

    @property
    def is_up(self) -> bool:
        """Whether the last call to Redis succeeded."""
        return self._breaker.is_up

    def attempt(self, call: Callable[[], T], otherwise: T) -> T:
        """Return the result of the call, or `otherwise` while Redis is unavailable."""
        if not self._breaker.allows_call():
            return otherwise
        try:
            result = call()
        except (RedisError, OSError) as error:
            self._went_down(error)
            return otherwise
        self._came_up()
        return result

    def _went_down(self, error: Exception) -> None:
        if self._breaker.failed():
            log.error("redis.went_away", extra={"reason": type(error).__name__})

    def _came_up(self) -> None:
        if self._breaker.succeeded():
            log.warning("redis.came_back")
