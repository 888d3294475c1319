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
    PATIENCE,
    Answer,
    Environment,
    Pod,
    new_path,
    strike,
    wait_until,
)

CODES = {
    502: {"catalogue-garbled", "catalogue-answered-nonsense"},
    503: {"catalogue-unavailable"},
    504: {"catalogue-timed-out"},
}


@dataclass(frozen=True, slots=True)
class Row:
    """A way of failing, how often TMDB is asked, and what is answered with nothing kept.

    Where it cannot even be asked, `tries` are how often that was attempted.
    """

    fault: Fault | None
    calls: int
    status: int
    upstream_status: int | None = None
    is_slow: bool = False
    tries: int = 1

    def strike(self, tmdb: Sandbox) -> None:
        """Let TMDB fail; without a fault it is gone altogether."""
        tmdb.calls.reset()
        strike(tmdb, self.fault)


ROWS = {
    "refuses connections": Row(None, 0, 503, tries=3),
    "hangs up without a word": Row(Fault("refuse"), 3, 503),
    "never answers": Row(Fault("hang"), 3, 504, is_slow=True),
    "answers after the deadline": Row(Fault("delay", seconds=60), 3, 504, is_slow=True),
    "drips its body": Row(Fault("drip", seconds=0.1), 1, 504, is_slow=True),
    "drips a byte a second": Row(Fault("drip", seconds=1), 3, 504, is_slow=True),
    "drips its headers": Row(Fault("drip-headers", seconds=0.1), 1, 504, is_slow=True),
    "429": Row(Fault("429"), 3, 503, 429),
    "429, come back in 1 s": Row(Fault("429", retry_after=1), 2, 503, 429, is_slow=True),
    "429, come back tomorrow": Row(Fault("429", retry_after=86400), 1, 503, 429),
    "429, come back in 10^20 s": Row(Fault("429", retry_after=10**20), 1, 503, 429),
    "429, come back in the year 9999": Row(
        Fault("429", retry_after="Fri, 31 Dec 9999 23:59:59 GMT"), 1, 503, 429
    ),
    "429, come back soon": Row(Fault("429", retry_after="soon"), 3, 503, 429),
    "500": Row(Fault("500"), 3, 503, 500),
    "502": Row(Fault("502"), 3, 503, 502),
    "502 in HTML": Row(Fault("502-html"), 3, 503, 502),
    "503": Row(Fault("503"), 3, 503, 503),
    "503, come back tomorrow": Row(Fault("503", retry_after=86400), 1, 503, 503),
    "503 for maintenance": Row(Fault("503-maintenance"), 3, 503, 503),
    "504": Row(Fault("504"), 3, 503, 504),
    "504 in HTML": Row(Fault("504-html"), 3, 503, 504),
    "cuts its body": Row(Fault("cut"), 3, 502),
    "resets in mid-body": Row(Fault("reset"), 3, 502),
    "truncated JSON": Row(Fault("truncated"), 3, 502, 200),
    "a list": Row(Fault("list"), 3, 502, 200),
    "null": Row(Fault("null"), 3, 502, 200),
    "an empty object": Row(Fault("object"), 1, 502),
}

each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


def rows(*, slow: bool) -> pytest.MarkDecorator:
    chosen = {name: row for name, row in ROWS.items() if row.is_slow is slow}
    return pytest.mark.parametrize("row", chosen.values(), ids=chosen.keys())


def assert_is_in_time(answer: Answer) -> None:
    assert answer.seconds < DEADLINE + DEADLINE_MARGIN


def assert_is_stale(answer: Answer, good: Answer, upstream_status: int | None) -> None:
    status = f"; fwd-status={upstream_status}" if upstream_status else ""
    assert answer.status == 200
    assert answer.cache_status == f"butaca; fwd=stale{status}"
    assert answer.body == good.body
    assert answer.headers["Cache-Control"] == "private, max-age=0"
    assert 0 <= answer.age <= answer.came - good.asked


