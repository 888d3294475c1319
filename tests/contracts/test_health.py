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
from tests.redis_time import let_pass

COOLDOWN, PROBE = 600, 60
KEY = "popular:1:en-US:"
MANY = 16


@dataclass
class Subject:
    """The health of an upstream, and how to let seconds pass for it."""

    health: Health
    let_pass: Callable[[float], None]

    def fail_and_cool_down(self) -> None:
        self.health.failed()
        self.let_pass(COOLDOWN)

    def claim_at_once(self) -> list[float]:
        """Return what many are told who ask at the same moment."""
        barrier = Barrier(MANY, timeout=20)

        def claim() -> float:
            barrier.wait()
            return self.health.claim()

        with ThreadPoolExecutor(MANY) as pool:
            return [each.result(20) for each in [pool.submit(claim) for _ in range(MANY)]]


def fake_subject() -> Iterator[Subject]:
    clock = FakeClock()
    yield Subject(FakeHealth(clock, COOLDOWN, PROBE), clock.move)


def shared_subject(url: str) -> Iterator[Subject]:
    clock = FakeClock()
    link = RedisLink(url, timeout=5.0, clock=clock.monotonic)

    def let_all_pass(seconds: float) -> None:
        clock.move(seconds)
        let_pass(url, seconds)

    yield Subject(SharedHealth(link, COOLDOWN, PROBE, clock.monotonic), let_all_pass)
    link.client.close()


def lonely_subject() -> Iterator[Subject]:
    clock = FakeClock()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        link = RedisLink(url, timeout=5.0, clock=clock.monotonic)
        yield Subject(SharedHealth(link, COOLDOWN, PROBE, clock.monotonic), clock.move)
        link.client.close()


