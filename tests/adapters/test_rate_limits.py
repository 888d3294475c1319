"""Rate limits: across all pods, and per process while Redis is unreachable."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import takewhile
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from butaca.adapters.rate_limits import RateLimits
from butaca.adapters.redis import RedisLink
from tests.fakes import FakeClock

REDIS_COOLDOWN = 3.0


def make_limits(link: RedisLink, reads: str = "3/minute", **options: Any) -> RateLimits:
    return RateLimits(link, reads=reads, writes="1/minute", **options)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def link(empty_redis: str, clock: FakeClock) -> Iterator[RedisLink]:
    link = RedisLink(empty_redis, timeout=5.0, cooldown=REDIS_COOLDOWN, clock=clock.monotonic)
    yield link
    link.client.close()


@pytest.fixture
def shared(link: RedisLink, clock: FakeClock) -> RateLimits:
    """Limits that are counted in Redis."""
    return make_limits(link, clock=clock.monotonic)


@pytest.fixture
def local() -> Iterator[RateLimits]:
    """Limits that are counted in the process, because Redis is unreachable."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{reserved.getsockname()[1]}/0"
        link = RedisLink(url)
        yield make_limits(link)
        link.client.close()


@pytest.fixture(params=["shared", "local"])
def limits(request: pytest.FixtureRequest) -> RateLimits:
    limits: RateLimits = request.getfixturevalue(request.param)
    return limits


def use_up(limits: RateLimits, caller: str = "user:1") -> None:
    """Make as many reads as the limit allows."""
    for _ in range(3):
        limits.seconds_to_wait(caller, "read")


def test_calls_within_the_limit_are_allowed(limits: RateLimits) -> None:
    assert [limits.seconds_to_wait("user:1", "read") for _ in range(3)] == [0, 0, 0]


def test_call_over_the_limit_waits_for_the_end_of_the_window(limits: RateLimits) -> None:
    use_up(limits)

    assert 50 < limits.seconds_to_wait("user:1", "read") <= 60


def test_callers_have_separate_limits(limits: RateLimits) -> None:
    use_up(limits, "user:1")

    assert limits.seconds_to_wait("user:2", "read") == 0


def test_reads_and_writes_have_separate_counts(limits: RateLimits) -> None:
    use_up(limits)

    assert limits.seconds_to_wait("user:1", "write") == 0


def test_writes_have_their_own_limit(limits: RateLimits) -> None:
    limits.seconds_to_wait("user:1", "write")

    assert limits.seconds_to_wait("user:1", "write") > 0
    assert limits.seconds_to_wait("user:1", "read") == 0


def test_pods_share_the_limit(shared: RateLimits, empty_redis: str) -> None:
    other_link = RedisLink(empty_redis, timeout=5.0)
    use_up(shared)

    assert make_limits(other_link).seconds_to_wait("user:1", "read") > 0
    other_link.client.close()


