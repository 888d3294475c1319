"""Connections that stop reading at a deadline, however slowly the bytes drip.

A read timeout bounds each wait for the next bytes, not their sum: a server that sends one byte
a second could hold its caller for hours. Here every wait is cut to what is left of the deadline.
"""

import http.client
import io
import socket
from typing import Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from butaca.adapters.deadline import seconds_left


class _Reader(io.RawIOBase):
    """The bytes that a socket receives before the deadline. Raises TimeoutError at it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = sock.makefile("rb", buffering=0)
        self._longest_wait = sock.gettimeout() or float("inf")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if (left := seconds_left()) <= 0:
            raise TimeoutError("the deadline has passed")
        wait = min(left, self._longest_wait)
        self._sock.settimeout(None if wait == float("inf") else wait)
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


class _SecureConnection(HTTPSConnection):
    response_class = _Response


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
