"""Calls never exceed the rate, and none waits longer than necessary."""

from butaca.core.throttle import Throttle
from tests.fakes import FakeClock


def make_throttle(clock: FakeClock, rate: float = 20) -> Throttle:
    return Throttle(rate, clock.monotonic, clock.sleep)


def test_first_call_does_not_wait() -> None:
    clock = FakeClock()
    make_throttle(clock).wait()
    assert clock.seconds == 0


def test_calls_are_evenly_spaced() -> None:
    clock = FakeClock()
    throttle = make_throttle(clock)
    times = []
    for _ in range(4):
        throttle.wait()
        times.append(round(clock.seconds, 6))
    assert times == [0, 0.05, 0.1, 0.15]


def test_late_call_does_not_wait() -> None:
    clock = FakeClock()
    throttle = make_throttle(clock)
    throttle.wait()
    clock.advance(3)
    throttle.wait()
    assert clock.seconds == 3


def test_late_call_allows_no_burst_afterwards() -> None:
    clock = FakeClock()
    throttle = make_throttle(clock)
    throttle.wait()
    clock.advance(3)
    throttle.wait()
    throttle.wait()
    assert round(clock.seconds, 6) == 3.05