def assert_was_told(pod: Pod, answer: Answer, row: Row, served: str) -> None:
    """One line on stderr, and not a second one of anything else; perhaps after the answer."""
    (line,) = wait_until(pod.errors)
    assert line["level"] == "error"
    assert line["event"] == "tmdb.call_failed"
    assert line["tries"] == max(row.calls, row.tries)
    assert line["upstream_status"] == row.upstream_status
    assert line["served"] == served
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert line["seconds"] <= (DEADLINE + DEADLINE_MARGIN if row.is_slow else answer.seconds)


def assert_was_not_waited_for(stale: Answer, good: Answer) -> None:
    assert (stale.status, stale.body) == (200, good.body)
    assert re.fullmatch(r"butaca; hit; ttl=-\d; detail=updating", stale.cache_status)
    assert stale.seconds < PATIENCE + DEADLINE_MARGIN


@rows(slow=False)
def test_with_something_kept_it_is_served_stale(pod: Pod, tmdb: Sandbox, row: Row) -> None:
    path = new_path()
    good = pod.get(path)
    row.strike(tmdb)
    stale = pod.get_after_ttl(path)
    assert_is_stale(stale, good, row.upstream_status)
    assert_is_in_time(stale)
    assert tmdb.calls.total == row.calls
    assert_was_told(pod, stale, row, served="stale")


@rows(slow=True)
def test_with_something_kept_a_slow_tmdb_is_not_waited_for(
    pod: Pod, tmdb: Sandbox, row: Row
) -> None:
    path = new_path()
    good = pod.get(path)
    row.strike(tmdb)
    stale = pod.get_after_ttl(path)
    assert_was_not_waited_for(stale, good)
    assert_was_told(pod, stale, row, served="stale")
    assert tmdb.calls.total == row.calls


@each_row
def test_with_nothing_kept_the_failure_has_its_status(pod: Pod, tmdb: Sandbox, row: Row) -> None:
    row.strike(tmdb)
    answer = pod.get(new_path())
    assert answer.status == row.status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["code"] in CODES[row.status]
    assert answer.retry_after == (None if row.status == 502 else 1)
    assert_is_in_time(answer)
    assert tmdb.calls.total == row.calls
    assert_was_told(pod, answer, row, served="nothing")


def test_the_age_counts_the_time_that_was_waited(pod: Pod, tmdb: Sandbox) -> None:
    path = new_path()
    good = pod.get(path)
    tmdb.inject(Fault("hang"))
    stale = pod.get_after_ttl(path)
    assert stale.came - good.came - 1 < stale.age <= stale.came - good.asked
    wait_until(pod.errors)


def test_a_bad_key_serves_stale_and_alarms(pod: Pod, tmdb: Sandbox) -> None:
    path = new_path()
    good = pod.get(path)
    row = Row(Fault("401"), 1, 502, 401)
    row.strike(tmdb)
    stale = pod.get_after_ttl(path)
    assert_is_stale(stale, good, 401)
    assert tmdb.calls.total == 1
    assert_was_told(pod, stale, row, served="stale")
    assert pod.errors()[0]["failure"] == "CatalogueRefusedUs"


def test_a_bad_key_with_nothing_kept_is_502_and_alarms(pod: Pod, tmdb: Sandbox) -> None:
    row = Row(Fault("401"), 1, 502, 401)
    row.strike(tmdb)
    answer = pod.get(new_path())
    assert (answer.status, answer.json["code"]) == (502, "catalogue-refused-us")
    assert answer.retry_after is None
    assert tmdb.calls.total == 1
    assert_was_told(pod, answer, row, served="nothing")
    assert pod.errors()[0]["failure"] == "CatalogueRefusedUs"


