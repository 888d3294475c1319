"""Start servers as processes, wait until they listen, and stop them."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from butaca.operator_error import OperatorError
from tests.waiting import wait_until

HOST = "127.0.0.1"
STOP_TIMEOUT = 30


class Server:
    """A server process that listens on a port and writes its output to a file."""

    def __init__(
        self, name: str, command: Sequence[str], port: int, folder: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.port = port
        self._log = folder / f"{port}.log"
        with self._log.open("wb") as file:
            self._process = subprocess.Popen(  # noqa: S603
                command, env={**os.environ, **env}, stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def origin(self) -> str:
        """Return the origin of its URLs."""
        return f"http://{HOST}:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that its processes have used together."""
        process = psutil.Process(self._process.pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        return sum(float(each.user + each.system) for each in times)

    def memory(self) -> int:
        """Return the resident memory (RSS) of its worker, the child that serves, in bytes."""
        workers = psutil.Process(self._process.pid).children()
        return max(int(each.memory_info().rss) for each in workers)

    def wait_until_listening(self) -> None:
        """Wait until its port accepts connections. Raises OperatorError if the process exits."""

        def is_listening() -> bool:
            if self._process.poll() is not None:
                raise OperatorError(f"{self.name} exited: {self._log.read_text()[-2000:]}")
            return _is_open(self.port)

        wait_until(is_listening, seconds=60)

    def stop(self) -> None:
        """Terminate the process, and kill it if it does not exit in time."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def run_server(
    name: str, command: Sequence[str], port: int, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Yield a server that listens on a port, and stop it afterwards."""
    server = Server(name, command, port, folder, env or {})
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.stop()


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
