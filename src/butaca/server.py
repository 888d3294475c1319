"""The server: Granian, one worker process with threads, and a port that is ours or is not."""

import logging
import socket
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer
from granian.server.mp import WorkerProcess

from butaca.complaint import Complaint

log = logging.getLogger("butaca.server")

POLL_SECONDS = 0.02
INSIST_SECONDS = 0.5
GRACE_SECONDS = 20
"""How long a worker that is told to stop may take over what it has accepted."""

# Its lines join ours, errors only: its warnings advise against threads, which spend their time
# waiting here, and we tell ourselves what starts and stops.
_LOGGING = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def check_port(host: str, port: int) -> None:
    """Make sure that we can listen at a port. Raises Complaint."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, proto) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as error:
        raise Complaint(f"Port {port} of {host}: {error.strerror}") from error


def free_port(host: str) -> int:
    """Return a port that nobody listens at now."""
    with socket.create_server((host, 0)) as sock:
        return int(sock.getsockname()[1])


class _Server(MPServer):
    """Granian, which tells when it really answers: its own hooks run before its socket listens."""

    on_listening: Callable[[], None]

    def startup(self, *args: Any, **kwargs: Any) -> None:
        """Start the workers, and a thread that waits for them."""
        super().startup(*args, **kwargs)  # type: ignore[no-untyped-call]
        Thread(target=self._announce, daemon=True).start()

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers, and say so until they heard: one that just starts may miss it."""
        insisting = Thread(target=self._insist, args=(list(self.wrks),), daemon=True)
        insisting.start()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]
        insisting.join()

    def _insist(self, workers: list[WorkerProcess]) -> None:
        for worker in workers:
            while worker.is_alive():  # type: ignore[no-untyped-call]
                worker.terminate()  # type: ignore[no-untyped-call]
                worker.join(INSIST_SECONDS)  # type: ignore[no-untyped-call]

    def _announce(self) -> None:
        while not _answers(self.bind_addr, self.bind_port):
            time.sleep(POLL_SECONDS)
        log.info("server.listens", extra={"host": self.bind_addr, "port": self.bind_port})
        self.on_listening()


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def serve(
    host: str, port: int, threads: int, on_listening: Callable[[], None] = lambda: None
) -> None:
    """Serve the app that the environment describes until somebody ends it. Raises Complaint."""
    check_port(host, port)
    server = _Server(
        "butaca.app:create_from_environment",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=1,
        blocking_threads=threads,
        workers_kill_timeout=GRACE_SECONDS,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )
    server.on_listening = on_listening
    server.serve()
