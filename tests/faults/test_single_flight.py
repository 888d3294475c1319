"""At most one upstream call per key and time-to-live, across all pods."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException

import pytest

from butaca.sandbox import Fault
from tests.faults.pods import (
    DEADLINE_MARGIN,
    STALE_MAX_WAIT,
    Environment,
    Pod,
    Response,
    burst,
    new_path,
    run_concurrently,
)
from tests.suite_lock import Exclusive
from tests.waiting import wait_until

TTL = 5.0
"""Seconds. Longer than a burst takes, so that no entry expires during it."""

TMDB_TIMEOUT = 5.0
"""Seconds. TMDB shares this process with the clients and may respond late, which causes a retry."""

LONG_REDIS_TIMEOUT = """
from butaca.adapters.redis import RedisLink
timeout, *others = RedisLink.__init__.__defaults__
RedisLink.__init__.__defaults__ = (5.0, *others)
"""
"""Production uses 0.1 s. On a busy machine, a burst may leave a pod without CPU for that long. The
pod would then correctly treat Redis as down, log it, and call TMDB itself."""


@pytest.fixture
def pods(env: Environment, with_startup_code: Callable[[str], dict[str, str]]) -> list[Pod]:
    """Four pods with timeouts that a burst on a busy machine does not exceed."""
    return env.pods(
        4,
        CACHE_TTL_SECONDS=str(TTL),
        TMDB_READ_TIMEOUT=str(TMDB_TIMEOUT),
        TMDB_DEADLINE=str(TMDB_TIMEOUT),
        **with_startup_code(LONG_REDIS_TIMEOUT),
    )


def test_500_requests_for_an_uncached_key_on_4_pods_make_1_upstream_call(
    env: Environment, pods: list[Pod], exclusive: Exclusive
) -> None:
    env.tmdb.inject(Fault("delay", seconds=0.1))
    with exclusive():
        responses = burst(pods, new_path())
    assert {response.status for response in responses} == {200}
    assert len({response.body for response in responses}) == 1
    assert env.tmdb.calls.total == 1
    assert [response.cache_status for response in responses].count("butaca; fwd=miss; stored") == 1
    assert [pod.errors() for pod in pods] == [[]] * 4


def test_500_requests_for_an_expired_key_on_4_pods_make_1_upstream_call(
    env: Environment, pods: list[Pod], exclusive: Exclusive
) -> None:
    path = new_path()
    cached = [pod.get(path) for pod in pods]
    assert env.tmdb.calls.total == 1
    wait_until(lambda: time.monotonic() > cached[0].received_at + TTL)
    env.tmdb.inject(Fault("delay", seconds=0.2))
    with exclusive():
        responses = burst(pods, path)
    assert {response.status for response in responses} == {200}
    assert {response.body for response in responses} == {cached[0].body}
    assert env.tmdb.calls.total == 2
    # 0 if the leader took longer than STALE_MAX_WAIT and was served the stale entry, too.
    assert [response.cache_status for response in responses].count("butaca; fwd=miss; stored") <= 1
    assert [pod.errors() for pod in pods] == [[]] * 4


def test_memory_copy_expires_with_the_entry_in_redis(env: Environment) -> None:
    writer, reader = env.pods(2, CACHE_TTL_SECONDS="1")
    path = new_path()
    written = writer.get(path)
    wait_until(lambda: time.monotonic() > written.received_at + 0.6)
    assert reader.get(path).is_fresh_hit
    again = reader.get_after_ttl(path)
    assert again.cache_status == "butaca; fwd=miss; stored"
    assert again.received_at - written.sent_at >= 1
    assert again.sent_at - written.received_at < 1.4
    assert env.tmdb.calls.total == 2


def test_followers_with_a_stale_entry_do_not_wait_for_the_leader(env: Environment) -> None:
    first, second = env.pods(2, CACHE_TTL_SECONDS="1")
    path = new_path()
    cached = first.get(path)
    assert second.get(path).is_fresh_hit
    wait_until(lambda: time.monotonic() > cached.received_at + 1)
    env.tmdb.inject(Fault("delay", seconds=0.45))
    responses = run_concurrently(*(partial([first, second][n % 2].get, path) for n in range(10)))
    assert {response.status for response in responses} == {200}
    assert env.tmdb.calls.total == 2
    quick = sorted(responses, key=lambda response: response.seconds)[:9]
    assert max(response.seconds for response in quick) < 0.45
    assert {response.cache_status for response in quick} == {"butaca; hit; ttl=-1; detail=updating"}


def test_killed_leader_is_replaced_while_the_stale_entry_is_served(env: Environment) -> None:
    leader, follower = env.pods(2, TMDB_DEADLINE="1", TMDB_READ_TIMEOUT="5")
    path = new_path()
    cached = leader.get(path)
    _kill_during_call(env, leader, path)
    stale = follower.get_after_ttl(path)
    assert (stale.status, stale.body) == (200, cached.body)
    assert stale.cache_status == "butaca; hit; ttl=-1; detail=updating"
    assert stale.seconds < STALE_MAX_WAIT
    assert env.tmdb.calls.total == 2
    new = wait_until(lambda: _missed(follower, path))
    assert new.body == cached.body
    assert env.tmdb.calls.total == 3
    assert follower.errors() == []


def test_killed_leader_is_replaced_if_nothing_is_cached(env: Environment) -> None:
    leader, follower = env.pods(2, TMDB_DEADLINE="1", TMDB_READ_TIMEOUT="5")
    path = new_path()
    _kill_during_call(env, leader, path)
    killed_at = time.monotonic()
    waiting = follower.get(path)
    assert (waiting.status, waiting.json["code"]) == (504, "catalogue-timed-out")
    assert waiting.retry_after
    assert waiting.seconds < 1 + DEADLINE_MARGIN
    assert env.tmdb.calls.total == 1
    new = wait_until(lambda: _missed(follower, path))
    assert new.status == 200
    # A lease lasts 1 s longer than the deadline.
    assert new.received_at - killed_at < 1 + 1 + DEADLINE_MARGIN
    assert env.tmdb.calls.total == 2


def _kill_during_call(env: Environment, leader: Pod, path: str) -> None:
    """Kill a pod while it calls TMDB for a path; then restore TMDB."""
    before = env.tmdb.calls.total
    env.tmdb.inject(Fault("hang"))
    with ThreadPoolExecutor(1) as threads:
        request = threads.submit(leader.get_after_ttl, path)
        wait_until(lambda: env.tmdb.calls.total == before + 1)
        leader.kill()
        assert isinstance(request.exception(), OSError | HTTPException)
    env.tmdb.clear_faults()


def _missed(pod: Pod, path: str) -> Response | None:
    response = pod.get(path)
    return response if response.cache_status == "butaca; fwd=miss; stored" else None
