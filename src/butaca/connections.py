"""Limits on the number of connections, their timeouts, and announcements of a close."""

import os
import resource
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

MAX_CONNECTIONS, OTHER_FILES = 4096, 256
"""The maximum number of connections per worker, idle or not; file descriptors for other uses."""

HEADERS_TIMEOUT = 10.0
"""In seconds, for the headers of a request. It also applies to idle connections."""

SEND_TIMEOUT = 10.0
"""In seconds, for a client that does not acknowledge any data of its response."""

STALL_TIMEOUT, CHECK_INTERVAL = 30.0, 2.0
"""In seconds, for connections on which the server has sent nothing, and how often to check.

Most connections do not reach this age: their headers time out, or they get a response. Those that
do have sent part of a body, and the server waits for the rest even after it has responded.
"""

_LAST_DATA_SENT = 44  # tcpi_last_data_sent in struct tcp_info of <linux/tcp.h>, in milliseconds
_ESTABLISHED = 1


class CloseAnnouncer:
    """WSGI middleware that announces when an unread body closes a connection (RFC 9112, 9.6).

    If the app responds before the body has been read, the server closes the connection unless the
    rest happens to have arrived. Without the announcement, the client's next request would be lost.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Handle a request."""
        if not _has_body(environ):
            return self._app(environ, start_response)
        body = environ["wsgi.input"] = _Body(environ["wsgi.input"])

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[..., object]:
            close = [] if body.is_read else [("Connection", "close")]
            return start_response(status, [*headers, *close], *rest)

        return self._app(environ, start)


class _Body:
    """A request body that records whether it has been read to its end. Flask only calls `read`."""

    def __init__(self, stream: "InputStream") -> None:
        self._stream = stream
        self.is_read = False

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self.is_read = size < 0 or not chunk
        return chunk


def _has_body(environ: "WSGIEnvironment") -> bool:
    length = environ.get("CONTENT_LENGTH", "")
    return length not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def raise_file_limit() -> int:
    """Raise the limit on open files if needed; return the number of connections that it allows.

    With more connections than file descriptors, Granian would retry to accept in an endless loop.
    """
    wanted = MAX_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MAX_CONNECTIONS, soft - OTHER_FILES)


def set_tcp_options(listener: socket.socket) -> None:
    """Disable Nagle's algorithm, and limit the wait for acknowledgments (RFC 5482).

    Accepted connections inherit these options. Granian sends headers and body in two writes. With
    Nagle's algorithm, the second would wait for the acknowledgment of the first, which may take
    40 ms.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":  # pragma: no branch - the tests run on Linux
        milliseconds = int(SEND_TIMEOUT * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def start_closing_stalled(port: int) -> None:
    """Start a thread that closes stalled connections of this process to a port. Linux only."""
    if sys.platform == "linux":  # pragma: no branch - the tests run on Linux
        Thread(target=_close_stalled, args=(port,), daemon=True).start()


def _close_stalled(port: int) -> None:
    while True:
        time.sleep(CHECK_INTERVAL)
        with suppress(OSError):  # If too many files are open, the next check may succeed.
            _shut_down_stalled(port)


def _shut_down_stalled(port: int) -> None:
    for sock in _accepted_connections(port):
        with sock, suppress(OSError):
            if _is_established(sock) and _seconds_since_sent(sock) > STALL_TIMEOUT:
                sock.shutdown(socket.SHUT_RDWR)


def _accepted_connections(port: int) -> Iterator[socket.socket]:
    """Yield a duplicate of each connection to a port. Shutting it down affects the original.

    The caller must close the duplicates. They are found among the open files, because Granian gives
    an app access to neither the connection nor the port of its client.
    """
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are numbers
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                sock = socket.socket(fileno=os.dup(int(name)))
                if sock.family != socket.AF_UNIX and sock.getsockname()[1] == port:
                    yield sock
                else:
                    sock.close()


def _is_established(sock: socket.socket) -> bool:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return info[0] == _ESTABLISHED


def _seconds_since_sent(sock: socket.socket) -> float:
    """Return the time since data was last sent, or since the connection was opened, in seconds."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT + 4)
    return float(struct.unpack_from("I", info, _LAST_DATA_SENT)[0] / 1000)
