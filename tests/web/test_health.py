"""Is it alive, is it ready, and what do the metrics say."""

from prometheus_client.parser import text_string_to_metric_families

from butaca.core.errors import CatalogueUnavailable
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
    assert answer.headers["Retry-After"] == "5"
    assert answer.json is not None
    assert answer.json["code"] == "library-unavailable"


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
