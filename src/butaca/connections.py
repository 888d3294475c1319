"""Connections: how many there may be, and how long a silent one lives."""

import os
import resource
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

MOST, OTHER_FILES = 4096, 256
"""How many connections a worker holds at a time, idle or not; how many files are none of them."""

HEAD_SECONDS = 10.0
"""Within which the head of a request comes; who asks nothing for so long is closed, too."""

SEND_SECONDS = 10.0
"""After which a client that takes nothing of its answer is cut off."""

SILENT_SECONDS, LOOK_SECONDS = 30.0, 2.0
"""After which a connection is cut over which we sent nothing; how often we look.

Most do not get so old: their heads are late, or they are answered. Those that do sent a part of a
body, and the server waits for the rest even after it has answered.
"""

_LAST_DATA_SENT = 44  # <linux/tcp.h>: where it is in tcp_info, in milliseconds
_ESTABLISHED = 1


def make_room() -> int:
    """Return how many connections there are files for, after allowing as many as we want.

    With more connections than files Granian would try in vain to accept, again and again.
    """
    wanted = MOST + OTHER_FILES
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < wanted:
        files = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return min(MOST, files - OTHER_FILES)


def tune(listener: socket.socket) -> None:
    """Let all that is accepted send at once, and end when its other side takes nothing (RFC 5482).

    Granian sends a head and its body in two pieces. With Nagle's algorithm the second waits for the
    other side to acknowledge the first, which may take 40 ms.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":  # pragma: no branch - the tests run on Linux
        milliseconds = int(SEND_SECONDS * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def watch(port: int) -> None:
    """Cut off, from now on, the silent connections of this process to a port; only Linux can."""
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
    """Yield the connections to a port, each to be closed: what is done to it is done to its twin.

    Granian gives an app neither the connection nor the port of its client.
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
    """Return the age of what was sent last; before the first answer, that of the connection."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_SENT + 4)
    return float(struct.unpack_from("I", info, _LAST_DATA_SENT)[0] / 1000)
