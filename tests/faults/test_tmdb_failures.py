"""Every failure of TMDB: the response, its latency, and what is logged."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from butaca.sandbox import Fault, Sandbox
from tests.black_hole import black_hole
from tests.faults.pods import (
    DEADLINE,
    DEADLINE_MARGIN,
    STALE_MAX_WAIT,
    Environment,
    Pod,
    Response,
    break_tmdb,
    new_path,
)
from tests.waiting import wait_until

CODES = {
    502: {"catalogue-malformed-response", "catalogue-invalid-response"},
    503: {"catalogue-unavailable"},
    504: {"catalogue-timed-out"},
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A fault, the number of calls that TMDB receives, and the status if nothing is cached.

    `attempts` is given if no call reaches TMDB: the number of attempts.
    """

    fault: Fault | None
    calls: int
    status: int
    upstream_status: int | None = None
    is_slow: bool = False
    attempts: int = 1

    def start(self, tmdb: Sandbox) -> None:
        """Reset the call counts and make TMDB fail; stop it if there is no fault."""
        tmdb.calls.reset()
        break_tmdb(tmdb, self.fault)


FAILURES = {
    "refuses connections": Failure(None, 0, 503, attempts=3),
    "closes the connection without a response": Failure(Fault("refuse"), 3, 503),
    "never responds": Failure(Fault("hang"), 3, 504, is_slow=True),
    "responds after the deadline": Failure(Fault("delay", seconds=60), 3, 504, is_slow=True),
    "drips its body": Failure(Fault("drip", seconds=0.1), 1, 504, is_slow=True),
    "drips a byte a second": Failure(Fault("drip", seconds=1), 3, 504, is_slow=True),
    "drips its headers": Failure(Fault("drip-headers", seconds=0.1), 1, 504, is_slow=True),
    "429": Failure(Fault("429"), 3, 503, 429),
    "429, Retry-After: 1": Failure(Fault("429", retry_after=1), 2, 503, 429, is_slow=True),
    "429, Retry-After: one day": Failure(Fault("429", retry_after=86400), 1, 503, 429),
    "429, Retry-After: 10^20": Failure(Fault("429", retry_after=10**20), 1, 503, 429),
    "429, Retry-After: year 9999": Failure(
        Fault("429", retry_after="Fri, 31 Dec 9999 23:59:59 GMT"), 1, 503, 429
    ),
    "429, Retry-After: soon": Failure(Fault("429", retry_after="soon"), 3, 503, 429),
    "500": Failure(Fault("500"), 3, 503, 500),
    "502": Failure(Fault("502"), 3, 503, 502),
    "502 in HTML": Failure(Fault("502-html"), 3, 503, 502),
    "503": Failure(Fault("503"), 3, 503, 503),
    "503, Retry-After: one day": Failure(Fault("503", retry_after=86400), 1, 503, 503),
    "503 for maintenance": Failure(Fault("503-maintenance"), 3, 503, 503),
    "504": Failure(Fault("504"), 3, 503, 504),
    "504 in HTML": Failure(Fault("504-html"), 3, 503, 504),
    "closes the connection mid-body": Failure(Fault("cut"), 3, 502),
    "resets the connection mid-body": Failure(Fault("reset"), 3, 502),
    "truncated JSON": Failure(Fault("truncated"), 3, 502, 200),
    "a list": Failure(Fault("list"), 3, 502, 200),
    "null": Failure(Fault("null"), 3, 502, 200),
    "an empty object": Failure(Fault("object"), 1, 502),
}

each_failure = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())


def failures(*, slow: bool) -> pytest.MarkDecorator:
    selected = {name: failure for name, failure in FAILURES.items() if failure.is_slow is slow}
    return pytest.mark.parametrize("failure", selected.values(), ids=selected.keys())


def assert_in_time(response: Response) -> None:
    assert response.seconds < DEADLINE + DEADLINE_MARGIN


def assert_stale(response: Response, cached: Response, upstream_status: int | None) -> None:
    status = f"; fwd-status={upstream_status}" if upstream_status else ""
    assert response.status == 200
    assert response.cache_status == f"butaca; fwd=stale{status}"
    assert response.body == cached.body
    assert response.headers["Cache-Control"] == "private, max-age=0"
    assert 0 <= response.age <= response.received_at - cached.sent_at


