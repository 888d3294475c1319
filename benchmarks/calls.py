"""Single calls over a persistent connection, to verify responses and to time them."""

import json
import socket
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPMessage
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.testbed import AUTHORIZED
from butaca.operator_error import OperatorError


class Response(NamedTuple):
    """A response, and the seconds it took."""

    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


class Client:
    """A client that calls one origin over one connection."""

    def __init__(self, origin: str) -> None:
        self._connection = HTTPConnection(urlsplit(origin).netloc, timeout=30)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] = AUTHORIZED,
    ) -> Response:
        """Send a request and read the whole response."""
        content = None if body is None else json.dumps(body)
        content_type = {} if body is None else {"Content-Type": "application/json"}
        started = time.perf_counter()
        self._connection.request(method, path, content, {**headers, **content_type})
        response = self._connection.getresponse()
        received = response.read()
        seconds = time.perf_counter() - started
        return Response(response.status, response.headers, received, seconds)

    def get(self, path: str, headers: Mapping[str, str] = AUTHORIZED) -> Response:
        """Send a GET."""
        return self.request("GET", path, headers=headers)


class RawClient:
    """A persistent connection that parses only the status and the length of each response.

    http.client takes half a millisecond to parse the headers of a response, which would be
    measured as well.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get(self, path: str, token: str) -> None:
        """Send a GET and read the whole response. Raises OperatorError unless its status is 200."""
        message = f"GET {path} HTTP/1.1\r\nHost: butaca\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._socket.sendall(message.encode())
        head = self._receive()
        while b"\r\n\r\n" not in head:
            head += self._receive()
        head, _, body = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise OperatorError(f"{path}: {head.decode()}")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        missing = int(length) - len(body)
        while missing > 0:
            missing -= len(self._receive())

    def _receive(self) -> bytearray:
        if not (received := self._socket.recv(2**18)):
            raise OperatorError("The server closed the connection")
        return bytearray(received)
