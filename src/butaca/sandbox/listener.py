"""The HTTP server: threads and sockets, and how to stop them at once."""

import socket
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any, Protocol

from butaca.sandbox.answers import Answer
from butaca.sandbox.breakage import Strike
from butaca.sandbox.wire import send

LONGEST_FAREWELL = 5.0


class Desk(Protocol):
    """The handler of calls."""

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, Strike | None]:
        """Return the response, and the fault that applies to its transmission."""


class Exchange(BaseHTTPRequestHandler):
    """A connection and its calls."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Listener"

    def answer(self) -> None:
        """Respond to a call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer, strike = self.server.desk.answer(self.command, self.path, headers, body)
        if not send(self.connection, answer, strike):
            self.close_connection = True

    do_GET = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: the call counter serves that purpose."""


class Listener(ThreadingHTTPServer):
    """A server with one thread per connection."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], desk: Desk) -> None:
        """Bind the address. Raises OSError if it is in use."""
        self.desk = desk
        self._open: dict[Thread, socket.socket] = {}
        super().__init__(address, Exchange)

    def server_bind(self) -> None:
        """Bind without the reverse DNS look-up of HTTPServer."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, and keep track of both."""
        thread = Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._forget_who_is_gone()
        self._open[thread] = request
        thread.start()

    def _forget_who_is_gone(self) -> None:
        # Not in the threads themselves: `hang_up` must still wait for one that is about to end.
        for thread in [thread for thread in self._open if not thread.is_alive()]:
            del self._open[thread]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected clients; print the traceback of every other error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """Close every connection, even if idle, and wait for their threads.

        The server must not be listening any more.
        """
        for thread, connection in self._open.items():
            _shut(connection)
            thread.join(LONGEST_FAREWELL)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
