"""Run `butaca` commands as processes, for tests that need real ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.nursery import Fork

SECONDS_TO_END = 20

Process = Fork | subprocess.Popen[str]


def started(
    *words: str,
    environment: Mapping[str, str],
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    new_session: bool = False,
) -> subprocess.Popen[str]:
    """Start `butaca` in a new Python process."""
    return subprocess.Popen(
        [sys.executable, "-m", "butaca", *words],
        env=environment,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=new_session,
    )


@contextmanager
def running(
    *words: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stderr: int | IO[str] = subprocess.PIPE,
) -> Iterator[Fork]:
    """Run `butaca` with these arguments; stop it with SIGTERM, and check that it exits.

    Callers must read its output if there is much of it: a pipe blocks after 64 KiB.
    """
    environment = {**os.environ, **(environment or {})}
    process = Fork(*words, environment=environment, folder=folder, stderr=stderr)
    try:
        yield process
    finally:
        end(process)


def end(process: Process) -> tuple[str, str]:
    """Stop a process with SIGTERM; return the rest of its stdout and stderr."""
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=SECONDS_TO_END)


def line_with(process: Process, words: str) -> str:
    """Read the stdout of a process up to a line that contains these words; return the line."""
    assert process.stdout
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"the process exited without printing {words!r}")
