"""Start `butaca` processes quickly, as forks of a server process that has already imported it.

Each test process has one fork server. Starting Python and importing Butaca, with coverage
measured, takes two to four seconds, which is longer than most tests. The tests of the README and
the image cover a start from scratch.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.reduction import DupFd
from pathlib import Path
from threading import Thread
from typing import IO, Any, Self

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    [
        "butaca.cli",
        "butaca.app",
        "butaca.dev",
        "butaca.server",
        "butaca.commands.refreshing",
        "butaca.sandbox",
    ]
)


class _OpenFile:
    """A file descriptor that can be sent to a fork."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __getstate__(self) -> Any:
        return DupFd(self.descriptor)

    def __setstate__(self, copy: Any) -> None:
        self.descriptor = copy.detach()


class Fork:
    """A `butaca` process with the part of the interface of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        *args: str,
        environment: Mapping[str, str],
        folder: Path | None = None,
        stdout: int | IO[Any] = subprocess.PIPE,
        stderr: int | IO[Any] = subprocess.PIPE,
        new_session: bool = False,
    ) -> None:
        self.stdout, out = _pipe(stdout)
        self.stderr, error = _pipe(stderr)
        process_args = args, dict(environment), str(folder or Path.cwd()), out, error, new_session
        self._process = _forks.Process(target=_run_butaca, args=process_args)
        self._process.start()
        for pipe, stream in ((self.stdout, out), (self.stderr, error)):
            if pipe:
                os.close(stream.descriptor)

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    @property
    def returncode(self) -> Any:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return int(self.returncode)

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # It has just exited.
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait until it exits; return the rest of its stdout and stderr."""
        pipes = [self.stdout, self.stderr]
        outputs = ["", ""]

        def read(number: int) -> None:
            outputs[number] = _read_all(pipes[number])

        readers = [Thread(target=read, args=(number,), daemon=True) for number in range(2)]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        for reader in readers:
            reader.join(timeout)
        if any(reader.is_alive() for reader in readers):  # A surviving child holds the other end.
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return outputs[0], outputs[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdout, self.stderr):
            if pipe:
                pipe.close()
        self.wait()


def _pipe(target: int | IO[Any]) -> tuple[IO[str] | None, _OpenFile]:
    """Return the parent's end of a stream, if there is one, and the fork's end."""
    if target == subprocess.PIPE:
        read_end, write_end = os.pipe()
        return os.fdopen(read_end), _OpenFile(write_end)
    return None, _OpenFile(target if isinstance(target, int) else target.fileno())


def _read_all(pipe: IO[str] | None) -> str:
    if pipe is None or pipe.closed:
        return ""
    with pipe:
        return pipe.read()


def _run_butaca(
    args: tuple[str, ...],
    environment: dict[str, str],
    folder: str,
    out: _OpenFile,
    error: _OpenFile,
    new_session: bool,
) -> None:
    if new_session:
        os.setsid()
    for stream, number in ((out, 1), (error, 2)):
        os.dup2(stream.descriptor, number)
        os.close(stream.descriptor)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", 1, closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    multiprocessing.set_start_method(None, force=True)  # Reset: `butaca` did not choose it.
    sys.argv = ["butaca", *args]
    runpy.run_module("butaca", run_name="__main__", alter_sys=True)
