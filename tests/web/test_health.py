"""Liveness, readiness and metrics."""

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

from butaca.core.errors import CatalogueUnavailable
from butaca.draining import ConnectionCloser
from butaca.web import WebOptions, create_web
from butaca.web.health import Readiness
from tests.conftest import World
from tests.contract_client import ContractClient


def test_it_is_alive_whatever_is_away(world: World, anonymous: ContractClient) -> None:
    world.database_is_away = True
    world.catalogue.failure = CatalogueUnavailable()

    answer = anonymous.get("/livez")

    assert answer.status_code == 200
    assert answer.json == {"status": "ok"}


def test_it_is_ready_while_the_database_answers(anonymous: ContractClient) -> None:
    answer = anonymous.get("/readyz")

    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "database": "ok"}


def test_it_is_ready_though_tmdb_is_away(world: World, anonymous: ContractClient) -> None:
    world.catalogue.failure = CatalogueUnavailable()

    assert anonymous.get("/readyz").status_code == 200
    assert world.catalogue.calls == []


def test_it_is_not_ready_while_the_database_is_away(
    world: World, anonymous: ContractClient
) -> None:
    world.database_is_away = True

    answer = anonymous.get("/readyz")

    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.json is not None
    assert answer.json["code"] == "library-unavailable"
    assert answer.json["database"] == "away"
    assert answer.json["seconds_without_database"] is None


def test_it_says_for_how_long_the_database_has_been_away(world: World) -> None:
    client = client_on_the_clock(world)

    assert client.get("/readyz").status_code == 200
    world.database_is_away = True
    world.clock.move(7.25)
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["seconds_without_database"] == 7.2


def client_on_the_clock(world: World) -> FlaskClient:
    """Return a client of an app that looks whether it is ready by the clock of a world."""
    app = create_web(world.services(), WebOptions())
    app.view_functions["health.look"] = Readiness(world.clock.monotonic).look
    return app.test_client()


def test_whoever_ends_is_not_ready_and_says_so(world: World) -> None:
    app = create_web(world.services(), WebOptions())
    farewell = ConnectionCloser(app)
    client = Client(farewell)
    assert client.get("/readyz").status_code == 200

    farewell.say()
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["code"] == "ending"
    assert client.get("/livez").status_code == 200


def test_probes_are_not_counted_against_anybody(world: World, anonymous: ContractClient) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        anonymous.get(path)

    assert world.limiter.calls == []


def test_the_metrics_are_what_prometheus_reads(anonymous: ContractClient) -> None:
    anonymous.get("/livez")

    answer = anonymous.get("/metrics")

    assert answer.mimetype == "text/plain"
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert names >= {"butaca_request_duration_seconds", "butaca_catalogue_answers"}


def test_each_app_counts_for_itself(world: World, anonymous: ContractClient) -> None:
    anonymous.get("/livez")

    assert "/livez" not in world.client().get("/metrics").text
