"""A port on which connection attempts get no reply."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress


@contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Yield a port that neither accepts nor refuses connections, because its backlog is full."""
    with ExitStack() as open_now, socket.create_server((host, port), backlog=0) as listener:
        address = listener.getsockname()
        with suppress(TimeoutError):
            while True:
                open_now.enter_context(socket.create_connection(address, timeout=0.05))
        yield address[1]
