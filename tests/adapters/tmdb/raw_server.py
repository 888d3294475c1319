"""A server that sends exactly the given bytes, including those that the sandbox never sends."""

import socket
from contextlib import suppress
from ssl import SSLContext
from threading import Event, Thread

OK = b"HTTP/1.1 200 OK\r\n"
STATUS_503 = b"HTTP/1.1 503 Service Unavailable\r\n"


class RawServer:
    """Records the request, sends `response` and closes the connection, again and again.

    With `byte_delay`, it waits for this many seconds after each byte.
    """

    def __init__(self, tls: SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        if tls:
            self._listener = tls.wrap_socket(self._listener, server_side=True)
        host, port = self._listener.getsockname()
        self.url = f"{'https' if tls else 'http'}://{host}:{port}"
        self.response = b""
        self.byte_delay: float | None = None
        self.requests: list[bytes] = []
        self._stopped = Event()
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        with suppress(OSError):  # Nothing else wakes up a thread that waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            with suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    self._respond(connection)

    def _respond(self, connection: socket.socket) -> None:
        self.requests.append(connection.recv(65536))
        if self.byte_delay is None:
            connection.sendall(self.response)
            return
        for byte in self.response:
            connection.sendall(bytes([byte]))
            self._stopped.wait(self.byte_delay)
