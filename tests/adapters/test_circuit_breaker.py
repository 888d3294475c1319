"""The circuit breaker: a cooldown, then one probe whose result applies to all callers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from butaca.adapters.circuit_breaker import CircuitBreaker
from tests.fakes import FakeClock

COOLDOWN = 1.0
PROBE_TIMEOUT = 5.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker(COOLDOWN, PROBE_TIMEOUT, clock.monotonic)


def test_all_calls_are_allowed_while_the_service_is_up(breaker: CircuitBreaker) -> None:
    assert [breaker.allows_call() for _ in range(3)] == [True] * 3


def test_no_calls_are_allowed_after_a_failure(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.record_failure()
    clock.advance(COOLDOWN - 0.01)
    assert not breaker.allows_call()


def test_one_of_many_threads_may_probe_after_the_cooldown(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    breaker.record_failure()
    clock.advance(COOLDOWN)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: breaker.allows_call(), range(100))) == 1


def test_no_other_calls_are_allowed_during_the_probe(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    breaker.record_failure()
    clock.advance(COOLDOWN)
    breaker.allows_call()
    clock.advance(PROBE_TIMEOUT - 0.01)
    assert not breaker.allows_call()


def test_probe_without_a_result_times_out(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.record_failure()
    clock.advance(COOLDOWN)
    breaker.allows_call()
    clock.advance(PROBE_TIMEOUT)
    assert breaker.allows_call()


def test_all_calls_are_allowed_after_a_success(breaker: CircuitBreaker) -> None:
    breaker.record_failure()
    breaker.record_success()
    assert [breaker.allows_call() for _ in range(3)] == [True] * 3


def test_failed_probe_starts_another_cooldown(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.record_failure()
    clock.advance(COOLDOWN)
    breaker.allows_call()
    breaker.record_failure()
    clock.advance(COOLDOWN - 0.01)
    assert not breaker.allows_call()
    clock.advance(0.01)
    assert breaker.allows_call()


def test_cooldown_starts_at_the_last_failure(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.record_failure()
    clock.advance(COOLDOWN)
    breaker.record_failure()
    assert not breaker.allows_call()


def test_only_the_first_failure_is_a_state_change(breaker: CircuitBreaker) -> None:
    assert [breaker.record_failure() for _ in range(3)] == [True, False, False]


def test_only_the_first_success_is_a_state_change(breaker: CircuitBreaker) -> None:
    assert not breaker.record_success()
    breaker.record_failure()
    assert [breaker.record_success() for _ in range(3)] == [True, False, False]
