"""The request ID, the access log and the metrics of requests."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from butaca import trace
from butaca.core.errors import CatalogueUnavailable
from butaca.core.models import Freshness, Source
from butaca.web import WebOptions, create_web
from tests.builders import ADMIN_TOKEN, CONSUMER, CONSUMER_TOKEN
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.web.helpers import API, CALLS, Call, add_sample_data

ME = f"{API}/me"
POPULAR = f"{API}/movies/popular"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
RANDOM_ID = re.compile(r"[0-9a-f]{32}")


class LogRecorder(logging.Handler):
    """Records every log record, with the request and trace IDs in effect."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.request_ids: list[str | None] = []
        self.trace_ids: list[str | None] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        current = trace.current()
        self.request_ids.append(current and current.request_id)
        self.trace_ids.append(current and current.trace_id)

    def access(self) -> dict[str, Any]:
        """Return the fields of the only access record."""
        (record,) = (each for each in self.records if each.getMessage() == "request.completed")
        return record.__dict__

    @property
    def text(self) -> str:
        return "\n".join(str(record.__dict__) + str(record.exc_info) for record in self.records)


@pytest.fixture
def recorder(caplog: pytest.LogCaptureFixture) -> Iterator[LogRecorder]:
    caplog.set_level(logging.DEBUG)
    recorder = LogRecorder()
    logging.getLogger().addHandler(recorder)
    yield recorder
    logging.getLogger().removeHandler(recorder)


@pytest.mark.parametrize("request_id", ["a", "0", "x" * 64, "A-b_c.9", "-", "..", "6f1c-4b"])
def test_well_formed_request_id_of_the_client_is_used(
    request_id: str, consumer: ContractClient
) -> None:
    response = consumer.get(ME, headers={"X-Request-Id": request_id})

    assert response.headers["X-Request-Id"] == request_id


@pytest.mark.parametrize(
    "request_id",
    ["", " ", "x" * 65, "x" * 5000, "a b", "a\tb", "a\nb", "a\x00b", "ñ", "٣", "a/b", "a;b", "<b>"],
)
def test_malformed_request_id_is_replaced(request_id: str, consumer: ContractClient) -> None:
    raw = request_id.encode().decode("latin-1")  # As a WSGI server passes it.

    response = consumer.get(ME, environ_overrides={"HTTP_X_REQUEST_ID": raw})

    assert RANDOM_ID.fullmatch(response.headers["X-Request-Id"])


def test_generated_request_ids_are_unique(consumer: ContractClient) -> None:
    request_ids = {consumer.get(ME).headers["X-Request-Id"] for _ in range(20)}

    assert len(request_ids) == 20


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("client_name", ["anonymous", "consumer", "admin"])
def test_responses_and_log_records_have_the_ids_of_their_request(
    call: Call,
    client_name: str,
    backend: FakeBackend,
    recorder: LogRecorder,
    request: pytest.FixtureRequest,
) -> None:
    add_sample_data(backend)

    headers = {"X-Request-Id": "abc", "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    response = call.send(request.getfixturevalue(client_name), headers=headers)

    assert response.headers["X-Request-Id"] == "abc"
    assert set(recorder.request_ids) == {"abc"}
    assert set(recorder.trace_ids) == {TRACE_ID}


def test_problem_contains_the_request_id(consumer: ContractClient) -> None:
    response = consumer.get(f"{API}/nope", headers={"X-Request-Id": "abc"})

    assert response.json is not None
    assert response.json["request_id"] == "abc"


def test_unexpected_error_has_the_request_id_in_the_response_and_the_log(
    backend: FakeBackend, recorder: LogRecorder
) -> None:
    backend.catalogue.failure = RuntimeError()  # type: ignore[assignment]
    client = create_web(backend.services(), WebOptions()).test_client()

    response = client.get(
        POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}", "X-Request-Id": "abc"}
    )

    assert response.status_code == 500
    assert response.headers["X-Request-Id"] == "abc"
    assert response.json is not None
    assert response.json["request_id"] == "abc"
    assert {record.getMessage() for record in recorder.records} == {
        "request.failed",
        "request.completed",
    }
    assert set(recorder.request_ids) == {"abc"}


def test_request_does_not_inherit_the_previous_request_id(
    consumer: ContractClient, recorder: LogRecorder
) -> None:
    consumer.get(ME, headers={"X-Request-Id": "one"})
    consumer.get(ME, headers={"X-Request-Id": "two"})

    assert list(dict.fromkeys(recorder.request_ids)) == ["one", "two"]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_thread_has_no_ids_after_a_request(
    call: Call, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)

    call.send(consumer)

    assert trace.current() is None


