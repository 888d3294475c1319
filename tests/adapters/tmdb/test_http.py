"""A GET to TMDB: the request, the retries and the errors."""

import gzip
import logging
import re
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from butaca import trace
from butaca.adapters.deadline import seconds_left
from butaca.adapters.tmdb import Limits, TmdbHttp
from butaca.adapters.tmdb.http import MOST_BYTES, OUTCOMES
from butaca.core.errors import (
    CatalogueAnsweredNonsense,
    CatalogueFailed,
    CatalogueGarbled,
    CatalogueRefusedUs,
    CatalogueTimedOut,
    CatalogueUnavailable,
)
from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from tests.adapters.tmdb.wire import OK, STATUS_503, Wire
from tests.faults.pods import wait_until

Connect = Callable[..., TmdbHttp]

MOVIE = "/3/movie/550"
PASSING = ["429", "500", "502", "502-html", "503", "503-maintenance", "504", "504-html"]
NOWHERE = ["http://[", "http://[::1%zz]/", "\xff\xfe", "http://host:99999999/", "gopher://", ""]


@pytest.fixture
def closed_url() -> Iterator[str]:
    """The URL of a port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# --- what goes out -------------------------------------------------------------------------


def test_the_token_is_in_the_header_and_nowhere_else(wire: Wire, bare: TmdbHttp) -> None:
    wire.answer = OK + b"\r\n{}"

    bare.get("/movie/550", {"language": "es-ES"})

    head, *headers = wire.requests[0].decode().split("\r\n")
    assert head == "GET /movie/550?language=es-ES HTTP/1.1"
    assert [line for line in headers if DEFAULT_TOKEN in line] == [
        f"Authorization: Bearer {DEFAULT_TOKEN}"
    ]


def test_no_cookie_goes_back(wire: Wire, bare: TmdbHttp) -> None:
    wire.answer = OK + b"Set-Cookie: known=1\r\n\r\n{}"

    for _ in range(2):
        bare.get("/movie/550", {})

    assert b"cookie" not in wire.requests[1].lower()


@pytest.mark.parametrize("url", ["http://", "http://host:port/3", "http://[::1/3", "http://a b/3"])
def test_a_url_that_is_none_is_unavailable(connect: Connect, url: str) -> None:
    with pytest.raises(CatalogueUnavailable):
        connect(url, retries=0).get("/movie/550", {})


def test_json_is_asked_for(wire: Wire, bare: TmdbHttp) -> None:
    wire.answer = OK + b"\r\n{}"

    bare.get("/movie/550", {})

    assert b"\r\nAccept: application/json\r\n" in wire.requests[0]


def test_a_netrc_does_not_replace_the_token(
    wire: Wire, bare: TmdbHttp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    wire.answer = OK + b"\r\n{}"

    bare.get("/movie/550", {})

    assert f"Authorization: Bearer {DEFAULT_TOKEN}\r\n".encode() in wire.requests[0]


def test_a_slash_at_the_end_of_the_base_url_changes_nothing(
    sandbox: Sandbox, connect: Connect
) -> None:
    connect(f"{sandbox.url}/").get("/movie/550", {})

    assert sandbox.calls.targets == {MOVIE: 1}


def test_threads_share_a_session(sandbox: Sandbox, tmdb: TmdbHttp) -> None:
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: tmdb.get("/movie/550", {}), range(32)))

    assert [body["id"] for body in bodies if body] == [550] * 32
    assert sandbox.calls[MOVIE] == 32


# --- what is tried again -------------------------------------------------------------------


@pytest.mark.parametrize("kind", PASSING)
def test_a_passing_status_is_tried_as_often_as_allowed(
    sandbox: Sandbox, connect: Connect, kind: str
) -> None:
    sandbox.inject(Fault(kind))

    with pytest.raises(CatalogueUnavailable) as caught:
        connect(sandbox.url, retries=3).get("/movie/550", {})

    assert sandbox.calls[MOVIE] == 4
    assert caught.value.tries == 4
    assert caught.value.upstream_status == int(kind[:3])


@pytest.mark.parametrize("status", [204, 301, 304, 400, 403, 410, 413, 422])
def test_another_status_is_nonsense_and_final(wire: Wire, bare: TmdbHttp, status: int) -> None:
    # With a Retry-After, which makes urllib3 try a 413 again unless it is told not to.
    wire.answer = b"HTTP/1.1 %d X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n" % status

    with pytest.raises(CatalogueAnsweredNonsense) as caught:
        bare.get("/movie/550", {})

    assert len(wire.requests) == 1
    assert caught.value.upstream_status == status


@pytest.mark.parametrize("status", [501, 505, 520, 522, 530, 599])
def test_a_status_of_whatever_stands_before_tmdb_is_tried_again(
    wire: Wire, bare: TmdbHttp, status: int
) -> None:
    wire.answer = b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status

    with pytest.raises(CatalogueUnavailable) as caught:
        bare.get("/movie/550", {})

    assert caught.value.tries == len(wire.requests) == 2
    assert caught.value.upstream_status == status


def test_a_bad_key_is_final(wire: Wire, bare: TmdbHttp) -> None:
    wire.answer = b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"

    with pytest.raises(CatalogueRefusedUs) as caught:
        bare.get("/movie/550", {})

    assert len(wire.requests) == 1
    assert caught.value.upstream_status == 401
    assert caught.value.tries == 1


def test_what_is_not_there_is_none_at_the_first_try(sandbox: Sandbox, tmdb: TmdbHttp) -> None:
    assert tmdb.get("/movie/1", {}) is None
    assert sandbox.calls.total == 1


@pytest.mark.parametrize(
    "kind", [*PASSING, "refuse", "reset", "cut", "truncated", "list", "null", "hang"]
)
def test_what_fails_twice_and_then_answers_is_an_answer(
    sandbox: Sandbox, connect: Connect, kind: str
) -> None:
    sandbox.inject(Fault(kind, times=2))

    body = connect(sandbox.url, retries=2, read_timeout=0.1).get("/movie/550", {})

    assert body is not None
    assert body["id"] == 550
    assert sandbox.calls[MOVIE] == 3


def test_no_retries_means_one_try(sandbox: Sandbox, connect: Connect) -> None:
    sandbox.inject(Fault("503"))

    with pytest.raises(CatalogueUnavailable):
        connect(sandbox.url, retries=0).get("/movie/550", {})

    assert sandbox.calls[MOVIE] == 1


def test_a_final_answer_counts_the_tries_before_it(sandbox: Sandbox, tmdb: TmdbHttp) -> None:
    sandbox.inject(Fault("503", times=1), Fault("401"))

    with pytest.raises(CatalogueRefusedUs) as caught:
        tmdb.get("/movie/550", {})

    assert caught.value.tries == 2


# --- pauses --------------------------------------------------------------------------------


def test_pauses_double_within_their_bounds(
    sandbox: Sandbox, connect: Connect, pauses: list[float]
) -> None:
    sandbox.inject(Fault("503"))

    with pytest.raises(CatalogueUnavailable):
        connect(sandbox.url, retries=4, backoff=0.2, deadline=60.0).get("/movie/550", {})

    longest = [0.2, 0.4, 0.8, 1.6]
    assert len(pauses) == len(longest)
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))


def test_pauses_are_jittered(sandbox: Sandbox, connect: Connect, pauses: list[float]) -> None:
    sandbox.inject(Fault("503"))
    http = connect(sandbox.url, retries=1, backoff=0.2)

    for _ in range(5):
        with pytest.raises(CatalogueUnavailable):
            http.get("/movie/550", {})

    assert len(set(pauses)) == 5


def test_a_pause_beyond_the_deadline_is_not_taken(
    sandbox: Sandbox, connect: Connect, pauses: list[float]
) -> None:
    sandbox.inject(Fault("503"))

    with pytest.raises(CatalogueUnavailable) as caught:
        connect(sandbox.url, retries=5, backoff=100.0, deadline=5.0).get("/movie/550", {})

    assert pauses == []
    assert caught.value.tries == 1


@pytest.mark.parametrize("kind", ["429", "503"])
def test_retry_after_is_honored(
    sandbox: Sandbox, connect: Connect, pauses: list[float], kind: str
) -> None:
    sandbox.inject(Fault(kind, retry_after=2, times=1))

    body = connect(sandbox.url, deadline=60.0).get("/movie/550", {})

    assert body is not None
    assert pauses == [2.0]


def test_retry_after_may_be_a_date(sandbox: Sandbox, connect: Connect, pauses: list[float]) -> None:
    moment = formatdate(time.time() + 30, usegmt=True)
    sandbox.inject(Fault("429", retry_after=moment, times=1))

    connect(sandbox.url, deadline=60.0).get("/movie/550", {})

    assert len(pauses) == 1
    assert 20 < pauses[0] <= 30


def test_a_shorter_retry_after_does_not_shorten_the_backoff(
    sandbox: Sandbox, connect: Connect, pauses: list[float]
) -> None:
    sandbox.inject(Fault("429", retry_after=1, times=1))

    connect(sandbox.url, backoff=10.0, deadline=60.0).get("/movie/550", {})

    assert len(pauses) == 1
    assert 5 <= pauses[0] <= 10


@pytest.mark.parametrize("wait", [7, 86_400, "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_retry_after_beyond_the_deadline_ends_the_tries_at_once(
    sandbox: Sandbox, connect: Connect, pauses: list[float], wait: int | str
) -> None:
    sandbox.inject(Fault("429", retry_after=wait))

    with pytest.raises(CatalogueUnavailable) as caught:
        connect(sandbox.url, deadline=6.0).get("/movie/550", {})

    assert pauses == []
    assert sandbox.calls[MOVIE] == 1
    assert caught.value.tries == 1


@pytest.mark.parametrize(
    "wait", ["", "soon", "-1", "1.5", "9" * 5000, "Wed, 21 Oct 10000 07:28:00 GMT"]
)
def test_an_unreadable_retry_after_is_as_good_as_none(
    wire: Wire, bare: TmdbHttp, pauses: list[float], wait: str
) -> None:
    wire.answer = STATUS_503 + f"Retry-After: {wait}\r\n\r\n".encode()

    with pytest.raises(CatalogueUnavailable):
        bare.get("/movie/550", {})

    assert len(wire.requests) == 2
    assert pauses[0] <= 0.01


# --- what a failure is called --------------------------------------------------------------


def test_refused_connections_are_unavailable(closed_url: str, connect: Connect) -> None:
    with pytest.raises(CatalogueUnavailable) as caught:
        connect(closed_url).get("/movie/550", {})

    assert caught.value.tries == 2
    assert caught.value.upstream_status is None


def test_hanging_up_without_a_word_is_unavailable(sandbox: Sandbox, tmdb: TmdbHttp) -> None:
    sandbox.inject(Fault("refuse"))

    with pytest.raises(CatalogueUnavailable) as caught:
        tmdb.get("/movie/550", {})

    assert caught.value.tries == sandbox.calls[MOVIE] == 2


@pytest.mark.parametrize("fault", [Fault("hang"), Fault("drip", seconds=600)])
def test_silence_times_out(sandbox: Sandbox, connect: Connect, fault: Fault) -> None:
    sandbox.inject(fault)

    with pytest.raises(CatalogueTimedOut) as caught:
        connect(sandbox.url, read_timeout=0.05).get("/movie/550", {})

    assert caught.value.tries == 2
    wait_until(lambda: sandbox.calls[MOVIE] == 2)  # It may read late what nobody waits for.


@pytest.mark.parametrize("kind", ["cut", "reset", "truncated", "list", "null"])
def test_a_broken_body_is_garbled(sandbox: Sandbox, tmdb: TmdbHttp, kind: str) -> None:
    sandbox.inject(Fault(kind))

    with pytest.raises(CatalogueGarbled) as caught:
        tmdb.get("/movie/550", {})

    assert caught.value.tries == sandbox.calls[MOVIE] == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"popularity": NaN}',
        b'{"popularity": -Infinity}',
        b'{"title": "\\ud800"}',
        b'{"title": "\xff"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"id": ' + b"9" * 5000 + b"}",
        b"{} {}",
        b'"a string"',
        b"550",
        b"<html></html>",
        b"\x1f\x8b",
        b"\x1f\x8b\x08 and then something else",
        gzip.compress(b'{"id": 550}', mtime=0)[:-6],
        gzip.compress(b'{"id": 550}', mtime=0) + b"and more",
        gzip.compress(b"[]", mtime=0),
    ],
    ids=lambda body: str(body[:12]),
)
def test_an_unreadable_body_is_garbled(wire: Wire, bare: TmdbHttp, body: bytes) -> None:
    wire.answer = OK + b"\r\n" + body

    with pytest.raises(CatalogueGarbled) as caught:
        bare.get("/movie/550", {})

    assert caught.value.tries == len(wire.requests) == 2
    assert caught.value.upstream_status == 200


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Encoding: gzip\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}",
        OK + b"Content-Length: 3\r\n\r\n{}",
    ],
    ids=["not gzip", "negative chunk", "no chunk", "no last chunk", "too short"],
)
def test_a_body_in_broken_wrapping_is_garbled(wire: Wire, bare: TmdbHttp, answer: bytes) -> None:
    wire.answer = answer

    with pytest.raises(CatalogueGarbled) as caught:
        bare.get("/movie/550", {})

    assert caught.value.tries == len(wire.requests) == 2


@pytest.mark.parametrize("head", [b"", b"Content-Encoding: gzip\r\n"], ids=["secret", "announced"])
def test_gzip_is_read(wire: Wire, bare: TmdbHttp, head: bytes) -> None:
    wire.answer = OK + head + b"\r\n" + gzip.compress(b'{"id": 550}')

    assert bare.get("/movie/550", {}) == {"id": 550}


LONG = b"{}" + b" " * (MOST_BYTES - 2)
GZIPPED = OK + b"Content-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [OK + b"\r\n" + LONG, OK + b"\r\n" + gzip.compress(LONG), GZIPPED + gzip.compress(LONG)],
    ids=["plain", "secret gzip", "announced gzip"],
)
def test_a_long_body_is_read(wire: Wire, bare: TmdbHttp, answer: bytes) -> None:
    wire.answer = answer

    assert bare.get("/movie/550", {}) == {}


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"\r\n" + LONG + b" ",
        OK + b"\r\n" + gzip.compress(LONG + b" "),
        GZIPPED + gzip.compress(LONG + b" "),
    ],
    ids=["plain", "secret gzip", "announced gzip"],
)
def test_a_longer_body_is_garbled(wire: Wire, bare: TmdbHttp, answer: bytes) -> None:
    wire.answer = answer

    with pytest.raises(CatalogueGarbled) as caught:
        bare.get("/movie/550", {})

    assert caught.value.tries == len(wire.requests) == 2
    assert caught.value.upstream_status == 200


@pytest.mark.parametrize("head", [b"", b"Content-Encoding: gzip\r\n"], ids=["secret", "announced"])
def test_gzip_that_grows_without_end_is_not_unpacked_to_its_end(
    wire: Wire, connect: Connect, head: bytes
) -> None:
    wire.answer = OK + head + b"\r\n" + gzip.compress(bytes(2**26))
    http = connect(wire.url, retries=0)
    tracemalloc.start()

    with pytest.raises(CatalogueGarbled):
        http.get("/movie/550", {})

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**25


def test_redirects_are_not_followed(wire: Wire, bare: TmdbHttp) -> None:
    wire.answer = b"HTTP/1.1 302 Found\r\nLocation: %s/there\r\n\r\n" % wire.url.encode()

    with pytest.raises(CatalogueAnsweredNonsense) as caught:
        bare.get("/movie/550", {})

    assert caught.value.upstream_status == 302
    assert len(wire.requests) == 1


@pytest.mark.parametrize("location", NOWHERE)
def test_a_redirect_to_nowhere_is_nonsense(wire: Wire, bare: TmdbHttp, location: str) -> None:
    wire.answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode("latin-1")

    with pytest.raises(CatalogueAnsweredNonsense):
        bare.get("/movie/550", {})


HEADS = [OK, OK + b"Transfer-Encoding: chunked\r\n", OK + b"Content-Encoding: gzip\r\n"]
FIELDS = ["Location", "Retry-After", "Content-Length", "Set-Cookie", "Content-Type"]


@given(
    answer=st.one_of(
        st.binary(max_size=100),
        st.builds(lambda head, body: head + b"\r\n" + body, st.sampled_from(HEADS), st.binary()),
        st.builds(
            lambda status, field, text: (
                f"HTTP/1.1 {status} X\r\n{field}: {text}\r\n\r\n{{}}".encode("latin-1")
            ),
            st.sampled_from([200, 302, 404, 503]),
            st.sampled_from(FIELDS),
            st.text("[]:/%0123456789-.,;=?#@ aZ\xe9\xff", max_size=40),
        ),
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_is_an_answer_or_a_failure_that_we_know(
    wire: Wire, bare: TmdbHttp, answer: bytes
) -> None:
    wire.answer = answer

    with suppress(CatalogueFailed):
        body = bare.get("/movie/550", {})
        assert body is None or isinstance(body, dict)


@pytest.mark.parametrize("kind", ["refuse", "hang", "drip", "503", "truncated", "cut", "401"])
def test_a_failure_tells_no_secret_and_no_address(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level("DEBUG")
    sandbox.inject(Fault(kind, seconds=600))

    with pytest.raises(CatalogueFailed) as caught:
        connect(sandbox.url, read_timeout=0.05).get("/movie/550", {})

    assert DEFAULT_TOKEN not in str(caught.value) + caplog.text
    assert "127.0.0.1" not in str(caught.value)
    assert "/movie" not in str(caught.value)


# --- the deadline --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drip", "drip-headers", "hang", "delay"])
def test_the_deadline_ends_a_try_however_patient_its_read_timeout(
    sandbox: Sandbox, connect: Connect, kind: str
) -> None:
    sandbox.inject(Fault(kind, seconds=600 if kind == "delay" else 0.02))
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut) as caught:
        connect(sandbox.url, read_timeout=30.0, deadline=0.3).get("/movie/550", {})

    assert 0.29 <= time.monotonic() - started < 1.5
    assert caught.value.tries == 1


def test_the_deadline_ends_the_tries(sandbox: Sandbox, connect: Connect) -> None:
    sandbox.inject(Fault("hang"))
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut) as caught:
        connect(sandbox.url, read_timeout=0.1, retries=100, deadline=0.35).get("/movie/550", {})

    assert 0.3 <= time.monotonic() - started < 1.5
    assert 2 <= caught.value.tries <= 4


def test_a_try_without_time_to_connect_tells_nothing_new(
    sandbox: Sandbox, connect: Connect
) -> None:
    def pause(_: float) -> None:
        Event().wait(seconds_left())

    sandbox.inject(Fault("hang"))
    http = connect(sandbox.url, read_timeout=0.05, deadline=1.0)
    http._sleep = pause

    with pytest.raises(CatalogueTimedOut) as caught:
        http.get("/movie/550", {})

    assert caught.value.tries == 2


def test_slow_bytes_within_the_deadline_are_an_answer(sandbox: Sandbox, connect: Connect) -> None:
    sandbox.inject(Fault("drip-headers", seconds=0.0001))

    body = connect(sandbox.url, read_timeout=0.3, deadline=30.0).get("/authentication", {})

    assert body == {"success": True, "status_code": 1, "status_message": "Success."}


def test_a_call_leaves_no_deadline_behind(tmdb: TmdbHttp) -> None:
    tmdb.get("/movie/550", {})

    assert seconds_left() == float("inf")


# --- what the operator sees ----------------------------------------------------------------


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def counted(wire: Wire, registry: CollectorRegistry) -> Iterator[TmdbHttp]:
    """A session with the wire, which tries twice and counts."""
    tmdb = TmdbHttp(wire.url, DEFAULT_TOKEN, Limits(retries=1, backoff=0), registry=registry)
    yield tmdb
    tmdb._session.close()


def test_calls_are_timed_by_outcome(
    wire: Wire, counted: TmdbHttp, registry: CollectorRegistry
) -> None:
    wire.answer = OK + b"Connection: close\r\n\r\n{}"
    counted.get("/movie/550", {})
    wire.answer = b"HTTP/1.1 401 X\r\n\r\n"
    with pytest.raises(CatalogueRefusedUs):
        counted.get("/movie/550", {})

    calls = {
        outcome: registry.get_sample_value(
            "butaca_tmdb_call_duration_seconds_count", {"outcome": outcome}
        )
        for outcome in OUTCOMES
    }
    assert calls == {**dict.fromkeys(OUTCOMES, 0), "answered": 1, "CatalogueRefusedUs": 1}


def test_tries_are_timed_by_outcome(
    wire: Wire, counted: TmdbHttp, registry: CollectorRegistry
) -> None:
    wire.answer = STATUS_503 + b"Connection: close\r\n\r\n"
    with pytest.raises(CatalogueUnavailable):
        counted.get("/movie/550", {})
    wire.answer = OK + b"Connection: close\r\n\r\n{}"
    counted.get("/movie/550", {})

    tries = {
        outcome: registry.get_sample_value(
            "butaca_tmdb_try_duration_seconds_count", {"outcome": outcome}
        )
        for outcome in OUTCOMES
    }
    assert tries == {**dict.fromkeys(OUTCOMES, 0), "answered": 1, "CatalogueUnavailable": 2}


def test_each_try_goes_on_with_the_trace_as_a_span_of_its_own(wire: Wire, bare: TmdbHttp) -> None:
    wire.answer = STATUS_503 + b"Connection: close\r\n\r\n"
    trace.begin("mine", f"00-{'a' * 32}-{'b' * 16}-01")

    with pytest.raises(CatalogueUnavailable):
        bare.get("/movie/550", {})

    sent = [
        re.findall(rf"\r\ntraceparent: 00-{'a' * 32}-([0-9a-f]{{16}})-01\r\n", request.decode())
        for request in wire.requests
    ]
    assert [len(spans) for spans in sent] == [1, 1]
    assert len({"b" * 16, *(span for (span,) in sent)}) == 3


def test_what_is_done_for_nobody_goes_on_with_no_trace(wire: Wire, bare: TmdbHttp) -> None:
    wire.answer = OK + b"\r\n{}"

    bare.get("/movie/550", {})

    assert b"traceparent" not in wire.requests[0].lower()


def test_further_tries_are_counted_and_told(
    wire: Wire, counted: TmdbHttp, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "butaca.tmdb")
    wire.answer = STATUS_503 + b"Connection: close\r\n\r\n"

    with pytest.raises(CatalogueUnavailable):
        counted.get("/movie/550", {})

    assert registry.get_sample_value("butaca_tmdb_retries_total") == 1
    (line,) = (vars(record) for record in caplog.records)
    assert (line["msg"], line["failure"], line["upstream_status"], line["tries"]) == (
        "tmdb.tries_again",
        "CatalogueUnavailable",
        503,
        1,
    )
