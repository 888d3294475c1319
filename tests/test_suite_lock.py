"""The lock between the processes of a test run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Event

import pytest

from tests.suite_lock import SuiteLock

SECONDS = 10


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[list[SuiteLock]]:
    """The locks of two processes."""
    both = [SuiteLock(tmp_path), SuiteLock(tmp_path)]
    yield both
    for lock in both:
        lock.close()


def test_shared_locks_are_held_at_the_same_time(locks: list[SuiteLock]) -> None:
    both_shared = Barrier(2)

    def acquire(lock: SuiteLock) -> int:
        with lock.shared():
            return both_shared.wait(SECONDS)

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(acquire, locks)) == [0, 1]


def test_exclusive_lock_waits_for_shared_locks(locks: list[SuiteLock]) -> None:
    first, second = locks
    events: list[str] = []
    is_waiting = Event()

    def acquire() -> None:
        with second.shared():
            is_waiting.set()
            with second.exclusive():
                events.append("exclusive")

    with ThreadPoolExecutor(1) as threads:
        with first.shared():
            acquired = threads.submit(acquire)
            assert is_waiting.wait(SECONDS)
            with pytest.raises(TimeoutError):
                acquired.result(0.05)
            events.append("shared")
        acquired.result(SECONDS)
    assert events == ["shared", "exclusive"]


def test_two_exclusive_locks_are_held_one_after_the_other(locks: list[SuiteLock]) -> None:
    both_shared, both_exclusive = Barrier(2), Barrier(2)
    holders = 0
    seen: list[int] = []

    def acquire(lock: SuiteLock) -> None:
        nonlocal holders
        with lock.shared():
            both_shared.wait(SECONDS)
            with lock.exclusive():
                holders += 1
                seen.append(holders)
                with pytest.raises(BrokenBarrierError):  # The other never gets here meanwhile.
                    both_exclusive.wait(0.05)
                holders -= 1

    with ThreadPoolExecutor(2) as threads:
        for acquired in [threads.submit(acquire, lock) for lock in locks]:
            acquired.result(SECONDS)
    assert seen == [1, 1]