def assert_logged(pod: Pod, response: Response, failure: Failure, served: str) -> None:
    """Check that stderr has exactly one line. It may be written after the response."""
    (line,) = wait_until(pod.errors)
    assert line["level"] == "error"
    assert line["event"] == "tmdb.call_failed"
    assert line["attempts"] == max(failure.calls, failure.attempts)
    assert line["upstream_status"] == failure.upstream_status
    assert line["served"] == served
    assert line["request_id"] == response.headers["X-Request-Id"]
    assert line["seconds"] <= (DEADLINE + DEADLINE_MARGIN if failure.is_slow else response.seconds)


def assert_stale_without_waiting(stale: Response, cached: Response) -> None:
    assert (stale.status, stale.body) == (200, cached.body)
    assert re.fullmatch(r"butaca; hit; ttl=-\d; detail=updating", stale.cache_status)
    assert stale.seconds < STALE_MAX_WAIT + DEADLINE_MARGIN


@failures(slow=False)
def test_stale_entry_is_served_if_tmdb_fails(pod: Pod, tmdb: Sandbox, failure: Failure) -> None:
    path = new_path()
    cached = pod.get(path)
    failure.start(tmdb)
    stale = pod.get_after_ttl(path)
    assert_stale(stale, cached, failure.upstream_status)
    assert_in_time(stale)
    assert tmdb.calls.total == failure.calls
    assert_logged(pod, stale, failure, served="stale")


@failures(slow=True)
def test_stale_entry_is_served_without_waiting_for_a_slow_tmdb(
    pod: Pod, tmdb: Sandbox, failure: Failure
) -> None:
    path = new_path()
    cached = pod.get(path)
    failure.start(tmdb)
    stale = pod.get_after_ttl(path)
    assert_stale_without_waiting(stale, cached)
    assert_logged(pod, stale, failure, served="stale")
    assert tmdb.calls.total == failure.calls


@each_failure
def test_failure_without_a_cached_entry_has_its_own_status(
    pod: Pod, tmdb: Sandbox, failure: Failure
) -> None:
    failure.start(tmdb)
    response = pod.get(new_path())
    assert response.status == failure.status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json["code"] in CODES[failure.status]
    assert response.retry_after == (None if failure.status == 502 else 1)
    assert_in_time(response)
    assert tmdb.calls.total == failure.calls
    assert_logged(pod, response, failure, served="nothing")


def test_age_includes_the_time_spent_waiting(pod: Pod, tmdb: Sandbox) -> None:
    path = new_path()
    cached = pod.get(path)
    tmdb.inject(Fault("hang"))
    stale = pod.get_after_ttl(path)
    shortest = stale.received_at - cached.received_at
    longest = stale.received_at - cached.sent_at
    assert shortest - 1 < stale.age <= longest
    wait_until(pod.errors)


def test_rejected_key_serves_the_stale_entry_and_logs_an_error(pod: Pod, tmdb: Sandbox) -> None:
    path = new_path()
    cached = pod.get(path)
    failure = Failure(Fault("401"), 1, 502, 401)
    failure.start(tmdb)
    stale = pod.get_after_ttl(path)
    assert_stale(stale, cached, 401)
    assert tmdb.calls.total == 1
    assert_logged(pod, stale, failure, served="stale")
    assert pod.errors()[0]["failure"] == "CatalogueAccessDenied"


def test_rejected_key_without_a_cached_entry_returns_502_and_logs_an_error(
    pod: Pod, tmdb: Sandbox
) -> None:
    failure = Failure(Fault("401"), 1, 502, 401)
    failure.start(tmdb)
    response = pod.get(new_path())
    assert (response.status, response.json["code"]) == (502, "catalogue-access-denied")
    assert response.retry_after is None
    assert tmdb.calls.total == 1
    assert_logged(pod, response, failure, served="nothing")
    assert pod.errors()[0]["failure"] == "CatalogueAccessDenied"


@pytest.mark.parametrize("kind", ["503", "refuse", "truncated"])
def test_two_failures_before_a_success_return_a_fresh_response(
    pod: Pod, tmdb: Sandbox, kind: str
) -> None:
    path = new_path()
    tmdb.inject(Fault(kind, times=2))
    first = pod.get(path)
    assert (first.status, first.cache_status) == (200, "butaca; fwd=miss; stored")
    assert tmdb.calls.total == 3
    tmdb.inject(Fault(kind, times=2))
    second = pod.get_after_ttl(path)
    assert (second.status, second.cache_status) == (200, "butaca; fwd=miss; stored")
    assert second.body == first.body
    assert tmdb.calls.total == 6
    assert pod.errors() == []


