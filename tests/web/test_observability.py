"""What operators see of a request: its ID, its log line and its metrics."""

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
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.web.helpers import API, CALLS, Call, add_sample_data

ME = f"{API}/me"
POPULAR = f"{API}/movies/popular"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
MADE = re.compile(r"[0-9a-f]{32}")


class Ear(logging.Handler):
    """Hears every line, and in the name of which request it is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[logging.LogRecord] = []
        self.request_ids: list[str | None] = []
        self.trace_ids: list[str | None] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)
        names = trace.current()
        self.request_ids.append(names and names.request_id)
        self.trace_ids.append(names and names.trace_id)

    def answered(self) -> dict[str, Any]:
        (line,) = (line for line in self.lines if line.getMessage() == "request.answered")
        return line.__dict__

    @property
    def everything(self) -> str:
        return "\n".join(str(line.__dict__) + str(line.exc_info) for line in self.lines)


@pytest.fixture
def ear(caplog: pytest.LogCaptureFixture) -> Iterator[Ear]:
    caplog.set_level(logging.DEBUG)
    ear = Ear()
    logging.getLogger().addHandler(ear)
    yield ear
    logging.getLogger().removeHandler(ear)


@pytest.mark.parametrize("sane", ["a", "0", "x" * 64, "A-b_c.9", "-", "..", "6f1c-4b"])
def test_a_sane_request_id_is_taken_from_the_caller(sane: str, consumer: ContractClient) -> None:
    answer = consumer.get(ME, headers={"X-Request-Id": sane})

    assert answer.headers["X-Request-Id"] == sane


@pytest.mark.parametrize(
    "mad",
    ["", " ", "x" * 65, "x" * 5000, "a b", "a\tb", "a\nb", "a\x00b", "ñ", "٣", "a/b", "a;b", "<b>"],
)
def test_any_other_request_id_is_made_anew(mad: str, consumer: ContractClient) -> None:
    raw = mad.encode().decode("latin-1")  # As a WSGI server hands it on.

    answer = consumer.get(ME, environ_overrides={"HTTP_X_REQUEST_ID": raw})

    assert MADE.fullmatch(answer.headers["X-Request-Id"])


def test_no_two_requests_are_given_the_same_id(consumer: ContractClient) -> None:
    made = {consumer.get(ME).headers["X-Request-Id"] for _ in range(20)}

    assert len(made) == 20


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("who", ["anonymous", "consumer", "admin"])
def test_every_answer_and_every_line_of_the_log_bears_the_names_of_its_request(
    call: Call, who: str, world: World, ear: Ear, request: pytest.FixtureRequest
) -> None:
    add_sample_data(world)

    headers = {"X-Request-Id": "mine", "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    answer = call.send(request.getfixturevalue(who), headers=headers)

    assert answer.headers["X-Request-Id"] == "mine"
    assert set(ear.request_ids) == {"mine"}
    assert set(ear.trace_ids) == {TRACE_ID}


def test_an_error_bears_the_request_id_in_its_body(consumer: ContractClient) -> None:
    answer = consumer.get(f"{API}/nope", headers={"X-Request-Id": "mine"})

    assert answer.json is not None
    assert answer.json["request_id"] == "mine"


def test_what_broke_bears_the_request_id_in_all_places(world: World, ear: Ear) -> None:
    world.catalogue.failure = RuntimeError()  # type: ignore[assignment]
    client = create_web(world.services(), WebOptions()).test_client()

    answer = client.get(
        POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}", "X-Request-Id": "mine"}
    )

    assert answer.status_code == 500
    assert answer.headers["X-Request-Id"] == "mine"
    assert answer.json is not None
    assert answer.json["request_id"] == "mine"
    assert {line.getMessage() for line in ear.lines} == {"request.broke", "request.answered"}
    assert set(ear.request_ids) == {"mine"}


def test_one_request_does_not_speak_in_the_name_of_the_one_before(
    consumer: ContractClient, ear: Ear
) -> None:
    consumer.get(ME, headers={"X-Request-Id": "one"})
    consumer.get(ME, headers={"X-Request-Id": "two"})

    assert list(dict.fromkeys(ear.request_ids)) == ["one", "two"]


def test_a_request_leaves_one_line_that_says_what_came_of_it(
    world: World, consumer: ContractClient, ear: Ear
) -> None:
    add_sample_data(world)

    consumer.get(f"{API}/me/favorites/550?language=es")

    line = ear.answered()
    assert line["name"] == "butaca.access"
    assert line["levelname"] == "INFO"
    assert line["method"] == "GET"
    assert line["route"] == f"{API}/me/favorites/<movie_id>"
    assert line["status"] == 200
    assert line["user_id"] == CONSUMER.id
    assert line["cache"] is None
    assert 0 <= line["milliseconds"] < 60_000


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        (f"{API}/nope/<b>", "unmatched", 401),
        ("/nope", "unmatched", 404),
        (f"{API}/movies/%0Aforged", f"{API}/movies/<movie_id>", 401),
        ("/livez", "/livez", 200),
    ],
)
def test_the_line_names_the_route_and_not_the_path(
    path: str, route: str, status: int, anonymous: ContractClient, ear: Ear
) -> None:
    anonymous.get(path)

    line = ear.answered()
    assert (line["route"], line["status"], line["user_id"]) == (route, status, None)


@pytest.mark.parametrize("source", Source)
def test_the_line_says_how_an_answer_was_come_by(
    source: Source, world: World, consumer: ContractClient, ear: Ear
) -> None:
    world.catalogue.freshness = Freshness(source)

    consumer.get(POPULAR)

    assert ear.answered()["cache"] == source.value


def test_no_token_and_no_query_appears_in_the_log(
    world: World, anonymous: ContractClient, ear: Ear
) -> None:
    add_sample_data(world)
    clients = {
        token: world.client(token=token)
        for token in (ADMIN_TOKEN, CONSUMER_TOKEN, "unknown-but-dear")
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
    world.catalogue.failure = CatalogueUnavailable()
    for call in CALLS:
        call.send(clients[ADMIN_TOKEN])

    assert len(ear.lines) > len(CALLS) * 4
    assert [token for token in clients if token in ear.everything] == []


def test_no_token_appears_in_the_log_when_something_breaks(world: World, ear: Ear) -> None:
    world.catalogue.failure = RuntimeError("out of order")  # type: ignore[assignment]
    client = create_web(world.services(), WebOptions()).test_client()

    client.get(POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"})

    assert "out of order" in ear.everything
    assert CONSUMER_TOKEN not in ear.everything


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
    method: str, path: str, route: str, status: str, world: World
) -> None:
    registry = CollectorRegistry()
    client = create_web(world.services(), WebOptions(), registry).test_client()

    for _ in range(3):
        client.open(path, method=method)

    assert counted(registry, method=method, route=route, status=status) == 3


def test_methods_that_are_made_up_are_counted_as_one(world: World) -> None:
    registry = CollectorRegistry()
    client = create_web(world.services(), WebOptions(), registry).test_client()

    for method in ("BREW", "PROPFIND", "X" * 1000):
        client.open("/livez", method=method)

    assert counted(registry, method="other", route="unmatched", status="405") == 3


@pytest.mark.parametrize("source", Source)
def test_answers_of_the_catalogue_are_counted_by_where_they_came_from(
    source: Source, world: World
) -> None:
    registry = CollectorRegistry()
    world.catalogue.freshness = Freshness(source)
    client = create_web(world.services(), WebOptions(), registry).test_client()

    client.get(POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"})
    client.get(ME, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"})

    totals = {
        each: registry.get_sample_value("butaca_catalogue_answers_total", {"source": each.value})
        for each in Source
    }
    assert totals == {each: 1 if each is source else 0 for each in Source}
