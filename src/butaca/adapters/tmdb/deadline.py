"""Connections that give up at a deadline, however slowly TMDB is found, met and read.

The timeouts of urllib3 bound single steps, not their sum: a connect timeout is for each address of
a host, a read timeout for each wait for bytes, and looking the host up has none. A host with many
dead addresses, or a server that sends one byte a second, could hold its caller for hours. Here
every step is cut to what is left of the deadline.
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

from butaca.adapters.deadline import cut, seconds_left
from butaca.adapters.tmdb.lookup import Resolver

LEAST_TURN = 0.25
"""Seconds that an address gets, however many there are: those of RFC 8305, 5."""

_resolver = Resolver()


class _Reader(io.RawIOBase):
    """The bytes that a socket receives before the deadline. Raises TimeoutError at it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = sock.makefile("rb", buffering=0)
        self._longest_wait = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(cut(self._longest_wait))
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

    # Private, and yet where urllib3's own SOCKS connections step in: `connect` would be too late,
    # it goes on to TLS, and has but one timeout for any number of addresses.
    def _new_conn(self) -> socket.socket:
        """Return a socket with a timeout for its TLS handshake, or raise what urllib3 would."""
        try:
            # With the dot at its end, which spares the search list, and which `host` has lost.
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
        raise OSError("a host without addresses")

    def _meet(self, address: str, timeout: float) -> socket.socket:
        return create_connection(
            (address, self.port), timeout, self.source_address, self.socket_options
        )


class _SecureConnection(_Connection, HTTPSConnection):
    pass


def _turn(timeout: float | None, turns: int) -> float:
    """Return the seconds for one address, so that it does not use up the turns of the others."""
    return min(cut(timeout), max(seconds_left() / turns, LEAST_TURN))


def _hurried(sock: socket.socket, timeout: float | None) -> socket.socket:
    """Give a handshake what is left: `ssl` takes a timeout for the whole of it, not per read."""
    try:
        sock.settimeout(cut(timeout))
    except TimeoutError:
        sock.close()
        raise
    return sock


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """An `HTTPAdapter` of requests that honors the deadline, and never retries by itself."""

    pool_classes: ClassVar = {"http": _Pool, "https": _SecurePool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools out of connections that honor the deadline."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pool_classes
