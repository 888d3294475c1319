"""Clients that send requests continuously: `python -m benchmarks.load_clients PORT 16 1.5`.

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
class LoadClient:
    """A client that sends one request after the other, and reconnects only when it must."""

    port: int
    selector: selectors.BaseSelector
    seconds: list[float] = field(default_factory=list)
    bad: int = 0
    reconnected: int = 0
    _sock: socket.socket | None = None
    _sent_at: float = 0.0
    _received: bytes = b""

    def send_request(self) -> None:
        """Send the request, over a new connection if there is none."""
        self._received, self._sent_at = b"", time.perf_counter()
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(self._sock, selectors.EVENT_READ, self)
        self._sock.sendall(REQUEST)

    def receive(self) -> None:
        """Read what has arrived; once the response is complete, send the next request."""
        assert self._sock
        chunk = self._sock.recv(262_144)
        self._received += chunk
        if not chunk:
            self._disconnect()
            self.send_request()
        elif is_complete(self._received):
            self.seconds.append(time.perf_counter() - self._sent_at)
            self.bad += not self._received.startswith(b"HTTP/1.1 200")
            if b"connection: close" in self._received[:2000].lower():
                self._disconnect()
            self.send_request()

    def _disconnect(self) -> None:
        assert self._sock
        self.selector.unregister(self._sock)
        self._sock.close()
        self._sock = None
        self.reconnected += 1


def is_complete(response: bytes) -> bool:
    """Return whether a response, with a length or chunked, is complete."""
    head, found, body = response.partition(b"\r\n\r\n")
    _, has_length, rest = head.lower().partition(b"content-length:")
    if has_length:
        return bool(found) and len(body) >= int(rest.split(b"\r\n", 1)[0])
    return bool(found) and body.endswith(b"0\r\n\r\n")


def run(port: int, connections: int, seconds: float) -> list[LoadClient]:
    """Run this many clients for this many seconds."""
    selector = selectors.DefaultSelector()
    clients = [LoadClient(port, selector) for _ in range(connections)]
    for client in clients:
        client.send_request()
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        for key, _ in selector.select(left):
            key.data.receive()
    return clients


if __name__ == "__main__":
    clients = run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    json.dump(
        {
            "seconds": [each.seconds for each in clients],
            "bad": sum(each.bad for each in clients),
            "reconnected": sum(each.reconnected for each in clients),
        },
        sys.stdout,
    )
