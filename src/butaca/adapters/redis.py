"""The one link to Redis, and what happens while it is cut."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

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
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._is_up = True
        self._next_try = 0.0

    def attempt(self, call: Callable[[], T], otherwise: T) -> T:
        """Return what the call returns, or `otherwise` while Redis is away."""
        if not self._may_try():
            return otherwise
        try:
            result = call()
        except (RedisError, OSError) as error:
            self._went_down(error)
            return otherwise
        self._came_up()
        return result

    def _may_try(self) -> bool:
        """While the link is down let one thread try again per rest, and only that one."""
        if self._is_up:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._rest
            return True

    def _went_down(self, error: Exception) -> None:
        with self._lock:
            was_up, self._is_up = self._is_up, False
            self._next_try = self._clock() + self._rest
        if was_up:
            log.error("redis.went_away", extra={"reason": type(error).__name__})

    def _came_up(self) -> None:
        with self._lock:
            was_up, self._is_up = self._is_up, True
        if not was_up:
            log.warning("redis.came_back")
