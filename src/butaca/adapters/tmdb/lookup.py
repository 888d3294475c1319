"""The addresses of a host, found in time or not at all.

`getaddrinfo` cannot be interrupted, and what bounds it is the machine's resolv.conf: on Linux 5
seconds, twice, for each name server. So it runs in a thread that nobody has to wait for.
"""

import socket
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

from urllib3.util.connection import allowed_gai_family

from butaca.adapters.deadline import cut


class Resolver:
    """Looks hosts up. Safe to share between threads.

    A lookup that hangs keeps its thread, hence `most` at a time. The threads are daemons: neither
    does the end of the process wait for them.
    """

    def __init__(self, most: int = 8) -> None:
        self._free = BoundedSemaphore(most)

    def addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        """Return the addresses of a host, in the order in which to try them.

        Raises socket.gaierror; TimeoutError at the timeout (in seconds) or the deadline, which
        both count anew where all threads are taken at first; OSError where none can be started.
        """
        if not self._free.acquire(timeout=cut(timeout)):
            raise TimeoutError("all lookups hang")
        found: Future[list[str]] = Future()
        self._start(Thread(target=self._look_up, args=(found, host, port), daemon=True))
        return found.result(cut(timeout))

    def _start(self, thread: Thread) -> None:
        try:
            thread.start()
        except RuntimeError as error:
            self._free.release()
            raise OSError("no thread for a lookup") from error

    def _look_up(self, found: Future[list[str]], host: str, port: int) -> None:
        try:
            answers = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
            found.set_result([str(address[0]) for *_, address in answers])
        except Exception as error:  # noqa: BLE001 - Whatever it is, it is for who asked.
            found.set_exception(error)
        finally:
            self._free.release()
