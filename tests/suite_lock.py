"""A lock between the processes of a test run: load tests need the whole machine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path

Exclusive = Callable[[], AbstractContextManager[None]]
"""Returns a context manager that holds back all other tests."""


class SuiteLock:
    """A readers-writer lock of all processes that share a folder, each running one test at a time.

    `entry.lock` is held while waiting for `suite.lock`, so that a writer cannot starve.
    """

    def __init__(self, folder: Path) -> None:
        self._files = ExitStack()
        self._entry, self._suite = (
            self._files.enter_context((folder / name).open("w"))
            for name in ("entry.lock", "suite.lock")
        )

    def close(self) -> None:
        """Release the lock for good."""
        self._files.close()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock together with other processes; wait for exclusive holders and waiters."""
        self._acquire(LOCK_SH)
        try:
            yield
        finally:
            # Explicitly, because a process forked by a test may still have the file open.
            flock(self._suite, LOCK_UN)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock, which this process already shares, without any other process.

        Waiting processes do not hold the shared lock, so that two of them cannot deadlock.
        """
        flock(self._suite, LOCK_UN)
        self._acquire(LOCK_EX)
        try:
            yield
        finally:
            flock(self._suite, LOCK_SH)

    def _acquire(self, mode: int) -> None:
        flock(self._entry, LOCK_EX)
        try:
            flock(self._suite, mode)
        finally:
            flock(self._entry, LOCK_UN)
