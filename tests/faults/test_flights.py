"""At most one upstream call per key and time-to-live, across all pods."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException

import pytest

from butaca.sandbox import Fault
from tests.faults.pods import (
    DEADLINE_MARGIN,
    PATIENCE,
    Answer,
    Environment,
    Pod,
    crowd,
    new_path,
    run_concurrently,
    wait_until,
)
from tests.turns import Alone

FRESH = 5.0
"""Seconds that an answer is fresh in front of a crowd: longer than it takes to serve them all."""

SLOWEST = 5.0
"""Seconds that TMDB may take beside a crowd, as they share a process: what it is late for is tried
again, and rightly so."""


@pytest.fixture
def four(env: Environment) -> list[Pod]:
    """Four processes."""
    return env.pods(
        4, CACHE_TTL_SECONDS=str(FRESH), TMDB_READ_TIMEOUT=str(SLOWEST), TMDB_DEADLINE=str(SLOWEST)
    )


HELD_UP = {("redis.went_away", "TimeoutError"), ("redis.came_back", None)}
"""What a pod says of a Redis that a crowd on two processors kept waiting."""


def complaints(pods: list[Pod]) -> set[tuple[str, str | None]]:
    """Return of what pods complained, and why, but of a Redis that was held up."""
    return {(line["event"], line.get("reason")) for pod in pods for line in pod.errors()} - HELD_UP


def test_500_requests_for_one_cold_key_over_4_processes_make_1_upstream_call(
    env: Environment, four: list[Pod], alone: Alone
) -> None:
    env.tmdb.inject(Fault("delay", seconds=0.1))
    with alone():
        answers = crowd(four, new_path())
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert env.tmdb.calls.total == 1
    assert [answer.cache_status for answer in answers].count("butaca; fwd=miss; stored") == 1
    assert complaints(four) == set()


def test_500_requests_for_one_expired_key_over_4_processes_make_1_upstream_call(
    env: Environment, four: list[Pod], alone: Alone
) -> None:
    path = new_path()
    filled = [pod.get(path) for pod in four]
    assert env.tmdb.calls.total == 1
    wait_until(lambda: time.monotonic() > filled[0].came + FRESH)
    env.tmdb.inject(Fault("delay", seconds=0.2))
    with alone():
        answers = crowd(four, path)
    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers} == {filled[0].body}
    assert env.tmdb.calls.total == 2
    # None of them where the crowd is so thick that even who went is served what was kept.
    assert [answer.cache_status for answer in answers].count("butaca; fwd=miss; stored") <= 1
    assert complaints(four) == set()


def test_a_copy_in_memory_is_no_fresher_than_the_entry_in_redis(env: Environment) -> None:
    writer, reader = env.pods(2, CACHE_TTL_SECONDS="1")
    path = new_path()
    written = writer.get(path)
    wait_until(lambda: time.monotonic() > written.came + 0.6)
    assert reader.get(path).is_fresh_hit
    again = reader.get_after_ttl(path)
    assert again.cache_status == "butaca; fwd=miss; stored"
    assert again.came - written.asked >= 1
    assert again.asked - written.came < 1.4
    assert env.tmdb.calls.total == 2


def test_followers_with_something_stale_do_not_wait_for_the_flight(env: Environment) -> None:
    first, second = env.pods(2)
    path = new_path()
    good = first.get(path)
    assert second.get(path).is_fresh_hit
    wait_until(lambda: time.monotonic() > good.came + 0.3)
    env.tmdb.inject(Fault("delay", seconds=0.45))
    answers = run_concurrently(*(partial([first, second][n % 2].get, path) for n in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert env.tmdb.calls.total == 2
    quick = sorted(answers, key=lambda answer: answer.seconds)[:9]
    assert max(answer.seconds for answer in quick) < 0.45
    assert {answer.cache_status for answer in quick} == {"butaca; hit; ttl=-1; detail=updating"}


def test_with_something_kept_a_leader_that_is_killed_is_replaced(env: Environment) -> None:
    leader, follower = env.pods(2, TMDB_DEADLINE="1", TMDB_READ_TIMEOUT="5")
    path = new_path()
    good = leader.get(path)
    _kill_in_flight(env, leader, path)
    stale = follower.get_after_ttl(path)
    assert (stale.status, stale.body) == (200, good.body)
    assert stale.cache_status == "butaca; hit; ttl=-1; detail=updating"
    assert stale.seconds < PATIENCE
    assert env.tmdb.calls.total == 2
    new = wait_until(lambda: _missed(follower, path))
    assert new.body == good.body
    assert env.tmdb.calls.total == 3
    assert follower.errors() == []


def test_with_nothing_kept_a_leader_that_is_killed_is_replaced(env: Environment) -> None:
    leader, follower = env.pods(2, TMDB_DEADLINE="1", TMDB_READ_TIMEOUT="5")
    path = new_path()
    _kill_in_flight(env, leader, path)
    died = time.monotonic()
    waiting = follower.get(path)
    assert (waiting.status, waiting.json["code"]) == (504, "catalogue-timed-out")
    assert waiting.retry_after
    assert waiting.seconds < 1 + DEADLINE_MARGIN
    assert env.tmdb.calls.total == 1
    new = wait_until(lambda: _missed(follower, path))
    assert new.status == 200
    assert (
        new.came - died < 1 + 1 + DEADLINE_MARGIN
    )  # The deadline, and what a lease lasts beyond it.
    assert env.tmdb.calls.total == 2


def _kill_in_flight(env: Environment, leader: Pod, path: str) -> None:
    """Kill a pod that is upstream for a path; then let TMDB be healthy."""
    before = env.tmdb.calls.total
    env.tmdb.inject(Fault("hang"))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(leader.get_after_ttl, path)
        wait_until(lambda: env.tmdb.calls.total == before + 1)
        leader.kill()
        assert isinstance(asked.exception(), OSError | HTTPException)
    env.tmdb.clear_faults()


def _missed(pod: Pod, path: str) -> Answer | None:
    answer = pod.get(path)
    return answer if answer.cache_status == "butaca; fwd=miss; stored" else None
