"""After a failure TMDB gets a rest, then a single probe instead of a burst of calls."""

from functools import partial

import redis

from butaca.adapters.cache.health import RESTING
from butaca.sandbox import Fault, Sandbox
from tests.faults.pods import (
    DEADLINE,
    DEADLINE_MARGIN,
    Environment,
    Pod,
    new_path,
    run_concurrently,
    wait_until,
)


def wait_until_rested(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: not client.exists(RESTING))


def test_while_it_rests_nothing_goes_out_and_what_is_kept_is_served(env: Environment) -> None:
    pod = env.pod(TMDB_COOLDOWN_SECONDS="60")
    path = new_path()
    good = pod.get(path)
    env.tmdb.inject(Fault("500"))
    assert pod.get_after_ttl(path).cache_status == "butaca; fwd=stale; fwd-status=500"
    env.tmdb.calls.reset()
    again = pod.get(path)
    assert again.status == 200
    assert again.cache_status == "butaca; hit; ttl=-1; detail=cooldown"
    assert again.body == good.body
    refused = pod.get(new_path())
    assert (refused.status, refused.json["code"]) == (503, "catalogue-unavailable")
    assert refused.retry_after in {59, 60}
    assert env.tmdb.calls.total == 0
    assert len(pod.errors()) == 1


def test_other_pods_rest_too(env: Environment) -> None:
    first, second = env.pods(2, TMDB_COOLDOWN_SECONDS="60")
    env.tmdb.inject(Fault("500"))
    assert first.get(new_path()).status == 503
    env.tmdb.calls.reset()
    assert second.get(new_path()).status == 503
    assert env.tmdb.calls.total == 0
    assert second.errors() == []


def test_after_a_rest_one_probe_goes_out_though_many_keys_are_asked_over_two_pods(
    env: Environment,
) -> None:
    pods = env.pods(2)
    env.tmdb.inject(Fault("500"))
    assert pods[0].get(new_path()).status == 503
    wait_until_rested(env.redis_url)
    env.tmdb.calls.reset()
    env.tmdb.clear_faults()
    env.tmdb.inject(Fault("hang"))
    for pod in pods:
        pod.forget()
    answers = run_concurrently(*(partial(pods[n % 2].get, new_path()) for n in range(40)))
    assert len(env.tmdb.calls.targets) == 1
    assert sorted(answer.status for answer in answers) == [503] * 39 + [504]
    assert max(answer.seconds for answer in answers) < DEADLINE + DEADLINE_MARGIN
    assert all((answer.retry_after or 0) >= 1 for answer in answers)
    assert len(pods[0].errors() + pods[1].errors()) == 1


def test_a_probe_that_succeeds_ends_the_rest_for_every_key(
    pod: Pod, tmdb: Sandbox, store: redis.Redis
) -> None:
    tmdb.inject(Fault("500", times=3))
    assert pod.get(new_path()).status == 503
    wait_until(lambda: not store.exists(RESTING))
    assert pod.get(new_path()).status == 200
    paths = [new_path() for _ in range(4)]
    answers = run_concurrently(*(partial(pod.get, path) for path in paths))
    assert [answer.status for answer in answers] == [200] * 4


def test_a_probe_that_fails_begins_the_rest_anew(
    pod: Pod, tmdb: Sandbox, store: redis.Redis
) -> None:
    tmdb.inject(Fault("500"))
    assert pod.get(new_path()).status == 503
    wait_until(lambda: not store.exists(RESTING))
    assert pod.get(new_path()).status == 503
    calls = tmdb.calls.total
    assert pod.get(new_path()).status == 503
    assert tmdb.calls.total == calls == 6
    assert len(pod.errors()) == 2


def test_a_movie_of_which_tmdb_tells_nonsense_rests_alone(pod: Pod, tmdb: Sandbox) -> None:
    tmdb.inject(Fault("object", paths="/3/movie/551"))
    first, second = pod.get("/movies/551"), pod.get("/movies/551")
    assert (first.status, first.json["code"]) == (502, "catalogue-answered-nonsense")
    assert (second.status, second.json["code"]) == (503, "catalogue-unavailable")
    assert second.retry_after == 1
    assert pod.get("/movies/550").status == 200
    assert pod.get(new_path()).status == 200
    assert tmdb.calls.total == 3
    assert len(pod.errors()) == 1
