"""While TMDB hangs, requests for cached movies are not affected."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from butaca.sandbox import Fault
from tests.faults.pods import DEADLINE_MARGIN, STALE_MAX_WAIT, Environment, Pod, Response, new_path
from tests.waiting import wait_until

RecordProperty = Callable[[str, object], None]

HANG = 4.0
"""Seconds that a call may hang, longer than all hits take together."""

SETTINGS = {
    "CACHE_TTL_SECONDS": "60",
    "TMDB_DEADLINE": str(HANG),
    "TMDB_READ_TIMEOUT": str(HANG),
    "TMDB_COOLDOWN_SECONDS": "60",
}


def p99(responses: list[Response]) -> float:
    """Return the lowest p99 of any batch of 100 consecutive responses.

    Other load on the machine delays some batches; a blocked thread would delay all of them.
    """
    batches = [responses[n : n + 100] for n in range(0, len(responses), 100)]
    return min(sorted(response.seconds for response in batch)[98] for batch in batches)


def hits_while_30_requests_hang(
    env: Environment, pod: Pod, calls: int
) -> tuple[list[Response], list[Response]]:
    """Return 300 hits in a row, and the responses to 30 hanging requests for other keys."""
    path = new_path()
    pod.get(path)
    env.tmdb.calls.reset()
    env.tmdb.inject(Fault("hang", paths="/3/search/movie"))
    with ThreadPoolExecutor(30) as threads:
        hanging = [threads.submit(pod.get, f"/movies/search?query=n{n}") for n in range(30)]
        wait_until(lambda: env.tmdb.calls.total == calls)
        hits = [pod.get(path) for _ in range(300)]
        assert not all(request.done() for request in hanging)
        return hits, [request.result() for request in hanging]


@pytest.mark.parametrize(
    ("threads", "slots"), [(8, 4), (48, 30)], ids=["4 of 30 get a slot", "all 30 get a slot"]
)
def test_cache_hits_are_fast_while_30_requests_hang_upstream(
    env: Environment, threads: int, slots: int, record_property: RecordProperty
) -> None:
    pod = env.pod(THREADS=str(threads), TMDB_MAX_CONCURRENCY=str(slots), **SETTINGS)
    hits, hanging = hits_while_30_requests_hang(env, pod, calls=slots)
    record_property("p99_ms", round(p99(hits) * 1000, 1))
    assert all(hit.status == 200 and hit.is_fresh_hit for hit in hits)
    assert p99(hits) < 0.05
    assert sorted(response.status for response in hanging) == [503] * (30 - slots) + [504] * slots
    assert all((response.retry_after or 0) >= 1 for response in hanging)
    assert max(response.seconds for response in hanging) < HANG + DEADLINE_MARGIN
    assert env.tmdb.calls.total == slots
    assert len(pod.errors()) == slots


def test_cache_hits_are_fast_while_30_requests_wait_for_one_hanging_key(
    env: Environment, record_property: RecordProperty
) -> None:
    pod = env.pod(**SETTINGS)
    path = new_path()
    pod.get(path)
    env.tmdb.calls.reset()
    env.tmdb.inject(Fault("hang", paths="/3/search/movie"))
    with ThreadPoolExecutor(30) as threads:
        hanging = [threads.submit(pod.get, "/movies/search?query=one") for _ in range(30)]
        wait_until(lambda: env.tmdb.calls.total == 1)
        hits = [pod.get(path) for _ in range(300)]
        responses = [request.result() for request in hanging]
    record_property("p99_ms", round(p99(hits) * 1000, 1))
    assert all(hit.status == 200 and hit.is_fresh_hit for hit in hits)
    assert p99(hits) < 0.05
    assert {response.status for response in responses} <= {503, 504}
    assert max(response.seconds for response in responses) < HANG + DEADLINE_MARGIN
    assert env.tmdb.calls.total == 1
    assert len(pod.errors()) == 1


def test_stale_entry_is_served_immediately_if_no_upstream_slot_is_free(env: Environment) -> None:
    pod = env.pod(**{**SETTINGS, "CACHE_TTL_SECONDS": "0.3"})
    path = new_path()
    cached = pod.get(path)
    env.tmdb.inject(Fault("hang", paths="/3/search/movie"))
    with ThreadPoolExecutor(4) as threads:
        for n in range(4):
            threads.submit(pod.get, f"/movies/search?query=n{n}")
        wait_until(lambda: env.tmdb.calls["/3/search/movie"] == 4)
        busy = pod.get_after_ttl(path)
        env.tmdb.clear_faults()
    assert (busy.status, busy.body) == (200, cached.body)
    assert busy.cache_status == "butaca; hit; ttl=-1; detail=busy"
    assert busy.seconds < STALE_MAX_WAIT