@pytest.mark.parametrize("kind", ["503", "refuse", "truncated"])
def test_two_failures_and_then_an_answer_make_a_fresh_one(
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


def test_gzip_that_nobody_announced_is_read(pod: Pod, tmdb: Sandbox) -> None:
    path = new_path()
    good = pod.get(path)
    tmdb.inject(Fault("gzip"))
    again = pod.get_after_ttl(path)
    assert (again.status, again.cache_status) == (200, "butaca; fwd=miss; stored")
    assert again.body == good.body
    assert pod.get(new_path()).status == 200
    assert tmdb.calls.total == 3
    assert pod.errors() == []


def test_a_movie_that_is_gone_from_tmdb_stays_a_favorite(pod: Pod, tmdb: Sandbox) -> None:
    kept = pod.call("POST", "/me/favorites", {"movie_id": 550})
    assert kept.status == 201
    assert pod.get("/movies/550").status == 200
    tmdb.inject(Fault("deleted", ids=(550,)))
    gone = pod.get_after_ttl("/movies/550")
    assert (gone.status, gone.json["code"]) == (404, "movie-not-found")
    assert pod.get("/me/favorites/550").body == kept.body
    assert [each["movie"]["id"] for each in pod.get("/me/favorites").json["results"]] == [550]
    assert pod.call("PUT", "/me/ratings/550", {"stars": 4}).status == 201
    assert pod.call("DELETE", "/me/favorites/550").status == 204
    assert pod.get("/me/favorites/550").status == 404
    assert pod.errors() == []


def test_that_there_is_no_such_movie_is_an_answer_and_is_asked_once(env: Environment) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="30")
    env.tmdb.inject(Fault("404"))
    answers = [pod.get("/movies/551") for _ in range(3)]
    assert [(answer.status, answer.json["code"]) for answer in answers] == [
        (404, "movie-not-found")
    ] * 3
    assert env.tmdb.calls.total == 1
    assert pod.errors() == []


NOWHERE = """
import socket, threading
resolve = socket.getaddrinfo
def fail(port):
    {fail}
def look_up(host, port, *args, **kwargs):
    return fail(port) if host == "tmdb.invalid" else resolve(host, port, *args, **kwargs)
socket.getaddrinfo = look_up
"""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A way of not even reaching TMDB: how its host is looked up, and how often that is tried."""

    fail: str
    tries: int
    is_slow: bool = True

    @property
    def row(self) -> Row:
        return Row(None, 0, 503, is_slow=self.is_slow, tries=self.tries)


NOWHERES = {
    "DNS fails": Nowhere(
        'raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")', 3, is_slow=False
    ),
    "DNS never answers": Nowhere("threading.Event().wait()", 3),
    "several addresses that never answer": Nowhere(
        'return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 8', 1
    ),
}

each_nowhere = pytest.mark.parametrize("nowhere", NOWHERES.values(), ids=NOWHERES.keys())


@pytest.fixture
def settings(
    nowhere: Nowhere, startup: Callable[[str], dict[str, str]]
) -> Iterator[dict[str, str]]:
    """What makes a pod that does not reach TMDB."""
    with black_hole() as port:
        url = f"http://tmdb.invalid:{port}/3"
        yield {"TMDB_BASE_URL": url, **startup(NOWHERE.format(fail=nowhere.fail))}


@each_nowhere
def test_with_tmdb_out_of_reach_what_another_pod_kept_is_served_stale(
    env: Environment, settings: dict[str, str], nowhere: Nowhere
) -> None:
    seeing, blind = env.launch(), env.launch(**settings)
    path = new_path()
    good = seeing.wait_until_up().get(path)
    stale = blind.wait_until_up().get_after_ttl(path)
    if nowhere.is_slow:
        assert_was_not_waited_for(stale, good)
    else:
        assert_is_stale(stale, good, None)
    assert_was_told(blind, stale, nowhere.row, served="stale")


@each_nowhere
def test_with_tmdb_out_of_reach_and_nothing_kept_it_is_503(
    env: Environment, settings: dict[str, str], nowhere: Nowhere
) -> None:
    pod = env.pod(**settings)
    answer = pod.get(new_path())
    assert (answer.status, answer.json["code"]) == (503, "catalogue-unavailable")
    assert answer.retry_after == 1
    assert_is_in_time(answer)
    assert_was_told(pod, answer, nowhere.row, served="nothing")
