"""Our own commands as processes, started and ended by the tests that need them for real."""

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
    """Start Python, and `butaca` in it."""
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
    """Run `butaca` with these words; end it with SIGTERM, and see that it obeys.

    Whoever lets it say much, and does not read that, holds it up: a pipe takes 64 KiB.
    """
    environment = {**os.environ, **(environment or {})}
    process = Fork(*words, environment=environment, folder=folder, stderr=stderr)
    try:
        yield process
    finally:
        end(process)


def end(process: Process) -> tuple[str, str]:
    """End a process with SIGTERM; return what else it printed on stdout and stderr."""
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=SECONDS_TO_END)


def line_with(process: Process, words: str) -> str:
    """Read what a process prints until a line has these words; return that line."""
    assert process.stdout
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"it ended without a word of {words!r}")
