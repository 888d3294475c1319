"""Name resolution with a timeout.

`getaddrinfo` cannot be interrupted; only the machine's resolv.conf limits it: on Linux, to 5
seconds, twice, for each name server. It therefore runs in a thread that can be abandoned.
"""

import socket
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

from urllib3.util.connection import allowed_gai_family

from butaca.adapters.deadline import cap_timeout


class Resolver:
    """A thread-safe DNS resolver.

    A look-up that hangs occupies its thread, so at most `most` run at a time. The threads are
    daemons, so that they do not delay the end of the process either.
    """

    def __init__(self, most: int = 8) -> None:
        self._free = BoundedSemaphore(most)

    def addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        """Return the addresses of a host, in the order in which to try them.

        Raises socket.gaierror; TimeoutError at the timeout (in seconds) or the deadline, both of
        which start again after waiting for a free thread; OSError if no thread can be started.
        """
        if not self._free.acquire(timeout=cap_timeout(timeout)):
            raise TimeoutError("all threads for lookups are blocked")
        found: Future[list[str]] = Future()
        self._start(Thread(target=self._look_up, args=(found, host, port), daemon=True))
        return found.result(cap_timeout(timeout))

    def _start(self, thread: Thread) -> None:
        try:
            thread.start()
        except RuntimeError as error:
            self._free.release()
            raise OSError("no thread can be started for a lookup") from error

    def _look_up(self, found: Future[list[str]], host: str, port: int) -> None:
        try:
            answers = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
            found.set_result([str(address[0]) for *_, address in answers])
        except Exception as error:  # noqa: BLE001 - passed on to the caller
            found.set_exception(error)
        finally:
            self._free.release()
