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

from butaca.adapters.deadline import cap_timeout
from butaca.adapters.resolver import Resolver, address_timeout, connect_to_any

MIN_ADDRESS_TIMEOUT = 0.25
"""The minimum timeout per address, in seconds, as in RFC 8305, section 5."""

_resolver = Resolver()


class _DeadlineReader(io.RawIOBase):
    """A stream over a socket. Reads raise TimeoutError at the deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = sock.makefile("rb", buffering=0)
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(cap_timeout(self._timeout))
        return self._bytes.readinto(buffer)

    def close(self) -> None:
        self._bytes.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_DeadlineReader(sock))


class _Connection(HTTPConnection):
    response_class = _Response

    # Private, but also the extension point of urllib3's own SOCKS connections. Overriding `connect`
    # would not help: it includes TLS, and has one timeout for all addresses.
    def _new_conn(self) -> socket.socket:
        """Return a connected socket with a timeout for a TLS handshake. Raises urllib3's errors."""
        try:
            # Unlike `host`, `_dns_host` keeps a trailing dot, which skips the search list.
            addresses = _resolver.addresses(self._dns_host, self.port, self.timeout)
            return _with_handshake_timeout(connect_to_any(addresses, self._connect), self.timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} was not reached in time") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def _connect(self, address: str, remaining: int) -> socket.socket:
        timeout = address_timeout(self.timeout, remaining, MIN_ADDRESS_TIMEOUT)
        return create_connection(
            (address, self.port), timeout, self.source_address, self.socket_options
        )


class _SecureConnection(_Connection, HTTPSConnection):
    pass


def _with_handshake_timeout(sock: socket.socket, timeout: float | None) -> socket.socket:
    """Limit the TLS handshake to the time left: `ssl` applies the timeout to all of its reads."""
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
