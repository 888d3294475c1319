"""Limits on the number of connections, timeouts for silent ones, and announcements of a close."""

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

MOST, OTHER_FILES = 4096, 256
"""The maximum number of connections per worker, idle or not; file descriptors for other uses."""

HEAD_SECONDS = 10.0
"""The timeout for the head of a request. It also applies to idle connections."""

SEND_SECONDS = 10.0
"""The timeout for a client that does not acknowledge any data of its response."""

SILENT_SECONDS, LOOK_SECONDS = 30.0, 2.0
"""The timeout for connections on which nothing was sent, and the interval of the check.

Most connections do not reach this age, because their heads time out, or because they are answered.
Those that do have sent part of a body, and the server waits for the rest even after it has
answered.
"""

_LAST_DATA_SENT = 44  # tcpi_last_data_sent in struct tcp_info of <linux/tcp.h>, in milliseconds
_ESTABLISHED = 1


class AnnouncedClose:
    """WSGI middleware that announces when an unread body closes a connection (RFC 9112, 9.6).

    If the app responds before the body has been read, the server closes the connection unless the
    rest happens to have arrived. An unsuspecting client would send its next request into the void.
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
            last = [] if body.is_read else [("Connection", "close")]
            return start_response(status, [*headers, *last], *rest)

        return self._app(environ, start)


class _Body:
    """A request body that records whether it has been read to its end. Flask only calls `read`."""

    def __init__(self, stream: "InputStream") -> None:
        self._stream = stream
        self.is_read = False

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self.is_read = size < 0 or not piece
        return piece


def _has_body(environ: "WSGIEnvironment") -> bool:
    length = environ.get("CONTENT_LENGTH", "")
    return length not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def make_room() -> int:
    """Raise the limit on open files if needed; return the number of connections that it allows.

    With more connections than file descriptors, Granian would retry to accept in an endless loop.
    """
    wanted = MOST + OTHER_FILES
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < wanted:
        files = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return min(MOST, files - OTHER_FILES)


def tune(listener: socket.socket) -> None:
    """Make accepted connections send at once, and time out without acknowledgments (RFC 5482).

    Granian sends head and body in two writes. With Nagle's algorithm, the second would wait for the
    acknowledgment of the first, which may take 40 ms.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":  # pragma: no branch - the tests run on Linux
        milliseconds = int(SEND_SECONDS * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def watch(port: int) -> None:
    """Start closing silent connections of this process to a port. Linux only."""
    if sys.platform == "linux":  # pragma: no branch - the tests run on Linux
        Thread(target=_watch, args=(port,), daemon=True).start()


def _watch(port: int) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        for sock in _accepted(port):
            with sock, suppress(OSError):
                if _is_established(sock) and _seconds_since_sent(sock) > SILENT_SECONDS:
                    sock.shutdown(socket.SHUT_RDWR)


def _accepted(port: int) -> Iterator[socket.socket]:
    """Yield a duplicate of each connection to a port. Shutting it down affects the original.

    The caller must close the duplicates. Granian gives an app access to neither the connection nor
    the port of its client.
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
