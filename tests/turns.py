"""Tests that run beside others, and crowds that need the whole machine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path

Alone = Callable[[], AbstractContextManager[None]]


class Turns:
    """The turns that the processes which share a folder take, each with one test at a time."""

    def __init__(self, folder: Path) -> None:
        self._closing = ExitStack()
        self._door, self._room = (
            self._closing.enter_context((folder / name).open("w")) for name in ("door", "room")
        )

    def close(self) -> None:
        """Leave for good."""
        self._closing.close()

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait until nobody is alone, or waits to be."""
        self._enter(LOCK_SH)
        try:
            yield
        finally:
            # By name: a process that a test forked, and that lives on, has the file open, too.
            flock(self._room, LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within one's turn, wait until nobody else has one.

        Whoever waits keeps the door shut, lest others never let them in, and has left the room,
        lest two of them wait for one another.
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