def test_gzip_without_content_encoding_is_decoded(pod: Pod, tmdb: Sandbox) -> None:
    path = new_path()
    cached = pod.get(path)
    tmdb.inject(Fault("gzip"))
    again = pod.get_after_ttl(path)
    assert (again.status, again.cache_status) == (200, "butaca; fwd=miss; stored")
    assert again.body == cached.body
    assert pod.get(new_path()).status == 200
    assert tmdb.calls.total == 3
    assert pod.errors() == []


def test_movie_deleted_at_tmdb_stays_a_favorite(pod: Pod, tmdb: Sandbox) -> None:
    favorite = pod.call("POST", "/me/favorites", {"movie_id": 550})
    assert favorite.status == 201
    assert pod.get("/movies/550").status == 200
    tmdb.inject(Fault("deleted", ids=(550,)))
    deleted = pod.get_after_ttl("/movies/550")
    assert (deleted.status, deleted.json["code"]) == (404, "movie-not-found")
    assert pod.get("/me/favorites/550").body == favorite.body
    assert [each["movie"]["id"] for each in pod.get("/me/favorites").json["results"]] == [550]
    assert pod.call("PUT", "/me/ratings/550", {"stars": 4}).status == 201
    assert pod.call("DELETE", "/me/favorites/550").status == 204
    assert pod.get("/me/favorites/550").status == 404
    assert pod.errors() == []


def test_not_found_is_cached(env: Environment) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="30")
    env.tmdb.inject(Fault("404"))
    responses = [pod.get("/movies/551") for _ in range(3)]
    assert [(response.status, response.json["code"]) for response in responses] == [
        (404, "movie-not-found")
    ] * 3
    assert env.tmdb.calls.total == 1
    assert pod.errors() == []


RESOLVER_PATCH = """
import socket, threading
resolve = socket.getaddrinfo
def resolve_tmdb(port):
    {code}
def patched(host, port, *args, **kwargs):
    return resolve_tmdb(port) if host == "tmdb.invalid" else resolve(host, port, *args, **kwargs)
socket.getaddrinfo = patched
"""


@dataclass(frozen=True, slots=True)
class Outage:
    """A reason why TMDB is unreachable: code that resolves its host, and the expected attempts."""

    code: str
    attempts: int
    is_slow: bool = True

    @property
    def as_failure(self) -> Failure:
        return Failure(None, 0, 503, is_slow=self.is_slow, attempts=self.attempts)


OUTAGES = {
    "DNS fails": Outage(
        'raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")', 3, is_slow=False
    ),
    "DNS never responds": Outage("threading.Event().wait()", 3),
    "several addresses never respond": Outage(
        'return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 8', 1
    ),
}

each_outage = pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())


@pytest.fixture
def settings(
    outage: Outage, with_startup_code: Callable[[str], dict[str, str]]
) -> Iterator[dict[str, str]]:
    """Settings of a pod that cannot reach TMDB."""
    with black_hole() as port:
        url = f"http://tmdb.invalid:{port}/3"
        yield {"TMDB_BASE_URL": url, **with_startup_code(RESOLVER_PATCH.format(code=outage.code))}


@each_outage
def test_entry_of_another_pod_is_served_stale_if_tmdb_is_unreachable(
    env: Environment, settings: dict[str, str], outage: Outage
) -> None:
    connected, isolated = env.launch(), env.launch(**settings)
    path = new_path()
    cached = connected.wait_until_up().get(path)
    stale = isolated.wait_until_up().get_after_ttl(path)
    if outage.is_slow:
        assert_stale_without_waiting(stale, cached)
    else:
        assert_stale(stale, cached, None)
    assert_logged(isolated, stale, outage.as_failure, served="stale")


@each_outage
def test_unreachable_tmdb_without_a_cached_entry_returns_503(
    env: Environment, settings: dict[str, str], outage: Outage
) -> None:
    pod = env.pod(**settings)
    response = pod.get(new_path())
    assert (response.status, response.json["code"]) == (503, "catalogue-unavailable")
    assert response.retry_after == 1
    assert_in_time(response)
    assert_logged(pod, response, outage.as_failure, served="nothing")
