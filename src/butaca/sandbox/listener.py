"""The HTTP server: threads and sockets, and stopping them immediately."""

import socket
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any, Protocol

from butaca.sandbox.active_faults import AppliedFault
from butaca.sandbox.responses import Response
from butaca.sandbox.wire import send

THREAD_JOIN_TIMEOUT = 5.0


class CallHandler(Protocol):
    """The handler of calls."""

    def handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Response, AppliedFault | None]:
        """Return the response, and the fault that applies to its transmission."""


class ConnectionHandler(BaseHTTPRequestHandler):
    """A connection and its calls."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Listener"

    def handle_call(self) -> None:
        """Respond to a call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        response, applied = self.server.call_handler.handle(self.command, self.path, headers, body)
        if not send(self.connection, response, applied):
            self.close_connection = True

    do_GET = do_PUT = do_DELETE = handle_call  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: the call counter serves that purpose."""


class Listener(ThreadingHTTPServer):
    """A server with one thread per connection."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], call_handler: CallHandler) -> None:
        """Bind the address. Raises OSError if it is in use."""
        self.call_handler = call_handler
        self._connections: dict[Thread, socket.socket] = {}
        super().__init__(address, ConnectionHandler)

    def server_bind(self) -> None:
        """Bind without the reverse DNS lookup of HTTPServer."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, and keep track of both."""
        thread = Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._remove_finished_threads()
        self._connections[thread] = request
        thread.start()

    def _remove_finished_threads(self) -> None:
        # A thread must not remove itself: `close_connections` has to join it until it has ended.
        for thread in [thread for thread in self._connections if not thread.is_alive()]:
            del self._connections[thread]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected clients; print the traceback of every other error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close_connections(self) -> None:
        """Close every connection, even if idle, and wait for their threads.

        The server must not be listening anymore.
        """
        for thread, connection in self._connections.items():
            _shut_down(connection)
            thread.join(THREAD_JOIN_TIMEOUT)


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
