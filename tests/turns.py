"""Locks between test processes: most tests run side by side, crowds need the whole machine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path

Alone = Callable[[], AbstractContextManager[None]]


class Turns:
    """Turns of the test processes that share a folder. Each process runs one test at a time."""

    def __init__(self, folder: Path) -> None:
        self._closing = ExitStack()
        self._door, self._room = (
            self._closing.enter_context((folder / name).open("w")) for name in ("door", "room")
        )

    def close(self) -> None:
        """Release the locks for good."""
        self._closing.close()

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait until no process runs alone or waits to; then run beside the others."""
        self._enter(LOCK_SH)
        try:
            yield
        finally:
            # Explicitly, because a process forked by a test may still have the file open.
            flock(self._room, LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait, within a turn, until no other process has one.

        A waiting process holds the door lock, so that new turns cannot delay it forever. It has
        released the room lock, so that two waiting processes cannot deadlock.
        """
        flock(self._room, LOCK_UN)
        self._enter(LOCK_EX)
        try:
            yield
        finally:
            flock(self._room, LOCK_SH)

    def _enter(self, how: int) -> None:
        flock(self._door, LOCK_EX)
        try:
            flock(self._room, how)
        finally:
            flock(self._door, LOCK_UN)
