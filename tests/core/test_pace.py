"""No call exceeds the rate, and none waits without need."""

from butaca.core.pace import Pace
from tests.fakes import FakeClock


def pace(clock: FakeClock, rate: float = 20) -> Pace:
    return Pace(rate, clock.monotonic, clock.sleep)


def test_the_first_does_not_wait() -> None:
    clock = FakeClock()
    pace(clock).wait_turn()
    assert clock.seconds == 0


def test_turns_are_evenly_apart() -> None:
    clock = FakeClock()
    turns = pace(clock)
    moments = []
    for _ in range(4):
        turns.wait_turn()
        moments.append(round(clock.seconds, 6))
    assert moments == [0, 0.05, 0.1, 0.15]


def test_whoever_was_slow_does_not_wait() -> None:
    clock = FakeClock()
    turns = pace(clock)
    turns.wait_turn()
    clock.move(3)
    turns.wait_turn()
    assert clock.seconds == 3


def test_whoever_was_slow_does_not_catch_up() -> None:
    clock = FakeClock()
    turns = pace(clock)
    turns.wait_turn()
    clock.move(3)
    turns.wait_turn()
    turns.wait_turn()
    assert round(clock.seconds, 6) == 3.05
