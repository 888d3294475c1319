"""The one link to Redis, and what happens while it is cut."""

import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from butaca.adapters.rest import Rest

T = TypeVar("T")
log = logging.getLogger("butaca.redis")


def milliseconds(seconds: float) -> int:
    """Return a time as Redis takes it; rounded up, for 0 is what Redis refuses."""
    return math.ceil(seconds * 1000)


class RedisLink:
    """A Redis that may be away, hang, or refuse to write, without costing anybody a request.

    A call takes at most `timeout` seconds. After one that fails none is made for `rest`
    seconds, so that a hung server costs one request its timeout, and not each of them.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 0.1,
        rest: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # redis-py retries ten times unless it is told otherwise.
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._rest = Rest(rest, longest_try=rest, clock=clock)

    @property
    def is_up(self) -> bool:
        """Whether Redis answered when it was called last."""
        return self._rest.is_up

    def attempt(self, call: Callable[[], T], otherwise: T) -> T:
        """Return what the call returns, or `otherwise` while Redis is away."""
        if not self._rest.may_try():
            return otherwise
        try:
            result = call()
        except (RedisError, OSError) as error:
            self._went_down(error)
            return otherwise
        self._came_up()
        return result

    def _went_down(self, error: Exception) -> None:
        if self._rest.failed():
            log.error("redis.went_away", extra={"reason": type(error).__name__})

    def _came_up(self) -> None:
        if self._rest.succeeded():
            log.warning("redis.came_back")
