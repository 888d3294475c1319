"""Run `butaca` commands as processes, for tests that need real ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.fork_server import Fork

STOP_TIMEOUT = 20

Process = Fork | subprocess.Popen[str]


def start_process(
    *args: str,
    environment: Mapping[str, str],
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    new_session: bool = False,
) -> subprocess.Popen[str]:
    """Start `butaca` in a new Python process."""
    return subprocess.Popen(
        [sys.executable, "-m", "butaca", *args],
        env=environment,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=new_session,
    )


@contextmanager
def running(
    *args: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stderr: int | IO[str] = subprocess.PIPE,
) -> Iterator[Fork]:
    """Run `butaca` with these arguments; stop it with SIGTERM, and check that it exits.

    Callers must read its output if there is much of it: a pipe blocks after 64 KiB.
    """
    environment = {**os.environ, **(environment or {})}
    process = Fork(*args, environment=environment, folder=folder, stderr=stderr)
    try:
        yield process
    finally:
        stop(process)


def stop(process: Process) -> tuple[str, str]:
    """Stop a process with SIGTERM; return the rest of its stdout and stderr."""
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=STOP_TIMEOUT)


def wait_for_line(process: Process, text: str) -> str:
    """Read the stdout of a process up to a line that contains a text; return the line."""
    assert process.stdout
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"the process exited without printing {text!r}")
