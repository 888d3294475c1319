"""OpenTelemetry: one trace from a client to TMDB, exported as the environment specifies."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from butaca import telemetry
from butaca.adapters.sql import Database, SqlAccounts
from butaca.core.accounts import Accounts
from butaca.operator_error import OperatorError
from butaca.sandbox import Sandbox
from tests.builders import CONSUMER_TOKEN
from tests.processes import stop
from tests.test_served import log_lines, serving

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Collector(ThreadingHTTPServer):
    """Receives spans over HTTP, like an OpenTelemetry collector."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _CollectorHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.spans: list[tuple[str, Span]] = []
        self.services: set[str] = set()

    def receive(self, body: bytes) -> None:
        for exported in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {
                each.key: each.value.string_value for each in exported.resource.attributes
            }
            self.services.add(attributes["service.name"])
            for scope in exported.scope_spans:
                self.spans += [(scope.scope.name.rpartition(".")[2], span) for span in scope.spans]

    def spans_of(self, name: str) -> list[Span]:
        return [span for scope, span in self.spans if scope == name]


class _CollectorHandler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_gzip = self.headers.get("Content-Encoding") == "gzip"
        self.server.receive(gzip.decompress(body) if is_gzip else body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running_collector() -> Iterator[Collector]:
    with Collector() as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        yield collector
        collector.shutdown()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


def test_trace_spans_the_request_its_tmdb_call_redis_and_sql(
    collector: Collector, postgresql: Database, empty_redis: str
) -> None:
    with serving(postgresql, empty_redis, **{ENDPOINT: collector.url}) as served:
        headers = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
        assert served.get("/movies/search?query=fight", **headers).status_code == 200
        stdout, _ = stop(served.process)
    assert {span.trace_id.hex() for _, span in collector.spans} == {TRACE_ID}
    (request,), (call,) = collector.spans_of("flask"), collector.spans_of("requests")
    assert request.name == "GET /api/v1/movies/search"
    assert request.parent_span_id.hex() == SPAN_ID
    for child in (call, *collector.spans_of("redis"), *collector.spans_of("butaca")):
        assert child.parent_span_id == request.span_id
    assert {span.name for span in collector.spans_of("butaca")} == {"SELECT"}
    assert collector.spans_of("redis")
    assert collector.services == {"butaca"}
    assert {line["trace_id"] for line in log_lines(stdout)} == {TRACE_ID}


def test_request_without_a_traceparent_logs_the_trace_id_of_its_span(
    collector: Collector, postgresql: Database, empty_redis: str
) -> None:
    with serving(
        postgresql, empty_redis, **{ENDPOINT: collector.url, "OTEL_SERVICE_NAME": "films"}
    ) as served:
        served.get("/me")
        stdout, _ = stop(served.process)
    (request,) = collector.spans_of("flask")
    assert [line["trace_id"] for line in log_lines(stdout)] == [request.trace_id.hex()]
    assert collector.services == {"films"}


def test_spans_contain_no_query_or_token_and_probes_have_none(
    collector: Collector, postgresql: Database, empty_redis: str
) -> None:
    stability = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup,database/dup"}
    with serving(postgresql, empty_redis, **{ENDPOINT: collector.url}, **stability) as served:
        served.get("/movies/search?query=unspeakable")
        served.get("/me?access_token=unspeakable")
        for path in ("/livez", "/readyz", "/metrics"):
            requests.get(served.url + path, timeout=10)
        stop(served.process)
    exported = str(collector.spans)
    assert "/api/v1/movies/search" in exported
    for secret in ("unspeakable", CONSUMER_TOKEN, "sandbox-token", "/livez"):
        assert secret not in exported
    assert len(collector.spans_of("flask")) == 2


FAILING = """
import shutil, sys
from pathlib import Path
from butaca.app import create_from_environment

client = create_from_environment().test_client()
client.environ_base["HTTP_AUTHORIZATION"] = "Bearer " + sys.argv[1]
path = Path(sys.argv[3])
assert client.get("/api/v1/me").status_code == 503  # There is no database yet.
path.parent.mkdir()
shutil.copy(sys.argv[2], path)
assert client.get("/livez").status_code == 200
assert client.get("/api/v1/movies/search?query=unspeakable").status_code == 200
assert client.get("/api/v1/me/ratings?page=1").status_code == 500  # There is no such table.
"""


def test_failed_statement_and_request_have_error_status(
    collector: Collector, sqlite: Database, empty_redis: str, tmp_path: Path
) -> None:
    Accounts(SqlAccounts(sqlite)).enable_demo_users()
    with sqlite.writing() as connection:
        connection.exec_driver_sql("DROP TABLE user_movies")
    sqlite.close()
    path = tmp_path / "later" / "butaca.db"
    with Sandbox() as tmdb:
        environment = {
            "DATABASE_URL": f"sqlite:///{path}",
            "REDIS_URL": empty_redis,
            "TMDB_TOKEN": "sandbox-token",
            "TMDB_BASE_URL": tmdb.url,
            ENDPOINT: collector.url,
        }
        subprocess.run(
            [sys.executable, "-c", FAILING, CONSUMER_TOKEN, str(sqlite.engine.url.database), path],
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
            timeout=60,
        )
    assert len(collector.spans_of("flask")) == 3
    assert len(collector.spans_of("requests")) == 1
    failed = [span for _, span in collector.spans if span.status.code == Status.STATUS_CODE_ERROR]
    assert {span.name for span in failed} >= {"SELECT", "GET /api/v1/me/ratings"}
    assert "unspeakable" not in str(collector.spans)


@pytest.mark.parametrize(
    ("variables", "is_enabled"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_standard_variables_enable_tracing(
    variables: dict[str, str], is_enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert telemetry.is_enabled() is is_enabled


@pytest.mark.parametrize("missing", telemetry._REQUIRED)
def test_missing_package_raises_operator_error(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setattr(
        telemetry, "find_spec", lambda name: None if name == missing else find_spec(name)
    )

    with pytest.raises(OperatorError, match=r"butaca\[otel\]"):
        telemetry.is_enabled()


def test_package_that_only_the_api_of_opentelemetry_creates_is_an_operator_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "opentelemetry" / "trace").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert find_spec("opentelemetry") is not None

    with pytest.raises(OperatorError, match=r"butaca\[otel\]"):
        telemetry.is_enabled()


def test_opentelemetry_is_not_imported_unless_enabled() -> None:
    # redis-py itself imports other parts of OpenTelemetry, for its metrics.
    code = (
        "import sys; from butaca.app import create_app; from butaca.settings import Settings\n"
        "create_app(Settings(database_url='sqlite:///x', redis_url='redis://h', tmdb_token='t'))\n"
        "print(*(name for name in sys.modules if name.startswith(("
        "'opentelemetry.sdk.trace', 'opentelemetry.exporter', 'opentelemetry.instrumentation'))))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert completed.stdout == "\n"
