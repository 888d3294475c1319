"""The liveness and readiness probes, and the metrics."""

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

from butaca.core.errors import CatalogueUnavailable
from butaca.draining import ConnectionCloser
from butaca.web import WebOptions, create_web
from butaca.web.health import Readiness
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient


def test_liveness_does_not_depend_on_tmdb_or_the_database(
    backend: FakeBackend, anonymous: ContractClient
) -> None:
    backend.database_is_down = True
    backend.catalogue.failure = CatalogueUnavailable()

    response = anonymous.get("/livez")

    assert response.status_code == 200
    assert response.json == {"status": "ok"}


def test_pod_is_ready_while_the_database_is_reachable(anonymous: ContractClient) -> None:
    response = anonymous.get("/readyz")

    assert response.status_code == 200
    assert response.json == {"status": "ok", "database": "ok"}


def test_pod_is_ready_while_tmdb_is_unavailable(
    backend: FakeBackend, anonymous: ContractClient
) -> None:
    backend.catalogue.failure = CatalogueUnavailable()

    assert anonymous.get("/readyz").status_code == 200
    assert backend.catalogue.calls == []


def test_pod_is_not_ready_while_the_database_is_unreachable(
    backend: FakeBackend, anonymous: ContractClient
) -> None:
    backend.database_is_down = True

    response = anonymous.get("/readyz")

    assert response.status_code == 503
    assert response.mimetype == "application/problem+json"
    assert response.headers["Retry-After"] == "5"
    assert response.json is not None
    assert response.json["code"] == "library-unavailable"
    assert response.json["database"] == "unreachable"
    assert response.json["seconds_without_database"] is None


def test_readiness_reports_the_duration_of_a_database_outage(backend: FakeBackend) -> None:
    client = client_with_fake_clock(backend)

    assert client.get("/readyz").status_code == 200
    backend.database_is_down = True
    backend.clock.advance(7.25)
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["seconds_without_database"] == 7.2


def client_with_fake_clock(backend: FakeBackend) -> FlaskClient:
    """Return a client of an app whose readiness probe uses the clock of a backend."""
    app = create_web(backend.services(), WebOptions())
    app.view_functions["health.readyz"] = Readiness(backend.clock.monotonic).check
    return app.test_client()


def test_draining_pod_is_alive_but_not_ready(backend: FakeBackend) -> None:
    app = create_web(backend.services(), WebOptions())
    closer = ConnectionCloser(app)
    client = Client(closer)
    assert client.get("/readyz").status_code == 200

    closer.start_closing()
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["code"] == "shutting-down"
    assert client.get("/livez").status_code == 200


def test_probes_do_not_count_toward_a_rate_limit(
    backend: FakeBackend, anonymous: ContractClient
) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        anonymous.get(path)

    assert backend.limiter.calls == []


def test_metrics_are_in_prometheus_format(anonymous: ContractClient) -> None:
    anonymous.get("/livez")

    response = anonymous.get("/metrics")

    assert response.mimetype == "text/plain"
    names = {family.name for family in text_string_to_metric_families(response.text)}
    assert names >= {"butaca_request_duration_seconds", "butaca_catalogue_responses"}


def test_each_app_has_its_own_metrics(backend: FakeBackend, anonymous: ContractClient) -> None:
    anonymous.get("/livez")

    assert "/livez" not in backend.client().get("/metrics").text