def test_wait_is_the_remaining_time_of_the_window(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    (key,) = client.keys("butaca:limits:*")
    client.pexpire(key, 20_000)

    assert 15 < shared.seconds_to_wait("user:1", "read") <= 20


def test_wait_is_at_least_one_second(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    (key,) = client.keys("butaca:limits:*")
    client.persist(key)  # From now on, PTTL returns -1.

    assert shared.seconds_to_wait("user:1", "read") == 1


def test_calls_are_allowed_again_after_the_window(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    (key,) = client.keys("butaca:limits:*")
    client.pexpire(key, 0)

    assert shared.seconds_to_wait("user:1", "read") == 0


def reserved_calls(link: RedisLink) -> int:
    """Return the number of calls that are reserved in Redis."""
    client: Any = link.client
    return sum(int(client.get(key)) for key in client.scan_iter("butaca:limits:*"))


def test_quota_of_a_large_limit_is_reserved_in_one_step(link: RedisLink) -> None:
    limits = make_limits(link, "600/minute")
    limits.seconds_to_wait("user:1", "read")
    assert reserved_calls(link) == 12
    for _ in range(11):
        limits.seconds_to_wait("user:1", "read")
    assert reserved_calls(link) == 12
    limits.seconds_to_wait("user:1", "read")
    assert reserved_calls(link) == 24


def test_limit_holds_across_pods(link: RedisLink, empty_redis: str) -> None:
    other_link = RedisLink(empty_redis, timeout=5.0)
    pods = [make_limits(each, "110/minute") for each in (link, other_link)]
    allowed = [pod.seconds_to_wait("user:1", "read") == 0 for _ in range(100) for pod in pods]
    assert allowed.count(True) == 110
    other_link.client.close()


def test_60_pods_can_use_over_90_percent_of_the_limit(link: RedisLink) -> None:
    pods = [make_limits(link, "600/minute") for _ in range(60)]
    calls = (pod.seconds_to_wait("user:1", "read") for _ in range(20) for pod in pods)
    assert len(list(takewhile(lambda wait: wait == 0, calls))) > 540


def test_unused_quota_expires_with_its_window(link: RedisLink, clock: FakeClock) -> None:
    limits = make_limits(link, "600/minute", clock=clock.monotonic)
    limits.seconds_to_wait("user:1", "read")
    clock.advance(60.0)
    limits.seconds_to_wait("user:1", "read")
    assert reserved_calls(link) == 24


def test_rejected_caller_skips_redis_until_the_window_ends(
    shared: RateLimits, link: RedisLink, clock: FakeClock
) -> None:
    client: Any = link.client
    use_up(shared)
    assert shared.seconds_to_wait("user:1", "read") > 0
    client.flushdb()
    assert shared.seconds_to_wait("user:1", "read") > 0
    clock.advance(60.0)
    assert shared.seconds_to_wait("user:1", "read") == 0


def test_quota_reserved_by_another_thread_is_not_lost(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = make_limits(link, "600/minute")
    reserve = limits._reserve_quota

    def reserve_slowly(caller: str, kind: str) -> Any:
        quota = reserve(caller, kind)
        monkeypatch.setattr(limits, "_reserve_quota", reserve)
        limits.seconds_to_wait(caller, kind)
        return quota

    monkeypatch.setattr(limits, "_reserve_quota", reserve_slowly)
    for _ in range(23):
        limits.seconds_to_wait("user:1", "read")
    assert reserved_calls(link) == 24


def test_concurrent_callers_can_use_the_whole_limit(link: RedisLink) -> None:
    limits = make_limits(link, "600/minute")
    threads = 4
    start = Barrier(threads)

    def call_often() -> list[int]:
        start.wait()
        return [limits.seconds_to_wait("user:1", "read") for _ in range(150)]

    with ThreadPoolExecutor(threads) as pool:
        waits = [pool.submit(call_often) for _ in range(threads)]
        assert all(wait.result() == [0] * 150 for wait in waits)
    assert limits.seconds_to_wait("user:1", "read") > 0


def test_every_count_in_redis_expires(shared: RateLimits, link: RedisLink) -> None:
    client: Any = link.client
    use_up(shared)
    shared.seconds_to_wait("user:2", "write")

    assert [0 < client.ttl(key) <= 60 for key in client.scan_iter()] == [True, True]


def test_each_process_counts_locally_while_redis_is_down(
    shared: RateLimits, link: RedisLink
) -> None:
    use_up(shared)
    take_down(link)

    assert shared.seconds_to_wait("user:1", "read") == 0
    use_up(shared)
    assert shared.seconds_to_wait("user:1", "read") > 0


def test_local_counting_is_serialized(local: RateLimits, monkeypatch: pytest.MonkeyPatch) -> None:
    hit, barrier = local._local_limiter.hit, Barrier(2, timeout=0.2)

    def hit_together(*call: Any) -> bool:
        with suppress(BrokenBarrierError):
            barrier.wait()
            pytest.fail("two threads count at the same time")
        return hit(*call)

    monkeypatch.setattr(local._local_limiter, "hit", hit_together)
    with ThreadPoolExecutor(2) as pool:
        waits = pool.map(lambda caller: local.seconds_to_wait(caller, "read"), ["one", "two"])
        assert list(waits) == [0, 0]


def test_counts_in_redis_apply_again_after_it_recovers(
    shared: RateLimits, link: RedisLink, clock: FakeClock
) -> None:
    use_up(shared)
    take_down(link)
    assert shared.seconds_to_wait("user:1", "read") == 0
    clock.advance(REDIS_COOLDOWN)

    assert shared.seconds_to_wait("user:1", "read") > 0


def take_down(link: RedisLink) -> None:
    """Make a call fail, which starts the cooldown of the link."""

    def fail() -> None:
        raise ConnectionResetError

    link.attempt(fail, fallback=None)


def test_rejections_are_counted_by_kind(link: RedisLink, clock: FakeClock) -> None:
    registry = CollectorRegistry()
    limits = make_limits(link, clock=clock.monotonic, registry=registry)
    for _ in range(5):
        limits.seconds_to_wait("user:1", "read")

    rejections = {
        kind: registry.get_sample_value("butaca_rate_limited_total", {"kind": kind})
        for kind in ("read", "write")
    }
    assert rejections == {"read": 2, "write": 0}
