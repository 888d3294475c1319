"""The contract of every upstream health: the fake, and the shared one with and without Redis."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import pytest

from butaca.adapters.cache import SharedHealth
from butaca.adapters.cache.entries import Health
from butaca.adapters.redis import RedisLink
from tests.fakes import FakeClock, FakeHealth
from tests.redis_time import advance_redis

COOLDOWN, PROBE_TIMEOUT = 600, 60
KEY = "popular:1:en-US:"
THREADS = 16


@dataclass
class Subject:
    """The health of an upstream, and a function that advances its time by some seconds."""

    health: Health
    advance: Callable[[float], None]

    def fail_and_cool_down(self) -> None:
        self.health.record_failure()
        self.advance(COOLDOWN)

    def claim_concurrently(self) -> list[float]:
        """Return the results of many claims made at the same moment."""
        barrier = Barrier(THREADS, timeout=20)

        def claim() -> float:
            barrier.wait()
            return self.health.claim_call()

        with ThreadPoolExecutor(THREADS) as pool:
            return [each.result(20) for each in [pool.submit(claim) for _ in range(THREADS)]]


def fake_subject() -> Iterator[Subject]:
    clock = FakeClock()
    yield Subject(FakeHealth(clock, COOLDOWN, PROBE_TIMEOUT), clock.advance)


def shared_subject(url: str) -> Iterator[Subject]:
    clock = FakeClock()
    link = RedisLink(url, timeout=5.0, clock=clock.monotonic)

    def advance(seconds: float) -> None:
        clock.advance(seconds)
        advance_redis(url, seconds)

    yield Subject(SharedHealth(link, COOLDOWN, PROBE_TIMEOUT, clock.monotonic), advance)
    link.client.close()


def local_subject() -> Iterator[Subject]:
    clock = FakeClock()
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{reserved.getsockname()[1]}/0"
        link = RedisLink(url, timeout=5.0, clock=clock.monotonic)
        yield Subject(SharedHealth(link, COOLDOWN, PROBE_TIMEOUT, clock.monotonic), clock.advance)
        link.client.close()


@pytest.fixture(params=["fake", "shared", "shared, without Redis"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    match request.param:
        case "fake":
            yield from fake_subject()
        case "shared":
            yield from shared_subject(request.getfixturevalue("empty_redis"))
        case _:
            yield from local_subject()


@pytest.fixture
def health(subject: Subject) -> Health:
    return subject.health


def test_healthy_upstream_allows_a_call(health: Health) -> None:
    assert health.cooldown_left(KEY) == 0
    assert health.claim_call() == 0


def test_healthy_upstream_allows_concurrent_calls(subject: Subject) -> None:
    assert subject.claim_concurrently() == [0] * THREADS


def test_failure_starts_a_cooldown(health: Health) -> None:
    health.record_failure()

    assert COOLDOWN - 5 < health.cooldown_left(KEY) <= COOLDOWN
    assert COOLDOWN - 5 < health.claim_call() <= COOLDOWN


def test_no_calls_are_allowed_during_the_cooldown(subject: Subject) -> None:
    subject.health.record_failure()

    assert min(subject.claim_concurrently()) > COOLDOWN - 5


def test_remaining_cooldown_decreases(subject: Subject) -> None:
    subject.health.record_failure()
    subject.advance(COOLDOWN - 100)

    assert 95 < subject.health.cooldown_left(KEY) <= 100
    assert 95 < subject.health.claim_call() <= 100


def test_claims_do_not_extend_the_cooldown(subject: Subject) -> None:
    subject.health.record_failure()
    subject.advance(COOLDOWN - 100)
    for _ in range(3):
        subject.health.claim_call()

    assert subject.health.cooldown_left(KEY) <= 100
    assert subject.health.claim_call() <= 100


def test_another_failure_restarts_the_cooldown(subject: Subject) -> None:
    subject.health.record_failure()
    subject.advance(COOLDOWN - 100)
    subject.health.record_failure()

    assert COOLDOWN - 5 < subject.health.cooldown_left(KEY) <= COOLDOWN
    assert COOLDOWN - 5 < subject.health.claim_call() <= COOLDOWN


def test_cooldown_ends(subject: Subject) -> None:
    subject.fail_and_cool_down()

    assert subject.health.cooldown_left(KEY) == 0
    assert subject.health.claim_call() == 0


def test_reading_the_cooldown_claims_nothing(subject: Subject) -> None:
    subject.fail_and_cool_down()
    for _ in range(3):
        subject.health.cooldown_left(KEY)

    assert subject.health.claim_call() == 0


def test_other_calls_wait_for_the_probe_after_the_cooldown(subject: Subject) -> None:
    subject.fail_and_cool_down()

    assert subject.health.claim_call() == 0
    assert PROBE_TIMEOUT - 5 < subject.health.claim_call() <= PROBE_TIMEOUT


def test_one_of_many_callers_may_probe_after_the_cooldown(subject: Subject) -> None:
    subject.fail_and_cool_down()

    claims = subject.claim_concurrently()

    assert claims.count(0) == 1
    assert all(PROBE_TIMEOUT - 5 < each <= PROBE_TIMEOUT for each in claims if each)


def test_successful_probe_allows_all_calls(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.claim_concurrently()
    subject.health.record_success()

    assert subject.health.cooldown_left(KEY) == 0
    assert subject.claim_concurrently() == [0] * THREADS


def test_failed_probe_restarts_the_cooldown(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.claim_concurrently()
    subject.health.record_failure()

    assert COOLDOWN - 5 < subject.health.cooldown_left(KEY) <= COOLDOWN
    assert min(subject.claim_concurrently()) > COOLDOWN - 5


def test_one_caller_may_probe_after_a_second_cooldown(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.health.claim_call()
    subject.fail_and_cool_down()

    assert subject.claim_concurrently().count(0) == 1


def test_running_probe_is_not_replaced(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.health.claim_call()
    subject.advance(PROBE_TIMEOUT - 10)

    assert 5 < subject.health.claim_call() <= 10


def test_lost_probe_is_replaced_by_one_other(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.health.claim_call()
    subject.advance(PROBE_TIMEOUT)

    claims = subject.claim_concurrently()

    assert claims.count(0) == 1


def test_success_ends_the_cooldown(subject: Subject) -> None:
    subject.health.record_failure()
    subject.health.record_success()

    assert subject.health.cooldown_left(KEY) == 0
    assert subject.claim_concurrently() == [0] * THREADS


def test_success_without_a_failure_changes_nothing(health: Health) -> None:
    health.record_success()

    assert health.cooldown_left(KEY) == 0
    assert health.claim_call() == 0


def test_rejected_api_key_starts_a_cooldown(subject: Subject) -> None:
    subject.health.record_rejected_api_key()

    assert COOLDOWN - 5 < subject.health.cooldown_left(KEY) <= COOLDOWN
    assert min(subject.claim_concurrently()) > COOLDOWN - 5
    subject.advance(COOLDOWN)
    assert subject.health.cooldown_left(KEY) == 0
    assert 0 in subject.claim_concurrently()


def test_success_ends_the_cooldown_of_a_rejected_api_key(subject: Subject) -> None:
    subject.health.record_rejected_api_key()
    subject.health.record_success()

    assert subject.health.cooldown_left(KEY) == 0
    assert subject.claim_concurrently() == [0] * THREADS


def test_invalid_response_starts_a_cooldown_for_only_its_call(subject: Subject) -> None:
    subject.health.record_invalid_response(KEY)

    assert COOLDOWN - 5 < subject.health.cooldown_left(KEY) <= COOLDOWN
    assert subject.health.cooldown_left("another") == 0
    assert subject.claim_concurrently() == [0] * THREADS


def test_cooldown_of_one_call_ends(subject: Subject) -> None:
    subject.health.record_invalid_response(KEY)
    subject.advance(COOLDOWN)

    assert subject.health.cooldown_left(KEY) == 0


def test_invalid_response_ends_the_global_cooldown(subject: Subject) -> None:
    subject.health.record_failure()
    subject.health.record_invalid_response(KEY)

    assert subject.health.cooldown_left("another") == 0
    assert subject.claim_concurrently() == [0] * THREADS


def test_longer_of_two_cooldowns_applies(subject: Subject) -> None:
    subject.health.record_invalid_response(KEY)
    subject.advance(100)
    subject.health.record_failure()

    assert COOLDOWN - 5 < subject.health.cooldown_left(KEY) <= COOLDOWN
