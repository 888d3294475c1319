"""Graceful shutdown: no new connections are accepted, and existing ones are closed."""

import ctypes
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DRAIN_TIMEOUT = 5.0
POLL_SECONDS = 0.01
SETTLE_SECONDS = 0.1
"""How long the backlog must stay empty, to allow for connections in transit."""

_IS_DRAINING = "butaca.is_draining"
_SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>
_FLAGS, _SYN = 13, 0x02  # in a TCP header, RFC 9293, section 3.1
_DROP_SYN = (  # <linux/filter.h>: operation, steps if true, steps if false, operand
    (0x30, 0, 0, _FLAGS),  # load a byte
    (0x45, 0, 1, _SYN),  # is this bit set?
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # keep the whole packet
)
_TCP_INFO_UNACKED = 24  # tcpi_unacked in struct tcp_info of <linux/tcp.h>


def is_draining(environ: "WSGIEnvironment") -> bool:
    """Return whether the process was shutting down when a request arrived."""
    return bool(environ.get(_IS_DRAINING))


def is_listening(listener: socket.socket) -> bool:
    """Return whether a socket is in the listening state."""
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def drop_new_connections(listener: socket.socket) -> None:
    """Drop packets that open a connection. Does nothing if the system does not support it.

    Existing connections are not affected. The system of a client retries after a second, and is
    refused as soon as the socket is closed.
    """
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    buffer = ctypes.create_string_buffer(program, len(program))
    option = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(buffer))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


def wait_for_empty_backlog(listener: socket.socket, timeout: float = DRAIN_TIMEOUT) -> None:
    """Wait until the backlog has been empty for SETTLE_SECONDS, at most `timeout` seconds."""
    now = time.monotonic()
    deadline, settled_at = now + timeout, now + SETTLE_SECONDS
    while now < min(settled_at, deadline):
        time.sleep(POLL_SECONDS)
        now = time.monotonic()
        if backlog_size(listener):
            settled_at = now + SETTLE_SECONDS


def backlog_size(listener: socket.socket) -> int:
    """Return the number of connections that wait to be accepted; 0 if the system hides it."""
    if sys.platform != "linux":  # pragma: no cover - the tests run on Linux
        return 0
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_UNACKED + 4)
    return int(struct.unpack_from("I", info, _TCP_INFO_UNACKED)[0])


class ConnectionCloser:
    """WSGI middleware that can close every connection (RFC 9112, section 9.6)."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._is_closing = False

    def start_closing(self) -> None:
        """Close each connection with its next response from now on."""
        self._is_closing = True

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Handle a request. `is_draining` returns true for its environ after `start_closing`."""
        environ[_IS_DRAINING] = self._is_closing

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[..., object]:
            close = [("Connection", "close")] if self._is_closing else []
            return start_response(status, [*headers, *close], *rest)

        return self._app(environ, start)
