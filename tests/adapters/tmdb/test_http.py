"""GET requests to TMDB: requests, retries, errors, deadline and metrics."""

import gzip
import logging
import re
import socket
import time
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
from butaca.adapters.tmdb.http import FAILURES, MAX_BODY_SIZE, OUTCOMES
from butaca.core.errors import (
    CatalogueAccessDenied,
    CatalogueFailed,
    CatalogueInvalidResponse,
    CatalogueMalformedResponse,
    CatalogueTimedOut,
    CatalogueUnavailable,
)
from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from butaca.web.problems import type_for_error
from tests.adapters.tmdb.raw_server import OK, STATUS_503, RawServer
from tests.memory import peak_memory
from tests.waiting import wait_until

MakeClient = Callable[..., TmdbHttp]

MOVIE = "/3/movie/550"
TRANSIENT_FAULTS = ["429", "500", "502", "502-html", "503", "503-maintenance", "504", "504-html"]
INVALID_URLS = [
    "http://[",
    "http://[::1%zz]/",
    "\xff\xfe",
    "http://host:99999999/",
    "gopher://",
    "",
]


@pytest.fixture
def closed_url() -> Iterator[str]:
    """The URL of a bound port on which no server listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


# --- requests ------------------------------------------------------------------------------


def test_token_is_sent_only_in_the_header(raw_server: RawServer, raw_client: TmdbHttp) -> None:
    raw_server.response = OK + b"\r\n{}"

    raw_client.get("/movie/550", {"language": "es-ES"})

    head, *headers = raw_server.requests[0].decode().split("\r\n")
    assert head == "GET /movie/550?language=es-ES HTTP/1.1"
    assert [line for line in headers if DEFAULT_TOKEN in line] == [
        f"Authorization: Bearer {DEFAULT_TOKEN}"
    ]


def test_cookies_are_not_sent_back(raw_server: RawServer, raw_client: TmdbHttp) -> None:
    raw_server.response = OK + b"Set-Cookie: known=1\r\n\r\n{}"

    for _ in range(2):
        raw_client.get("/movie/550", {})

    assert b"cookie" not in raw_server.requests[1].lower()


@pytest.mark.parametrize("url", ["http://", "http://host:port/3", "http://[::1/3", "http://a b/3"])
def test_invalid_base_url_is_unavailable(make_client: MakeClient, url: str) -> None:
    with pytest.raises(CatalogueUnavailable):
        make_client(url, retries=0).get("/movie/550", {})


def test_request_accepts_json(raw_server: RawServer, raw_client: TmdbHttp) -> None:
    raw_server.response = OK + b"\r\n{}"

    raw_client.get("/movie/550", {})

    assert b"\r\nAccept: application/json\r\n" in raw_server.requests[0]


def test_netrc_does_not_replace_the_token(
    raw_server: RawServer, raw_client: TmdbHttp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    raw_server.response = OK + b"\r\n{}"

    raw_client.get("/movie/550", {})

    assert f"Authorization: Bearer {DEFAULT_TOKEN}\r\n".encode() in raw_server.requests[0]


def test_trailing_slash_of_the_base_url_is_ignored(
    sandbox: Sandbox, make_client: MakeClient
) -> None:
    make_client(f"{sandbox.url}/").get("/movie/550", {})

    assert sandbox.calls.targets == {MOVIE: 1}


def test_client_is_thread_safe(sandbox: Sandbox, client: TmdbHttp) -> None:
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: client.get("/movie/550", {}), range(32)))

    assert [body["id"] for body in bodies if body] == [550] * 32
    assert sandbox.calls[MOVIE] == 32


# --- retries -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRANSIENT_FAULTS)
def test_transient_status_is_retried_up_to_the_limit(
    sandbox: Sandbox, make_client: MakeClient, kind: str
) -> None:
    sandbox.inject(Fault(kind))

    with pytest.raises(CatalogueUnavailable) as caught:
        make_client(sandbox.url, retries=3).get("/movie/550", {})

    assert sandbox.calls[MOVIE] == 4
    assert caught.value.attempts == 4
    assert caught.value.upstream_status == int(kind[:3])


@pytest.mark.parametrize("status", [204, 301, 304, 400, 403, 410, 413, 422])
def test_unexpected_status_is_not_retried(
    raw_server: RawServer, raw_client: TmdbHttp, status: int
) -> None:
    # Retry-After makes urllib3 retry a 413 by default.
    raw_server.response = b"HTTP/1.1 %d X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n" % status

    with pytest.raises(CatalogueInvalidResponse) as caught:
        raw_client.get("/movie/550", {})

    assert len(raw_server.requests) == 1
    assert caught.value.upstream_status == status


@pytest.mark.parametrize("status", [501, 505, 520, 522, 530, 599])
def test_other_5xx_status_is_retried(
    raw_server: RawServer, raw_client: TmdbHttp, status: int
) -> None:
    raw_server.response = (
        b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
    )

    with pytest.raises(CatalogueUnavailable) as caught:
        raw_client.get("/movie/550", {})

    assert caught.value.attempts == len(raw_server.requests) == 2
    assert caught.value.upstream_status == status


def test_rejected_api_key_is_not_retried(raw_server: RawServer, raw_client: TmdbHttp) -> None:
    raw_server.response = b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"

    with pytest.raises(CatalogueAccessDenied) as caught:
        raw_client.get("/movie/550", {})

    assert len(raw_server.requests) == 1
    assert caught.value.upstream_status == 401
    assert caught.value.attempts == 1


def test_404_is_none_and_not_retried(sandbox: Sandbox, client: TmdbHttp) -> None:
    assert client.get("/movie/1", {}) is None
    assert sandbox.calls.total == 1


@pytest.mark.parametrize(
    "kind", [*TRANSIENT_FAULTS, "refuse", "reset", "cut", "truncated", "list", "null", "hang"]
)
def test_request_succeeds_after_two_failed_attempts(
    sandbox: Sandbox, make_client: MakeClient, kind: str
) -> None:
    sandbox.inject(Fault(kind, times=2))

    body = make_client(sandbox.url, retries=2, read_timeout=0.1).get("/movie/550", {})

    assert body is not None
    assert body["id"] == 550
    assert sandbox.calls[MOVIE] == 3


def test_without_retries_one_attempt_is_made(sandbox: Sandbox, make_client: MakeClient) -> None:
    sandbox.inject(Fault("503"))

    with pytest.raises(CatalogueUnavailable):
        make_client(sandbox.url, retries=0).get("/movie/550", {})

    assert sandbox.calls[MOVIE] == 1


def test_final_failure_counts_all_attempts(sandbox: Sandbox, client: TmdbHttp) -> None:
    sandbox.inject(Fault("503", times=1), Fault("401"))

    with pytest.raises(CatalogueAccessDenied) as caught:
        client.get("/movie/550", {})

    assert caught.value.attempts == 2


# --- pauses --------------------------------------------------------------------------------


def test_backoff_doubles_within_its_bounds(
    sandbox: Sandbox, make_client: MakeClient, pauses: list[float]
) -> None:
    sandbox.inject(Fault("503"))

    with pytest.raises(CatalogueUnavailable):
        make_client(sandbox.url, retries=4, backoff=0.2, deadline=60.0).get("/movie/550", {})

    maxima = [0.2, 0.4, 0.8, 1.6]
    assert len(pauses) == len(maxima)
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, maxima, strict=True))


def test_backoff_is_jittered(
    sandbox: Sandbox, make_client: MakeClient, pauses: list[float]
) -> None:
    sandbox.inject(Fault("503"))
    client = make_client(sandbox.url, retries=1, backoff=0.2)

    for _ in range(5):
        with pytest.raises(CatalogueUnavailable):
            client.get("/movie/550", {})

    assert len(set(pauses)) == 5


def test_no_retry_follows_if_the_pause_exceeds_the_deadline(
    sandbox: Sandbox, make_client: MakeClient, pauses: list[float]
) -> None:
    sandbox.inject(Fault("503"))

    with pytest.raises(CatalogueUnavailable) as caught:
        make_client(sandbox.url, retries=5, backoff=100.0, deadline=5.0).get("/movie/550", {})

    assert pauses == []
    assert caught.value.attempts == 1


@pytest.mark.parametrize("kind", ["429", "503"])
def test_retry_waits_as_long_as_retry_after(
    sandbox: Sandbox, make_client: MakeClient, pauses: list[float], kind: str
) -> None:
    sandbox.inject(Fault(kind, retry_after=2, times=1))

    body = make_client(sandbox.url, deadline=60.0).get("/movie/550", {})

    assert body is not None
    assert pauses == [2.0]


def test_retry_after_can_be_a_date(
    sandbox: Sandbox, make_client: MakeClient, pauses: list[float]
) -> None:
    date = formatdate(time.time() + 30, usegmt=True)
    sandbox.inject(Fault("429", retry_after=date, times=1))

    make_client(sandbox.url, deadline=60.0).get("/movie/550", {})

    assert len(pauses) == 1
    assert 20 < pauses[0] <= 30


def test_short_retry_after_does_not_shorten_the_backoff(
    sandbox: Sandbox, make_client: MakeClient, pauses: list[float]
) -> None:
    sandbox.inject(Fault("429", retry_after=1, times=1))

    make_client(sandbox.url, backoff=10.0, deadline=60.0).get("/movie/550", {})

    assert len(pauses) == 1
    assert 5 <= pauses[0] <= 10


@pytest.mark.parametrize("wait", [7, 86_400, "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_no_retry_follows_if_retry_after_exceeds_the_deadline(
    sandbox: Sandbox, make_client: MakeClient, pauses: list[float], wait: int | str
) -> None:
    sandbox.inject(Fault("429", retry_after=wait))

    with pytest.raises(CatalogueUnavailable) as caught:
        make_client(sandbox.url, deadline=6.0).get("/movie/550", {})

    assert pauses == []
    assert sandbox.calls[MOVIE] == 1
    assert caught.value.attempts == 1


@pytest.mark.parametrize(
    "wait", ["", "soon", "-1", "1.5", "9" * 5000, "Wed, 21 Oct 10000 07:28:00 GMT"]
)
def test_malformed_retry_after_is_ignored(
    raw_server: RawServer, raw_client: TmdbHttp, pauses: list[float], wait: str
) -> None:
    raw_server.response = STATUS_503 + f"Retry-After: {wait}\r\n\r\n".encode()

    with pytest.raises(CatalogueUnavailable):
        raw_client.get("/movie/550", {})

    assert len(raw_server.requests) == 2
    assert pauses[0] <= 0.01


# --- errors --------------------------------------------------------------------------------


def test_refused_connection_is_unavailable(closed_url: str, make_client: MakeClient) -> None:
    with pytest.raises(CatalogueUnavailable) as caught:
        make_client(closed_url).get("/movie/550", {})

    assert caught.value.attempts == 2
    assert caught.value.upstream_status is None


def test_connection_closed_without_a_response_is_unavailable(
    sandbox: Sandbox, client: TmdbHttp
) -> None:
    sandbox.inject(Fault("refuse"))

    with pytest.raises(CatalogueUnavailable) as caught:
        client.get("/movie/550", {})

    assert caught.value.attempts == sandbox.calls[MOVIE] == 2


@pytest.mark.parametrize("fault", [Fault("hang"), Fault("drip", seconds=600)])
def test_silent_server_times_out(sandbox: Sandbox, make_client: MakeClient, fault: Fault) -> None:
    sandbox.inject(fault)

    with pytest.raises(CatalogueTimedOut) as caught:
        make_client(sandbox.url, read_timeout=0.05).get("/movie/550", {})

    assert caught.value.attempts == 2
    wait_until(lambda: sandbox.calls[MOVIE] == 2)  # The sandbox may read the last request late.


@pytest.mark.parametrize("kind", ["cut", "reset", "truncated", "list", "null"])
def test_broken_body_is_malformed(sandbox: Sandbox, client: TmdbHttp, kind: str) -> None:
    sandbox.inject(Fault(kind))

    with pytest.raises(CatalogueMalformedResponse) as caught:
        client.get("/movie/550", {})

    assert caught.value.attempts == sandbox.calls[MOVIE] == 2


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
def test_unparsable_body_is_malformed(
    raw_server: RawServer, raw_client: TmdbHttp, body: bytes
) -> None:
    raw_server.response = OK + b"\r\n" + body

    with pytest.raises(CatalogueMalformedResponse) as caught:
        raw_client.get("/movie/550", {})

    assert caught.value.attempts == len(raw_server.requests) == 2
    assert caught.value.upstream_status == 200


@pytest.mark.parametrize(
    "response",
    [
        OK + b"Content-Encoding: gzip\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}",
        OK + b"Content-Length: 3\r\n\r\n{}",
    ],
    ids=["not gzip", "negative chunk", "no chunk", "no last chunk", "too short"],
)
def test_body_with_broken_encoding_is_malformed(
    raw_server: RawServer, raw_client: TmdbHttp, response: bytes
) -> None:
    raw_server.response = response

    with pytest.raises(CatalogueMalformedResponse) as caught:
        raw_client.get("/movie/550", {})

    assert caught.value.attempts == len(raw_server.requests) == 2


@pytest.mark.parametrize(
    "head", [b"", b"Content-Encoding: gzip\r\n"], ids=["undeclared", "declared"]
)
def test_gzip_body_is_decompressed(
    raw_server: RawServer, raw_client: TmdbHttp, head: bytes
) -> None:
    raw_server.response = OK + head + b"\r\n" + gzip.compress(b'{"id": 550}')

    assert raw_client.get("/movie/550", {}) == {"id": 550}


MAX_SIZE_BODY = b"{}" + b" " * (MAX_BODY_SIZE - 2)
GZIP_HEAD = OK + b"Content-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize(
    "response",
    [
        OK + b"\r\n" + MAX_SIZE_BODY,
        OK + b"\r\n" + gzip.compress(MAX_SIZE_BODY),
        GZIP_HEAD + gzip.compress(MAX_SIZE_BODY),
    ],
    ids=["plain", "undeclared gzip", "declared gzip"],
)
def test_body_of_the_maximum_size_is_read(
    raw_server: RawServer, raw_client: TmdbHttp, response: bytes
) -> None:
    raw_server.response = response

    assert raw_client.get("/movie/550", {}) == {}


@pytest.mark.parametrize(
    "response",
    [
        OK + b"\r\n" + MAX_SIZE_BODY + b" ",
        OK + b"\r\n" + gzip.compress(MAX_SIZE_BODY + b" "),
        GZIP_HEAD + gzip.compress(MAX_SIZE_BODY + b" "),
    ],
    ids=["plain", "undeclared gzip", "declared gzip"],
)
def test_body_above_the_maximum_size_is_malformed(
    raw_server: RawServer, raw_client: TmdbHttp, response: bytes
) -> None:
    raw_server.response = response

    with pytest.raises(CatalogueMalformedResponse) as caught:
        raw_client.get("/movie/550", {})

    assert caught.value.attempts == len(raw_server.requests) == 2
    assert caught.value.upstream_status == 200


@pytest.mark.parametrize(
    "head", [b"", b"Content-Encoding: gzip\r\n"], ids=["undeclared", "declared"]
)
def test_gzip_bomb_is_not_decompressed_completely(
    raw_server: RawServer, make_client: MakeClient, head: bytes
) -> None:
    raw_server.response = OK + head + b"\r\n" + gzip.compress(bytes(2**26))
    client = make_client(raw_server.url, retries=0)

    def get() -> None:
        with pytest.raises(CatalogueMalformedResponse):
            client.get("/movie/550", {})

    assert peak_memory(get) < 2**25


def test_redirects_are_not_followed(raw_server: RawServer, raw_client: TmdbHttp) -> None:
    raw_server.response = (
        b"HTTP/1.1 302 Found\r\nLocation: %s/there\r\n\r\n" % raw_server.url.encode()
    )

    with pytest.raises(CatalogueInvalidResponse) as caught:
        raw_client.get("/movie/550", {})

    assert caught.value.upstream_status == 302
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize("location", INVALID_URLS)
def test_redirect_to_an_invalid_url_is_invalid(
    raw_server: RawServer, raw_client: TmdbHttp, location: str
) -> None:
    raw_server.response = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode("latin-1")

    with pytest.raises(CatalogueInvalidResponse):
        raw_client.get("/movie/550", {})


HEADS = [OK, OK + b"Transfer-Encoding: chunked\r\n", OK + b"Content-Encoding: gzip\r\n"]
FIELDS = ["Location", "Retry-After", "Content-Length", "Set-Cookie", "Content-Type"]


@given(
    response=st.one_of(
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
def test_any_response_is_parsed_or_raises_an_expected_error(
    raw_server: RawServer, raw_client: TmdbHttp, response: bytes
) -> None:
    raw_server.response = response

    with suppress(CatalogueFailed):
        body = raw_client.get("/movie/550", {})
        assert body is None or isinstance(body, dict)


@pytest.mark.parametrize("kind", ["refuse", "hang", "drip", "503", "truncated", "cut", "401"])
def test_error_contains_no_secret_and_no_address(
    sandbox: Sandbox, make_client: MakeClient, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level("DEBUG")
    sandbox.inject(Fault(kind, seconds=600))

    with pytest.raises(CatalogueFailed) as caught:
        make_client(sandbox.url, read_timeout=0.05).get("/movie/550", {})

    assert DEFAULT_TOKEN not in str(caught.value) + caplog.text
    assert "127.0.0.1" not in str(caught.value)
    assert "/movie" not in str(caught.value)


# --- the deadline --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drip", "drip-headers", "hang", "delay"])
def test_deadline_ends_an_attempt_before_its_read_timeout(
    sandbox: Sandbox, make_client: MakeClient, kind: str
) -> None:
    sandbox.inject(Fault(kind, seconds=600 if kind == "delay" else 0.02))
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut) as caught:
        make_client(sandbox.url, read_timeout=30.0, deadline=0.3).get("/movie/550", {})

    assert 0.29 <= time.monotonic() - started < 1.5
    assert caught.value.attempts == 1


def test_deadline_ends_the_retries(sandbox: Sandbox, make_client: MakeClient) -> None:
    sandbox.inject(Fault("hang"))
    started = time.monotonic()

    with pytest.raises(CatalogueTimedOut) as caught:
        make_client(sandbox.url, read_timeout=0.1, retries=100, deadline=0.35).get("/movie/550", {})

    assert 0.3 <= time.monotonic() - started < 1.5
    assert 2 <= caught.value.attempts <= 4


def test_attempt_without_time_to_connect_reports_the_previous_error(
    sandbox: Sandbox, make_client: MakeClient
) -> None:
    def pause(_: float) -> None:
        Event().wait(seconds_left())

    sandbox.inject(Fault("hang"))
    client = make_client(sandbox.url, read_timeout=0.05, deadline=1.0)
    client._sleep = pause

    with pytest.raises(CatalogueTimedOut) as caught:
        client.get("/movie/550", {})

    assert caught.value.attempts == 2


def test_slow_response_within_the_deadline_is_read(
    sandbox: Sandbox, make_client: MakeClient
) -> None:
    sandbox.inject(Fault("drip-headers", seconds=0.0001))

    body = make_client(sandbox.url, read_timeout=0.3, deadline=30.0).get("/authentication", {})

    assert body == {"success": True, "status_code": 1, "status_message": "Success."}


def test_deadline_is_reset_after_a_call(client: TmdbHttp) -> None:
    client.get("/movie/550", {})

    assert seconds_left() == float("inf")


# --- metrics, logs and traces --------------------------------------------------------------


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metered_client(raw_server: RawServer, registry: CollectorRegistry) -> Iterator[TmdbHttp]:
    """A client of the raw server with one retry and metrics."""
    client = TmdbHttp(
        raw_server.url, DEFAULT_TOKEN, Limits(retries=1, backoff=0), registry=registry
    )
    yield client
    client._session.close()


def test_call_duration_is_recorded_by_outcome(
    raw_server: RawServer, metered_client: TmdbHttp, registry: CollectorRegistry
) -> None:
    raw_server.response = OK + b"Connection: close\r\n\r\n{}"
    metered_client.get("/movie/550", {})
    raw_server.response = b"HTTP/1.1 401 X\r\n\r\n"
    with pytest.raises(CatalogueAccessDenied):
        metered_client.get("/movie/550", {})

    calls = {
        outcome: registry.get_sample_value(
            "butaca_tmdb_call_duration_seconds_count", {"outcome": outcome}
        )
        for outcome in OUTCOMES
    }
    assert calls == {**dict.fromkeys(OUTCOMES, 0), "success": 1, "access_denied": 1}


@pytest.mark.parametrize(("failure", "outcome"), FAILURES.items())
def test_outcome_of_a_failed_call_matches_the_code_of_its_problem(
    failure: type[CatalogueFailed], outcome: str
) -> None:
    assert type_for_error(failure).code == f"catalogue-{outcome.replace('_', '-')}"


def test_attempt_duration_is_recorded_by_outcome(
    raw_server: RawServer, metered_client: TmdbHttp, registry: CollectorRegistry
) -> None:
    raw_server.response = STATUS_503 + b"Connection: close\r\n\r\n"
    with pytest.raises(CatalogueUnavailable):
        metered_client.get("/movie/550", {})
    raw_server.response = OK + b"Connection: close\r\n\r\n{}"
    metered_client.get("/movie/550", {})

    attempts = {
        outcome: registry.get_sample_value(
            "butaca_tmdb_attempt_duration_seconds_count", {"outcome": outcome}
        )
        for outcome in OUTCOMES
    }
    assert attempts == {**dict.fromkeys(OUTCOMES, 0), "success": 1, "unavailable": 2}


def test_each_attempt_propagates_the_trace_with_a_new_span(
    raw_server: RawServer, raw_client: TmdbHttp
) -> None:
    raw_server.response = STATUS_503 + b"Connection: close\r\n\r\n"
    trace.begin("mine", f"00-{'a' * 32}-{'b' * 16}-01")

    with pytest.raises(CatalogueUnavailable):
        raw_client.get("/movie/550", {})

    sent = [
        re.findall(rf"\r\ntraceparent: 00-{'a' * 32}-([0-9a-f]{{16}})-01\r\n", request.decode())
        for request in raw_server.requests
    ]
    assert [len(spans) for spans in sent] == [1, 1]
    assert len({"b" * 16, *(span for (span,) in sent)}) == 3


def test_no_traceparent_is_sent_without_a_trace(
    raw_server: RawServer, raw_client: TmdbHttp
) -> None:
    raw_server.response = OK + b"\r\n{}"

    raw_client.get("/movie/550", {})

    assert b"traceparent" not in raw_server.requests[0].lower()


def test_retries_are_counted_and_logged(
    raw_server: RawServer,
    metered_client: TmdbHttp,
    registry: CollectorRegistry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "butaca.tmdb")
    raw_server.response = STATUS_503 + b"Connection: close\r\n\r\n"

    with pytest.raises(CatalogueUnavailable):
        metered_client.get("/movie/550", {})

    assert registry.get_sample_value("butaca_tmdb_retries_total") == 1
    (fields,) = map(vars, caplog.records)
    assert (fields["msg"], fields["failure"], fields["upstream_status"], fields["attempts"]) == (
        "tmdb.retrying",
        "CatalogueUnavailable",
        503,
        1,
    )
