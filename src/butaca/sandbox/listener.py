"""The HTTP server: threads and sockets, and how to be rid of them at once."""

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
    """Who knows the answers."""

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, Strike | None]:
        """Return the answer, and what strikes it on its way."""


class Exchange(BaseHTTPRequestHandler):
    """One connection, and the calls that come over it one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Listener"

    def answer(self) -> None:
        """Answer one call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer, strike = self.server.desk.answer(self.command, self.path, headers, body)
        if not send(self.connection, answer, strike):
            self.close_connection = True

    do_GET = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay quiet: whoever wants to know who called reads the counter."""


class Listener(ThreadingHTTPServer):
    """Listens, with one thread per connection."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], desk: Desk) -> None:
        """Bind the address. Raises OSError when somebody else has it."""
        self.desk = desk
        self._open: dict[Thread, socket.socket] = {}
        super().__init__(address, Exchange)

    def server_bind(self) -> None:
        """Bind without asking the network for our name, which HTTPServer would do."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, and remember both."""
        thread = Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._forget_who_is_gone()
        self._open[thread] = request
        thread.start()

    def _forget_who_is_gone(self) -> None:
        # Not by the threads themselves: one that is about to end must still be waited for.
        for thread in [thread for thread in self._open if not thread.is_alive()]:
            del self._open[thread]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller who went away; a mistake of ours must be seen."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End every connection, idle ones too, and wait until their threads are gone.

        Nothing may be listening any longer.
        """
        for thread, connection in self._open.items():
            _shut(connection)
            thread.join(LONGEST_FAREWELL)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
