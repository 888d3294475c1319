"""After a failure TMDB is not called during a cooldown; then a single probe is sent."""

from functools import partial

import redis

from butaca.adapters.cache.health import COOLDOWN_KEY
from butaca.sandbox import Fault, Sandbox
from tests.faults.pods import (
    DEADLINE,
    DEADLINE_MARGIN,
    Environment,
    Pod,
    new_path,
    run_concurrently,
)
from tests.waiting import wait_until


def wait_until_cooldown_ends(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: not client.exists(COOLDOWN_KEY))


def test_cooldown_serves_stale_entries_without_calling_tmdb(env: Environment) -> None:
    pod = env.pod(TMDB_COOLDOWN_SECONDS="60")
    path = new_path()
    cached = pod.get(path)
    env.tmdb.inject(Fault("500"))
    assert pod.get_after_ttl(path).cache_status == "butaca; fwd=stale; fwd-status=500"
    env.tmdb.calls.reset()
    again = pod.get(path)
    assert again.status == 200
    assert again.cache_status == "butaca; hit; ttl=-1; detail=cooldown"
    assert again.body == cached.body
    rejected = pod.get(new_path())
    assert (rejected.status, rejected.json["code"]) == (503, "catalogue-unavailable")
    assert rejected.retry_after in {59, 60}
    assert env.tmdb.calls.total == 0
    assert len(pod.errors()) == 1


def test_cooldown_applies_to_other_pods(env: Environment) -> None:
    first, second = env.pods(2, TMDB_COOLDOWN_SECONDS="60")
    env.tmdb.inject(Fault("500"))
    assert first.get(new_path()).status == 503
    env.tmdb.calls.reset()
    assert second.get(new_path()).status == 503
    assert env.tmdb.calls.total == 0
    assert second.errors() == []


def test_cooldown_ends_with_a_single_probe_across_two_pods(env: Environment) -> None:
    pods = env.pods(2)
    env.tmdb.inject(Fault("500"))
    assert pods[0].get(new_path()).status == 503
    wait_until_cooldown_ends(env.redis_url)
    env.tmdb.calls.reset()
    env.tmdb.clear_faults()
    env.tmdb.inject(Fault("hang"))
    for pod in pods:
        pod.clear_errors()
    responses = run_concurrently(*(partial(pods[n % 2].get, new_path()) for n in range(40)))
    assert len(env.tmdb.calls.targets) == 1
    assert sorted(response.status for response in responses) == [503] * 39 + [504]
    assert max(response.seconds for response in responses) < DEADLINE + DEADLINE_MARGIN
    assert all((response.retry_after or 0) >= 1 for response in responses)
    assert len(pods[0].errors() + pods[1].errors()) == 1


def test_successful_probe_ends_the_cooldown_for_every_key(
    pod: Pod, tmdb: Sandbox, redis_client: redis.Redis
) -> None:
    tmdb.inject(Fault("500", times=3))
    assert pod.get(new_path()).status == 503
    wait_until(lambda: not redis_client.exists(COOLDOWN_KEY))
    assert pod.get(new_path()).status == 200
    paths = [new_path() for _ in range(4)]
    responses = run_concurrently(*(partial(pod.get, path) for path in paths))
    assert [response.status for response in responses] == [200] * 4


def test_failed_probe_restarts_the_cooldown(
    pod: Pod, tmdb: Sandbox, redis_client: redis.Redis
) -> None:
    tmdb.inject(Fault("500"))
    assert pod.get(new_path()).status == 503
    wait_until(lambda: not redis_client.exists(COOLDOWN_KEY))
    assert pod.get(new_path()).status == 503
    calls = tmdb.calls.total
    assert pod.get(new_path()).status == 503
    assert tmdb.calls.total == calls == 6
    assert len(pod.errors()) == 2


def test_invalid_response_starts_a_cooldown_for_only_its_call(pod: Pod, tmdb: Sandbox) -> None:
    tmdb.inject(Fault("object", paths="/3/movie/551"))
    first, second = pod.get("/movies/551"), pod.get("/movies/551")
    assert (first.status, first.json["code"]) == (502, "catalogue-invalid-response")
    assert (second.status, second.json["code"]) == (503, "catalogue-unavailable")
    assert second.retry_after == 1
    assert pod.get("/movies/550").status == 200
    assert pod.get(new_path()).status == 200
    assert tmdb.calls.total == 3
    assert len(pod.errors()) == 1
