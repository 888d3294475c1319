"""Ending without losing anybody: newcomers are kept out, and who is in is asked to leave."""

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
"""How long nobody may have waited: time for requests that are on their way over a connection."""
LIMIT_SECONDS = 5.0

_SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>
_FLAGS, _SYN = 13, 0x02  # of a TCP header, RFC 9293, 3.1
_WITHOUT_SYN = (  # <linux/filter.h>: operation, steps if true, steps if false, operand
    (0x30, 0, 0, _FLAGS),  # load a byte
    (0x45, 0, 1, _SYN),  # is this bit set?
    (0x06, 0, 0, 0),  # keep nothing of it
    (0x06, 0, 0, 0xFFFFFFFF),  # keep all of it
)
_TCP_INFO_UNACKED = 24  # <linux/tcp.h>: where it is in tcp_info


def is_listening(listener: socket.socket) -> bool:
    """Return whether a socket is listened at yet."""
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def keep_out_newcomers(listener: socket.socket) -> None:
    """Let no new connection begin; those that began go on. Only Linux can; others do nothing.

    Clients try again after a second, and are refused as soon as the socket is closed.
    """
    program = b"".join(struct.pack("HBBI", *each) for each in _WITHOUT_SYN)
    place = ctypes.create_string_buffer(program, len(program))
    option = struct.pack("HP", len(_WITHOUT_SYN), ctypes.addressof(place))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


def wait_until_settled(listener: socket.socket, limit: float = LIMIT_SECONDS) -> None:
    """Wait until nobody has waited to be accepted for SETTLE_SECONDS, or for `limit` seconds."""
    now = time.monotonic()
    give_up, settled = now + limit, now + SETTLE_SECONDS
    while now < min(settled, give_up):
        time.sleep(POLL_SECONDS)
        now = time.monotonic()
        if waiting(listener):
            settled = now + SETTLE_SECONDS


def waiting(listener: socket.socket) -> int:
    """Return how many connections wait to be accepted; 0 where the system does not tell."""
    if sys.platform != "linux":  # pragma: no cover - the tests run on Linux
        return 0
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_UNACKED + 4)
    return int(struct.unpack_from("I", info, _TCP_INFO_UNACKED)[0])


class Farewell:
    """A WSGI app whose answers say, once it was told so, that they are the last (RFC 9112, 9.6)."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._is_said = False

    def say(self) -> None:
        """Close each connection with its next answer."""
        self._is_said = True

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer as the app does, which finds in `butaca.is_ending` whether it was told so."""
        environ["butaca.is_ending"] = self._is_said

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[..., object]:
            last = [("Connection", "close")] if self._is_said else []
            return start_response(status, [*headers, *last], *rest)

        return self._app(environ, start)
