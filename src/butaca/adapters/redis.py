"""The connection to Redis, and what happens while it is down."""

import logging
import math
import socket
import time
from collections.abc import Callable
from contextvars import Context
from ssl import SSLSocket
from typing import TypeVar

from redis import Connection, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from urllib3.util.connection import create_connection

from butaca.adapters.circuit_breaker import CircuitBreaker
from butaca.adapters.deadline import MAX_TIMEOUT, cap_timeout, deadline_in
from butaca.adapters.resolver import Resolver, address_timeout, connect_to_any

T = TypeVar("T")
log = logging.getLogger("butaca.redis")

MIN_ADDRESS_TIMEOUT = 0.05
"""The minimum time per address, in seconds, even if it leaves no time for the others."""

_resolver = Resolver()  # Not shared with TMDB, whose lookups may hang.


def milliseconds(seconds: float) -> int:
    """Convert seconds to the unit of Redis, rounded up, because Redis rejects 0."""
    return math.ceil(seconds * 1000)


class _Connection(Connection):
    """A connection whose connect timeout limits the lookup and all addresses together.

    In redis-py, the timeout applies to each address, and the lookup has none.
    """

    def _connect(self) -> socket.socket:
        # In a context of its own, because the deadline of a call to TMDB does not apply to Redis.
        sock = Context().run(self._open_in_time)
        sock.settimeout(self.socket_timeout)
        return sock

    def _open_in_time(self) -> socket.socket:
        with deadline_in(self.socket_connect_timeout or MAX_TIMEOUT):
            return self._open()

    def _open(self) -> socket.socket:
        addresses = _resolver.addresses(self.host, self.port, timeout=None)
        return connect_to_any(addresses, self._connect_to)

    def _connect_to(self, address: str, remaining: int) -> socket.socket:
        timeout = address_timeout(None, remaining, MIN_ADDRESS_TIMEOUT)
        return create_connection(
            (address, self.port), timeout, socket_options=self._socket_options()
        )

    def _socket_options(self) -> list[tuple[int, int, int | bytes]]:
        """Return the options that redis-py sets."""
        keepalive = self.socket_keepalive_options.items()
        return [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(self.socket_keepalive)),
            *((socket.IPPROTO_TCP, option, value) for option, value in keepalive),
        ]


class _SecureConnection(_Connection, SSLConnection):
    """A connection over TLS, whose connect timeout also limits the handshake."""

    def _open(self) -> socket.socket:
        sock = super()._open()
        try:
            sock.settimeout(cap_timeout(None))
            secure: SSLSocket = self._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        except (OSError, RedisError):
            sock.close()
            raise
        return secure


class RedisLink:
    """A Redis that may be unreachable, hang, or refuse writes, without failing any request.

    Two things take at most `timeout` seconds each: to connect, which includes the name lookup, all
    addresses and the TLS handshake, but not loading the CA certificates; and every wait for data
    from the server. A server that hangs thus delays a call by at most two timeouts. After a
    failure, no call starts for `cooldown` seconds. Only calls that have already started are also
    delayed.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 0.1,
        cooldown: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # By default, redis-py retries ten times, and a server can extend the timeout to 10 s.
        self.client: Redis = Redis.from_url(
            url,
            connection_class=_SecureConnection if url.startswith("rediss:") else _Connection,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
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