@pytest.fixture(params=["fake", "shared", "shared, without Redis"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    match request.param:
        case "fake":
            yield from fake_subject()
        case "shared":
            yield from shared_subject(request.getfixturevalue("empty_redis"))
        case _:
            yield from lonely_subject()


@pytest.fixture
def health(subject: Subject) -> Health:
    return subject.health


def test_an_upstream_that_never_failed_may_be_called(health: Health) -> None:
    assert health.seconds_of_rest(KEY) == 0
    assert health.claim() == 0


def test_an_upstream_that_never_failed_may_be_called_by_all_at_once(subject: Subject) -> None:
    assert subject.claim_at_once() == [0] * MANY


def test_after_a_failure_upstream_rests(health: Health) -> None:
    health.failed()

    assert COOLDOWN - 5 < health.seconds_of_rest(KEY) <= COOLDOWN
    assert COOLDOWN - 5 < health.claim() <= COOLDOWN


def test_during_the_rest_nobody_goes(subject: Subject) -> None:
    subject.health.failed()

    assert min(subject.claim_at_once()) > COOLDOWN - 5


def test_a_rest_grows_shorter(subject: Subject) -> None:
    subject.health.failed()
    subject.let_pass(COOLDOWN - 100)

    assert 95 < subject.health.seconds_of_rest(KEY) <= 100
    assert 95 < subject.health.claim() <= 100


def test_asking_does_not_make_a_rest_longer(subject: Subject) -> None:
    subject.health.failed()
    subject.let_pass(COOLDOWN - 100)
    for _ in range(3):
        subject.health.claim()

    assert subject.health.seconds_of_rest(KEY) <= 100
    assert subject.health.claim() <= 100


def test_failing_again_counts_from_the_start(subject: Subject) -> None:
    subject.health.failed()
    subject.let_pass(COOLDOWN - 100)
    subject.health.failed()

    assert COOLDOWN - 5 < subject.health.seconds_of_rest(KEY) <= COOLDOWN
    assert COOLDOWN - 5 < subject.health.claim() <= COOLDOWN


def test_a_rest_ends(subject: Subject) -> None:
    subject.fail_and_cool_down()

    assert subject.health.seconds_of_rest(KEY) == 0
    assert subject.health.claim() == 0


def test_looking_for_a_rest_claims_nothing(subject: Subject) -> None:
    subject.fail_and_cool_down()
    for _ in range(3):
        subject.health.seconds_of_rest(KEY)

    assert subject.health.claim() == 0


def test_after_the_rest_one_goes_and_the_others_wait_for_it(subject: Subject) -> None:
    subject.fail_and_cool_down()

    assert subject.health.claim() == 0
    assert PROBE - 5 < subject.health.claim() <= PROBE


def test_after_the_rest_one_of_many_goes(subject: Subject) -> None:
    subject.fail_and_cool_down()

    claims = subject.claim_at_once()

    assert claims.count(0) == 1
    assert all(PROBE - 5 < each <= PROBE for each in claims if each)


def test_a_probe_that_succeeds_frees_all(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.claim_at_once()
    subject.health.answered()

    assert subject.health.seconds_of_rest(KEY) == 0
    assert subject.claim_at_once() == [0] * MANY


def test_a_probe_that_fails_begins_a_rest_anew(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.claim_at_once()
    subject.health.failed()

    assert COOLDOWN - 5 < subject.health.seconds_of_rest(KEY) <= COOLDOWN
    assert min(subject.claim_at_once()) > COOLDOWN - 5


def test_after_a_second_rest_one_goes_again(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.health.claim()
    subject.fail_and_cool_down()

    assert subject.claim_at_once().count(0) == 1


def test_a_probe_that_is_still_away_is_not_replaced(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.health.claim()
    subject.let_pass(PROBE - 10)

    assert 5 < subject.health.claim() <= 10


def test_a_probe_that_never_comes_back_is_replaced_by_one(subject: Subject) -> None:
    subject.fail_and_cool_down()
    subject.health.claim()
    subject.let_pass(PROBE)

    claims = subject.claim_at_once()

    assert claims.count(0) == 1


def test_a_success_ends_a_rest(subject: Subject) -> None:
    subject.health.failed()
    subject.health.answered()

    assert subject.health.seconds_of_rest(KEY) == 0
    assert subject.claim_at_once() == [0] * MANY


def test_a_success_without_a_failure_changes_nothing(health: Health) -> None:
    health.answered()

    assert health.seconds_of_rest(KEY) == 0
    assert health.claim() == 0


def test_after_a_refusal_nobody_goes_until_the_cool_down_is_over(subject: Subject) -> None:
    subject.health.refused()

    assert COOLDOWN - 5 < subject.health.seconds_of_rest(KEY) <= COOLDOWN
    assert min(subject.claim_at_once()) > COOLDOWN - 5
    subject.let_pass(COOLDOWN)
    assert subject.health.seconds_of_rest(KEY) == 0
    assert 0 in subject.claim_at_once()


def test_who_is_answered_is_refused_no_longer(subject: Subject) -> None:
    subject.health.refused()
    subject.health.answered()

    assert subject.health.seconds_of_rest(KEY) == 0
    assert subject.claim_at_once() == [0] * MANY


def test_a_call_that_is_answered_with_nonsense_rests_alone(subject: Subject) -> None:
    subject.health.answered_nonsense(KEY)

    assert COOLDOWN - 5 < subject.health.seconds_of_rest(KEY) <= COOLDOWN
    assert subject.health.seconds_of_rest("another") == 0
    assert subject.claim_at_once() == [0] * MANY


def test_a_call_has_rested_when_the_cool_down_is_over(subject: Subject) -> None:
    subject.health.answered_nonsense(KEY)
    subject.let_pass(COOLDOWN)

    assert subject.health.seconds_of_rest(KEY) == 0


def test_nonsense_is_a_sign_of_life(subject: Subject) -> None:
    subject.health.failed()
    subject.health.answered_nonsense(KEY)

    assert subject.health.seconds_of_rest("another") == 0
    assert subject.claim_at_once() == [0] * MANY


def test_of_two_rests_the_longer_one_counts(subject: Subject) -> None:
    subject.health.answered_nonsense(KEY)
    subject.let_pass(100)
    subject.health.failed()

    assert COOLDOWN - 5 < subject.health.seconds_of_rest(KEY) <= COOLDOWN
