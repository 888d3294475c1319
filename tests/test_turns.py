"""Turns: the locks between test processes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest

from tests.turns import Turns

SECONDS = 10


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Turns]]:
    """The turns of two processes."""
    both = [Turns(tmp_path), Turns(tmp_path)]
    yield both
    for each in both:
        each.close()


def test_shared_locks_are_held_at_the_same_time(two: list[Turns]) -> None:
    first, second = two
    with first.beside_others(), second.beside_others():
        pass


def test_exclusive_lock_waits_for_shared_locks(two: list[Turns]) -> None:
    first, second = two
    events: list[str] = []
    wants = Event()

    def be_alone() -> None:
        with second.beside_others():
            wants.set()
            with second.alone():
                events.append("alone")

    with ThreadPoolExecutor(1) as threads:
        with first.beside_others():
            waiting = threads.submit(be_alone)
            assert wants.wait(SECONDS)
            with pytest.raises(TimeoutError):
                waiting.result(0.05)
            events.append("the other")
        waiting.result(SECONDS)
    assert events == ["the other", "alone"]


def test_two_exclusive_locks_are_held_one_after_the_other(two: list[Turns]) -> None:
    both_in = Barrier(2)
    inside = 0
    seen: list[int] = []

    def be_alone(turns: Turns) -> None:
        nonlocal inside
        with turns.beside_others():
            both_in.wait(SECONDS)
            with turns.alone():
                inside += 1
                seen.append(inside)
                inside -= 1

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(be_alone, turns) for turns in two]:
            done.result(SECONDS)
    assert seen == [1, 1]
