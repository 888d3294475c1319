"""A rest: no calls for a while, then one probe whose result applies to all."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from butaca.adapters.circuit_breaker import CircuitBreaker
from tests.fakes import FakeClock

SECONDS = 1.0
LONGEST_TRY = 5.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker(SECONDS, LONGEST_TRY, clock.monotonic)


def test_everybody_may_call_whoever_is_up(breaker: CircuitBreaker) -> None:
    assert [breaker.allows_call() for _ in range(3)] == [True] * 3


def test_after_a_failure_nobody_may_call(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.failed()
    clock.move(SECONDS - 0.01)
    assert not breaker.allows_call()


def test_after_a_rest_one_of_many_threads_may_call(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    breaker.failed()
    clock.move(SECONDS)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: breaker.allows_call(), range(100))) == 1


def test_until_the_verdict_nobody_else_may_call(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.failed()
    clock.move(SECONDS)
    breaker.allows_call()
    clock.move(LONGEST_TRY - 0.01)
    assert not breaker.allows_call()


def test_a_try_without_a_verdict_holds_nobody_back_for_ever(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    breaker.failed()
    clock.move(SECONDS)
    breaker.allows_call()
    clock.move(LONGEST_TRY)
    assert breaker.allows_call()


def test_after_a_success_everybody_may_call(breaker: CircuitBreaker) -> None:
    breaker.failed()
    breaker.succeeded()
    assert [breaker.allows_call() for _ in range(3)] == [True] * 3


def test_a_try_that_fails_begins_another_rest(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.failed()
    clock.move(SECONDS)
    breaker.allows_call()
    breaker.failed()
    clock.move(SECONDS - 0.01)
    assert not breaker.allows_call()
    clock.move(0.01)
    assert breaker.allows_call()


def test_a_rest_begins_with_the_last_failure(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.failed()
    clock.move(SECONDS)
    breaker.failed()
    assert not breaker.allows_call()


def test_only_the_first_failure_is_news(breaker: CircuitBreaker) -> None:
    assert [breaker.failed() for _ in range(3)] == [True, False, False]


def test_only_the_first_success_after_a_failure_is_news(breaker: CircuitBreaker) -> None:
    assert not breaker.succeeded()
    breaker.failed()
    assert [breaker.succeeded() for _ in range(3)] == [True, False, False]
