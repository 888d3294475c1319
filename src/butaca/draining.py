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

POLL_SECONDS = 0.01
SETTLE_SECONDS = 0.1
"""How long no connection must have been waiting, to allow for requests in transit."""
LIMIT_SECONDS = 5.0

_SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>
_FLAGS, _SYN = 13, 0x02  # in a TCP header, RFC 9293, section 3.1
_WITHOUT_SYN = (  # <linux/filter.h>: operation, steps if true, steps if false, operand
    (0x30, 0, 0, _FLAGS),  # load a byte
    (0x45, 0, 1, _SYN),  # is this bit set?
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # keep the whole packet
)
_TCP_INFO_UNACKED = 24  # tcpi_unacked in struct tcp_info of <linux/tcp.h>


def is_listening(listener: socket.socket) -> bool:
    """Return whether a socket is in the listening state."""
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def keep_out_newcomers(listener: socket.socket) -> None:
    """Drop new connections; existing ones go on. Linux only; otherwise does nothing.

    Clients retry after a second, and are refused as soon as the socket is closed.
    """
    program = b"".join(struct.pack("HBBI", *each) for each in _WITHOUT_SYN)
    place = ctypes.create_string_buffer(program, len(program))
    option = struct.pack("HP", len(_WITHOUT_SYN), ctypes.addressof(place))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


def wait_until_settled(listener: socket.socket, limit: float = LIMIT_SECONDS) -> None:
    """Wait until no connection has been waiting for SETTLE_SECONDS, for at most `limit` seconds."""
    now = time.monotonic()
    give_up, settled = now + limit, now + SETTLE_SECONDS
    while now < min(settled, give_up):
        time.sleep(POLL_SECONDS)
        now = time.monotonic()
        if waiting(listener):
            settled = now + SETTLE_SECONDS


def waiting(listener: socket.socket) -> int:
    """Return the number of connections waiting to be accepted; 0 if the system does not tell."""
    if sys.platform != "linux":  # pragma: no cover - the tests run on Linux
        return 0
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_UNACKED + 4)
    return int(struct.unpack_from("I", info, _TCP_INFO_UNACKED)[0])


class ConnectionCloser:
    """WSGI middleware that, on request, closes each connection (RFC 9112, section 9.6)."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._is_said = False

    def say(self) -> None:
        """Close each connection with its next response."""
        self._is_said = True

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Handle a request; `butaca.is_ending` in its environ is whether connections are closed."""
        environ["butaca.is_ending"] = self._is_said

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[..., object]:
            last = [("Connection", "close")] if self._is_said else []
            return start_response(status, [*headers, *last], *rest)

        return self._app(environ, start)
