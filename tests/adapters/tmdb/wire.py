"""A server that sends exactly the bytes of a test, including those the sandbox never sends."""

import socket
from contextlib import suppress
from ssl import SSLContext
from threading import Event, Thread

OK = b"HTTP/1.1 200 OK\r\n"
STATUS_503 = b"HTTP/1.1 503 Service Unavailable\r\n"


class Wire:
    """Sends `answer` on every connection, closes it, and records the request.

    With `drip` it waits for this many seconds after each byte.
    """

    def __init__(self, tls: SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        if tls:
            self._listener = tls.wrap_socket(self._listener, server_side=True)
        host, port = self._listener.getsockname()
        self.url = f"{'https' if tls else 'http'}://{host}:{port}"
        self.answer = b""
        self.drip: float | None = None
        self.requests: list[bytes] = []
        self._over = Event()
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):  # Nothing else wakes up a thread that waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._over.is_set():
            with suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        self.requests.append(connection.recv(65536))
        if self.drip is None:
            connection.sendall(self.answer)
            return
        for byte in self.answer:
            connection.sendall(bytes([byte]))
            self._over.wait(self.drip)
