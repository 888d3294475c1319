"""Tests that run beside others, and tests that need the whole machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Wait for a turn among the processes that share a folder: beside those of others, or alone.

    Whoever waits to be alone keeps the door shut meanwhile, lest the others never let them in.
    """
    with (folder / "door").open("w") as door, (folder / "room").open("w") as room:
        flock(door, LOCK_EX)
        flock(room, LOCK_EX if alone else LOCK_SH)
        flock(door, LOCK_UN)
        try:
            yield
        finally:
            # By name: a process that a test forked, and that lives on, has the file open, too.
            flock(room, LOCK_UN)
