"""How often somebody may call: over all pods, and per process while Redis is away."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from butaca.adapters.rate_limits import RateLimits
from butaca.adapters.redis import RedisLink
from tests.fakes import FakeClock

REST = 3.0


def make_limits(link: RedisLink, url: str) -> RateLimits:
    return RateLimits(link, url, reads="3/minute", writes="1/minute")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def link(empty_redis: str, clock: FakeClock) -> Iterator[RedisLink]:
    link = RedisLink(empty_redis, timeout=5.0, rest=REST, clock=clock.monotonic)
    yield link
    link.client.close()


@pytest.fixture
def shared(link: RedisLink, empty_redis: str) -> RateLimits:
    """Limits that are counted in a Redis that is there."""
    return make_limits(link, empty_redis)


@pytest.fixture
def alone() -> Iterator[RateLimits]:
    """Limits whose Redis is away."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        link = RedisLink(url)
        yield make_limits(link, url)
        link.client.close()


@pytest.fixture(params=["shared", "alone"])
def limits(request: pytest.FixtureRequest) -> RateLimits:
    found: RateLimits = request.getfixturevalue(request.param)
    return found


def use_up(limits: RateLimits, caller: str = "user:1") -> None:
    for _ in range(3):
        limits.seconds_to_wait(caller, "read")


def test_calls_within_the_limit_need_not_wait(limits: RateLimits) -> None:
    assert [limits.seconds_to_wait("user:1", "read") for _ in range(3)] == [0, 0, 0]


def test_a_call_over_the_limit_waits_for_the_rest_of_the_window(limits: RateLimits) -> None:
    use_up(limits)

    assert 50 < limits.seconds_to_wait("user:1", "read") <= 60


def test_callers_are_counted_apart(limits: RateLimits) -> None:
    use_up(limits, "user:1")

    assert limits.seconds_to_wait("user:2", "read") == 0


def test_reads_and_writes_are_counted_apart(limits: RateLimits) -> None:
    use_up(limits)

    assert limits.seconds_to_wait("user:1", "write") == 0


def test_writes_have_a_limit_of_their_own(limits: RateLimits) -> None:
    limits.seconds_to_wait("user:1", "write")

    assert limits.seconds_to_wait("user:1", "write") > 0
    assert limits.seconds_to_wait("user:1", "read") == 0


def test_pods_count_together(shared: RateLimits, empty_redis: str) -> None:
    other_link = RedisLink(empty_redis, timeout=5.0)
    use_up(shared)

    assert make_limits(other_link, empty_redis).seconds_to_wait("user:1", "read") > 0
    other_link.client.close()


def test_the_wait_is_what_is_left_of_the_window(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    (key,) = client.keys("butaca:limits:*")
    client.pexpire(key, 20_000)

    assert 15 < shared.seconds_to_wait("user:1", "read") <= 20


def test_the_wait_is_never_less_than_a_second(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    (key,) = client.keys("butaca:limits:*")
    client.persist(key)  # For which Redis tells no seconds; nor does it for the last half of one.

    assert shared.seconds_to_wait("user:1", "read") == 1


def test_after_the_window_calls_pass_again(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    (key,) = client.keys("butaca:limits:*")
    client.pexpire(key, 0)

    assert shared.seconds_to_wait("user:1", "read") == 0


def test_every_count_in_redis_expires(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    shared.seconds_to_wait("user:2", "write")

    assert [0 < client.ttl(key) <= 60 for key in client.scan_iter()] == [True, True]


def test_while_redis_is_away_each_process_counts_for_itself(
    shared: RateLimits, link: RedisLink
) -> None:
    use_up(shared)
    go_away(link)

    assert shared.seconds_to_wait("user:1", "read") == 0
    use_up(shared)
    assert shared.seconds_to_wait("user:1", "read") > 0


def test_when_redis_is_back_its_counts_hold_again(
    shared: RateLimits, link: RedisLink, clock: FakeClock
) -> None:
    use_up(shared)
    go_away(link)
    assert shared.seconds_to_wait("user:1", "read") == 0
    clock.move(REST)

    assert shared.seconds_to_wait("user:1", "read") > 0


def go_away(link: RedisLink) -> None:
    """Let a call fail, so that the link rests."""

    def fail() -> None:
        raise ConnectionResetError

    link.attempt(fail, otherwise=None)
