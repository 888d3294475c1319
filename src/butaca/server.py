"""The server: Granian, with a single multi-threaded worker process and a pre-bound port."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing import Pipe, parent_process
from multiprocessing.connection import Connection, wait
from pkgutil import resolve_name
from queue import SimpleQueue
from threading import Thread, Timer, main_thread
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server import MPServer

from butaca import connections
from butaca.admission import SPARE_THREADS, Admission
from butaca.draining import (
    ConnectionCloser,
    drop_new_connections,
    is_listening,
    wait_for_empty_backlog,
)
from butaca.operator_error import cannot_listen

log = logging.getLogger("butaca.server")

POLL_SECONDS = 0.02
REPEAT_SECONDS = 0.25
GRACE_SECONDS = 14
"""How long a worker may take to finish accepted requests during shutdown.

Together with the maximum time for draining, this is less than 20 seconds.
"""

_HTTP = HTTP1Settings(
    header_read_timeout=int(connections.HEADERS_TIMEOUT * 1000), max_buffer_size=64 * 1024
)

# Granian logs through our handlers, errors only: its warnings advise against threads, although ours
# spend their time waiting, and we log start and stop ourselves.
_LOGGING = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def bind(host: str, port: int) -> socket.socket:
    """Bind a port, 0 for any, and reserve it; listening starts when it is served.

    Raises OperatorError.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket(family, kind, proto))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            stack.pop_all()
            return sock
    except OSError as error:
        raise cannot_listen(port, host, error) from error


def free_port(host: str) -> int:
    """Return a port that is currently free."""
    with socket.create_server((host, 0)) as sock:
        return int(sock.getsockname()[1])


class SignalSafeEvent:
    """A replacement for Granian's Event whose `set` is reentrant, as signal handlers require."""

    def __init__(self) -> None:
        self._signals: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake the waiting thread, or the next one to wait."""
        self._signals.put(None)

    def wait(self) -> None:
        """Wait for one call of `set`, and consume it."""
        self._signals.get()

    def clear(self) -> None:
        """Do nothing: `wait` has consumed the call."""


class _Server(MPServer):
    """Granian with a callback once it accepts connections, and with a graceful shutdown."""

    def __init__(
        self,
        listener: socket.socket,
        shutdown_pipe: Connection,
        on_listening: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        address, port, *_ = listener.getsockname()
        super().__init__("butaca.app:create_from_environment", address, port, **kwargs)
        self._listener = listener
        self._shutdown_pipe = shutdown_pipe
        self._on_listening = on_listening
        self.main_loop_interrupt = SignalSafeEvent()  # type: ignore[assignment]

    def startup(self, *args: Any, **kwargs: Any) -> None:
        """Start the workers, and a thread that waits until they are ready."""
        super().startup(*args, **kwargs)  # type: ignore[no-untyped-call]
        Thread(target=self._report_listening, daemon=True).start()

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers. Repeated stop signals are harmless."""
        if self.interrupt_signal:
            self._drain()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)

    def _init_shared_socket(self) -> None:
        # Except on Linux, Granian shares a socket, too. On Linux, each worker would have its own,
        # which no other process can drain. The worker starts listening once it can respond.
        self._listener.set_inheritable(True)
        connections.set_tcp_options(self._listener)
        state = (self._listener.fileno(), False, self.backlog)
        self._shd = SocketHolder(*state)  # type: ignore[call-arg, assignment]
        self._sso = self._listener

    def _drain(self) -> None:
        drop_new_connections(self._listener)
        if is_listening(self._listener):
            self._request_shutdown()
            wait_for_empty_backlog(self._listener)
            Thread(target=self._repeat_request, daemon=True).start()
        else:
            self._kill_workers()

    def _repeat_request(self) -> None:
        while any(worker.inner.is_alive() for worker in self.wrks):  # pragma: no branch
            time.sleep(REPEAT_SECONDS)
            self._request_shutdown()

    def _request_shutdown(self) -> None:
        with suppress(OSError):  # The worker has ended.
            self._shutdown_pipe.send_bytes(b"shutdown")

    def _kill_workers(self) -> None:
        # A worker that is starting cannot receive messages, and has no requests to lose.
        for worker in self.wrks:
            worker.kill()  # type: ignore[no-untyped-call]

    def _report_listening(self) -> None:
        while not _accepts_connections(self.bind_addr, self.bind_port):
            time.sleep(POLL_SECONDS)
        log.info("server.listening", extra={"host": self.bind_addr, "port": self.bind_port})
        self._on_listening()


def _accepts_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def serve(
    listener: socket.socket, threads: int, on_listening: Callable[[], None] = lambda: None
) -> None:
    """Serve the app that the environment configures, on a bound socket, until stopped."""
    receiver, sender = Pipe(duplex=False)
    server = _Server(
        listener,
        sender,
        on_listening,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=1,
        blocking_threads=threads + SPARE_THREADS,
        backpressure=connections.raise_file_limit(),
        http1_settings=_HTTP,
        workers_kill_timeout=GRACE_SECONDS,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )
    server.serve(
        target_loader=partial(load, port=server.bind_port, threads=threads, shutdown_pipe=receiver)
    )


def load(target: str, port: int, threads: int, shutdown_pipe: Connection) -> ConnectionCloser:
    """Create the app in a worker, which stops with the main process, not on Ctrl-C."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGUSR1, _wake_up)
    app = ConnectionCloser(connections.CloseAnnouncer(Admission(resolve_name(target)(), threads)))
    Thread(target=_relay_shutdown, args=(shutdown_pipe, app), daemon=True).start()
    connections.start_closing_stalled(port)
    Thread(target=_stop_with_main_process, daemon=True).start()
    return app


def _relay_shutdown(shutdown_pipe: Connection, app: ConnectionCloser) -> None:
    """Relay shutdown requests, and wake the main thread so that it handles pending signals.

    CPython runs signal handlers in the main thread. If a signal interrupts another thread, the main
    thread sleeps until the next signal: observed once in 15 shutdowns on a busy machine.
    """
    while True:
        shutdown_pipe.recv_bytes()
        app.start_closing()
        signal.pthread_kill(main_thread().ident or 0, signal.SIGUSR1)


def _wake_up(*_: object) -> None:
    """Do nothing: receiving the signal is enough to wake the main thread."""


def _stop_with_main_process() -> None:
    """Stop this worker if the main process was killed, and can no longer stop it."""
    if main_process := parent_process():  # pragma: no branch - a worker has a parent
        wait([main_process.sentinel])
        kill_timer = Timer(GRACE_SECONDS, os.kill, (os.getpid(), signal.SIGKILL))
        kill_timer.daemon = True
        kill_timer.start()
        # To the main thread itself: a signal to the process may interrupt another thread.
        signal.pthread_kill(main_thread().ident or 0, signal.SIGTERM)
