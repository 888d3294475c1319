"""A rest: no calls for a while, then one probe whose result applies to all."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from butaca.adapters.rest import Rest
from tests.fakes import FakeClock

SECONDS = 1.0
LONGEST_TRY = 5.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rest(clock: FakeClock) -> Rest:
    return Rest(SECONDS, LONGEST_TRY, clock.monotonic)


def test_everybody_may_call_whoever_is_up(rest: Rest) -> None:
    assert [rest.may_try() for _ in range(3)] == [True] * 3


def test_after_a_failure_nobody_may_call(rest: Rest, clock: FakeClock) -> None:
    rest.failed()
    clock.move(SECONDS - 0.01)
    assert not rest.may_try()


def test_after_a_rest_one_of_many_threads_may_call(rest: Rest, clock: FakeClock) -> None:
    rest.failed()
    clock.move(SECONDS)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: rest.may_try(), range(100))) == 1


def test_until_the_verdict_nobody_else_may_call(rest: Rest, clock: FakeClock) -> None:
    rest.failed()
    clock.move(SECONDS)
    rest.may_try()
    clock.move(LONGEST_TRY - 0.01)
    assert not rest.may_try()


def test_a_try_without_a_verdict_holds_nobody_back_for_ever(rest: Rest, clock: FakeClock) -> None:
    rest.failed()
    clock.move(SECONDS)
    rest.may_try()
    clock.move(LONGEST_TRY)
    assert rest.may_try()


def test_after_a_success_everybody_may_call(rest: Rest) -> None:
    rest.failed()
    rest.succeeded()
    assert [rest.may_try() for _ in range(3)] == [True] * 3


def test_a_try_that_fails_begins_another_rest(rest: Rest, clock: FakeClock) -> None:
    rest.failed()
    clock.move(SECONDS)
    rest.may_try()
    rest.failed()
    clock.move(SECONDS - 0.01)
    assert not rest.may_try()
    clock.move(0.01)
    assert rest.may_try()


def test_a_rest_begins_with_the_last_failure(rest: Rest, clock: FakeClock) -> None:
    rest.failed()
    clock.move(SECONDS)
    rest.failed()
    assert not rest.may_try()


def test_only_the_first_failure_is_news(rest: Rest) -> None:
    assert [rest.failed() for _ in range(3)] == [True, False, False]


def test_only_the_first_success_after_a_failure_is_news(rest: Rest) -> None:
    assert not rest.succeeded()
    rest.failed()
    assert [rest.succeeded() for _ in range(3)] == [True, False, False]
