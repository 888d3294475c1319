"""HTTP connections that observe a deadline while resolving, connecting and reading.

The timeouts of urllib3 limit single steps, not their sum: the connect timeout applies to each
address of a host, the read timeout to each wait for bytes, and name resolution has none. A host
with many dead addresses, or a server that sends one byte per second, could block a caller for
hours. Here, every step is limited to the time left until the deadline.
"""

import http.client
import io
import socket
from typing import Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from butaca.adapters.deadline import cap_timeout, seconds_left
from butaca.adapters.tmdb.lookup import Resolver

LEAST_TURN = 0.25
"""The minimum time per address, in seconds, as in RFC 8305, section 5."""

_resolver = Resolver()


class _Reader(io.RawIOBase):
    """A stream over a socket that is read until the deadline. Raises TimeoutError then."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = sock.makefile("rb", buffering=0)
        self._longest_wait = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(cap_timeout(self._longest_wait))
        return self._bytes.readinto(buffer)

    def close(self) -> None:
        self._bytes.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock))


class _Connection(HTTPConnection):
    response_class = _Response

    # Private, but also the extension point of urllib3's own SOCKS connections. `connect` would be
    # too late: it goes on to TLS, and has a single timeout for any number of addresses.
    def _new_conn(self) -> socket.socket:
        """Return a socket with a timeout for the TLS handshake, or raise the errors of urllib3."""
        try:
            # Keeps the trailing dot, which skips the search list, and which `host` lacks.
            addresses = _resolver.addresses(self._dns_host, self.port, self.timeout)
            return _hurried(self._first_to_answer(addresses), self.timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} was not reached in time") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def _first_to_answer(self, addresses: list[str]) -> socket.socket:
        for others, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            try:
                return self._meet(address, _turn(self.timeout, 1 + others))
            except OSError:
                if not others:
                    raise
        raise OSError("the host has no addresses")

    def _meet(self, address: str, timeout: float) -> socket.socket:
        return create_connection(
            (address, self.port), timeout, self.source_address, self.socket_options
        )


class _SecureConnection(_Connection, HTTPSConnection):
    pass


def _turn(timeout: float | None, turns: int) -> float:
    """Return the timeout for one address, in seconds, leaving time for the remaining ones."""
    return min(cap_timeout(timeout), max(seconds_left() / turns, LEAST_TURN))


def _hurried(sock: socket.socket, timeout: float | None) -> socket.socket:
    """Limit a handshake to the time left: `ssl` applies a timeout to all of it, not per read."""
    try:
        sock.settimeout(cap_timeout(timeout))
    except TimeoutError:
        sock.close()
        raise
    return sock


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """An `HTTPAdapter` that observes the deadline and does not retry."""

    pool_classes: ClassVar = {"http": _Pool, "https": _SecurePool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create pools of connections that observe the deadline."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pool_classes
