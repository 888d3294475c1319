"""Name resolution with a timeout, and connecting to one of several addresses.

`getaddrinfo` cannot be interrupted; only the machine's resolv.conf limits it: on Linux, to 5
seconds, twice, for each name server. It therefore runs in a thread that can be abandoned.
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

from urllib3.util.connection import allowed_gai_family

from butaca.adapters.deadline import cap_timeout, seconds_left


class Resolver:
    """A thread-safe DNS resolver.

    A lookup that hangs blocks its thread, so at most `max_threads` run at a time. They are daemon
    threads, which do not delay the shutdown of the process.
    """

    def __init__(self, max_threads: int = 8) -> None:
        self._free_threads = BoundedSemaphore(max_threads)

    def addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        """Return the addresses of a host, in the order in which to try them.

        Raises socket.gaierror; TimeoutError at the deadline, or at the timeout in seconds, which
        applies to the wait for a free thread and to the lookup separately; OSError if no thread can
        be started.
        """
        if not self._free_threads.acquire(timeout=cap_timeout(timeout)):
            raise TimeoutError("all threads for lookups are blocked")
        result: Future[list[str]] = Future()
        self._start(Thread(target=self._look_up, args=(result, host, port), daemon=True))
        return result.result(cap_timeout(timeout))

    def _start(self, thread: Thread) -> None:
        try:
            thread.start()
        except RuntimeError as error:
            self._free_threads.release()
            raise OSError("no thread can be started for a lookup") from error

    def _look_up(self, result: Future[list[str]], host: str, port: int) -> None:
        try:
            results = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
            result.set_result([str(address[0]) for *_, address in results])
        except UnicodeError as error:  # For a label that is empty or too long.
            result.set_exception(socket.gaierror(socket.EAI_NONAME, str(error)))
        except Exception as error:  # noqa: BLE001 - passed on to the caller
            result.set_exception(error)
        finally:
            self._free_threads.release()


def connect_to_any(
    addresses: list[str], connect: Callable[[str, int], socket.socket]
) -> socket.socket:
    """Return a socket connected to the first address that accepts a connection.

    `connect` gets an address and the number of addresses left, this one included. Raises the
    OSError of the last address.
    """
    for remaining, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return connect(address, remaining)
        except OSError:
            if remaining == 1:
                raise
    raise OSError("the host has no addresses")


def address_timeout(timeout: float | None, addresses: int, minimum: float) -> float:
    """Return the timeout for the next of some addresses, which leaves time for the others.

    All times are in seconds. Raises TimeoutError if the deadline has passed.
    """
    return min(cap_timeout(timeout), max(seconds_left() / addresses, minimum))
