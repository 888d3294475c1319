"""Clients that send requests continuously: `python -m benchmarks.crowd PORT 16 1.5`.

Each client has one connection. They run in a separate process, so that they take no time from the
server's interpreter. The process prints JSON: the seconds of each response by connection, the
number of responses other than 200, and the number of reconnects.
"""

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

from tests.builders import CONSUMER_TOKEN

REQUEST = (
    "GET /api/v1/movies/popular HTTP/1.1\r\nHost: butaca\r\n"
    f"Authorization: Bearer {CONSUMER_TOKEN}\r\n\r\n"
).encode()


@dataclass(slots=True)
class Person:
    """A client that sends one request after the other, and reconnects only when it must."""

    port: int
    selector: selectors.BaseSelector
    seconds: list[float] = field(default_factory=list)
    bad: int = 0
    reconnected: int = 0
    _sock: socket.socket | None = None
    _asked: float = 0.0
    _got: bytes = b""

    def ask(self) -> None:
        """Send the request."""
        self._got, self._asked = b"", time.perf_counter()
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(self._sock, selectors.EVENT_READ, self)
        self._sock.sendall(REQUEST)

    def hear(self) -> None:
        """Read what has arrived; once the response is complete, send the next request."""
        assert self._sock
        piece = self._sock.recv(262_144)
        self._got += piece
        if not piece:
            self._leave()
            self.ask()
        elif is_whole(self._got):
            self.seconds.append(time.perf_counter() - self._asked)
            self.bad += not self._got.startswith(b"HTTP/1.1 200")
            if b"connection: close" in self._got[:2000].lower():
                self._leave()
            self.ask()

    def _leave(self) -> None:
        assert self._sock
        self.selector.unregister(self._sock)
        self._sock.close()
        self._sock = None
        self.reconnected += 1


def is_whole(answer: bytes) -> bool:
    """Return whether a response, with a length or chunked, is complete."""
    head, found, body = answer.partition(b"\r\n\r\n")
    _, has_length, rest = head.lower().partition(b"content-length:")
    if has_length:
        return bool(found) and len(body) >= int(rest.split(b"\r\n", 1)[0])
    return bool(found) and body.endswith(b"0\r\n\r\n")


def run(port: int, connections: int, seconds: float) -> list[Person]:
    """Run this many clients for this many seconds."""
    selector = selectors.DefaultSelector()
    people = [Person(port, selector) for _ in range(connections)]
    for person in people:
        person.ask()
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        for key, _ in selector.select(left):
            key.data.hear()
    return people


if __name__ == "__main__":
    people = run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    json.dump(
        {
            "seconds": [each.seconds for each in people],
            "bad": sum(each.bad for each in people),
            "reconnected": sum(each.reconnected for each in people),
        },
        sys.stdout,
    )