def test_access_record_describes_the_request(
    backend: FakeBackend, consumer: ContractClient, recorder: LogRecorder
) -> None:
    add_sample_data(backend)

    consumer.get(f"{API}/me/favorites/550?language=es")

    fields = recorder.access()
    assert fields["name"] == "butaca.access"
    assert fields["levelname"] == "INFO"
    assert fields["method"] == "GET"
    assert fields["route"] == f"{API}/me/favorites/<movie_id>"
    assert fields["status"] == 200
    assert fields["user_id"] == CONSUMER.id
    assert fields["cache"] is None
    assert 0 <= fields["milliseconds"] < 60_000


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        (f"{API}/nope/<b>", "unmatched", 401),
        ("/nope", "unmatched", 404),
        (f"{API}/movies/%0Aforged", f"{API}/movies/<movie_id>", 401),
        ("/livez", "/livez", 200),
    ],
)
def test_access_record_contains_the_route_instead_of_the_path(
    path: str, route: str, status: int, anonymous: ContractClient, recorder: LogRecorder
) -> None:
    anonymous.get(path)

    fields = recorder.access()
    assert (fields["route"], fields["status"], fields["user_id"]) == (route, status, None)


@pytest.mark.parametrize("source", Source)
def test_access_record_contains_the_cache_source(
    source: Source, backend: FakeBackend, consumer: ContractClient, recorder: LogRecorder
) -> None:
    backend.catalogue.freshness = Freshness(source)

    consumer.get(POPULAR)

    assert recorder.access()["cache"] == source.value


def test_log_contains_no_token_or_query(
    backend: FakeBackend, anonymous: ContractClient, recorder: LogRecorder
) -> None:
    add_sample_data(backend)
    clients = {
        token: backend.client(token=token)
        for token in (ADMIN_TOKEN, CONSUMER_TOKEN, "unknown-token")
    }
    for call in CALLS:
        for client in clients.values():
            call.send(client)
    for token in clients:
        for scheme in ("Basic", "Bearer Bearer", "Token", ""):
            anonymous.get(ME, headers={"Authorization": f"{scheme} {token}"})
        anonymous.get(f"{ME}?access_token={token}")
        clients[ADMIN_TOKEN].get(f"{ME}?api_key={token}")
        clients[ADMIN_TOKEN].get(f"{API}/movies/search?query={token}")
        clients[ADMIN_TOKEN].get(f"{API}/movies/{token}")
    backend.catalogue.failure = CatalogueUnavailable()
    for call in CALLS:
        call.send(clients[ADMIN_TOKEN])

    assert len(recorder.records) > len(CALLS) * 4
    assert [token for token in clients if token in recorder.text] == []


def test_log_of_an_unexpected_error_contains_no_token(
    backend: FakeBackend, recorder: LogRecorder
) -> None:
    backend.catalogue.failure = RuntimeError("out of order")  # type: ignore[assignment]
    client = create_web(backend.services(), WebOptions()).test_client()

    client.get(POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"})

    assert "out of order" in recorder.text
    assert CONSUMER_TOKEN not in recorder.text


def counted(registry: CollectorRegistry, **labels: str) -> float | None:
    return registry.get_sample_value("butaca_request_duration_seconds_count", labels)


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/livez", "/livez", "200"),
        ("GET", f"{API}/movies/1", f"{API}/movies/<movie_id>", "401"),
        ("POST", "/nope", "unmatched", "404"),
        ("DELETE", "/livez", "unmatched", "405"),
    ],
)
def test_requests_are_counted_by_method_route_and_status(
    method: str, path: str, route: str, status: str, backend: FakeBackend
) -> None:
    registry = CollectorRegistry()
    client = create_web(backend.services(), WebOptions(), registry).test_client()

    for _ in range(3):
        client.open(path, method=method)

    assert counted(registry, method=method, route=route, status=status) == 3


def test_unknown_methods_share_one_label(backend: FakeBackend) -> None:
    registry = CollectorRegistry()
    client = create_web(backend.services(), WebOptions(), registry).test_client()

    for method in ("BREW", "PROPFIND", "X" * 1000):
        client.open("/livez", method=method)

    assert counted(registry, method="other", route="unmatched", status="405") == 3


@pytest.mark.parametrize("source", Source)
def test_catalogue_responses_are_counted_by_source(source: Source, backend: FakeBackend) -> None:
    registry = CollectorRegistry()
    backend.catalogue.freshness = Freshness(source)
    client = create_web(backend.services(), WebOptions(), registry).test_client()

    client.get(POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"})
    client.get(ME, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"})

    totals = {
        each: registry.get_sample_value("butaca_catalogue_responses_total", {"source": each.value})
        for each in Source
    }
    assert totals == {each: 1 if each is source else 0 for each in Source}
