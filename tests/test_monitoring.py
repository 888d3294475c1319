"""Dashboard, alerts and documentation refer only to metrics that a scrape contains."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import promql_parser as promql
import pytest
import yaml
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from butaca import app
from butaca.adapters.sql import Database
from butaca.sandbox import Fault, Sandbox
from butaca.settings import Settings
from tests.builders import CONSUMER_TOKEN

ROOT = Path(__file__).parents[1]
DASHBOARD = json.loads((ROOT / "deploy/grafana/butaca.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
OPERATIONS = (ROOT / "docs/operations.md").read_text()
RUNBOOK = {
    name: (meaning, doing)
    for name, meaning, doing in re.findall(
        r"^### (\w+)\n\n\*Means\*: (.+?)\n\n\*Do\*: (.+?)\n\n", OPERATIONS, re.MULTILINE | re.DOTALL
    )
}
"""What each alert means, and what to do."""

OF_A_TARGET = {"job", "instance"}
"""The labels that Prometheus itself gives to whatever it scrapes."""

EXPRESSIONS = ("expr", "lhs", "rhs", "param", "vector_selector")
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
QUERIES = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(each["expr"] for each in DASHBOARD["annotations"]["list"]),
    *(rule["expr"] for rule in RULES),
]

Series = dict[str, list[dict[str, str]]]


@dataclass
class Query:
    """The metrics of a query, each with what it must match, and the labels it speaks of."""

    selectors: list[Any] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, text: str) -> "Query":
        found = cls()
        found._walk(promql.parse(text.replace("$__rate_interval", "5m")))
        return found

    def _walk(self, node: Any) -> None:
        if isinstance(node, promql.VectorSelector):
            self.selectors.append(node)
        modifier = getattr(node, "modifier", None)
        self.labels |= set(getattr(modifier, "labels", None) or ())
        matching = getattr(modifier, "matching", None)
        self.labels |= set(getattr(matching, "labels", None) or ())
        children = [getattr(node, name, None) for name in EXPRESSIONS]
        for child in (*children, *(getattr(node, "args", None) or ())):
            if child is not None:
                self._walk(child)


@pytest.fixture
def client(sqlite: Database, empty_redis: str) -> Iterator[FlaskClient]:
    """A client of an app as it is served, after traffic of every kind."""
    with Sandbox() as tmdb:
        settings = Settings(
            database_url=sqlite.engine.url.render_as_string(hide_password=False),
            redis_url=empty_redis,
            tmdb_token="sandbox-token",
            tmdb_base_url=tmdb.url,
            tmdb_retries=1,
            tmdb_backoff=0,
            demo_users=True,
            rate_limit_reads="1000000/minute",
            rate_limit_writes="1000000/minute",
        )
        app.prepare(settings)
        butaca = app.create_app(settings)
        client = butaca.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
        for path in (
            "/api/v1/movies/popular",
            "/api/v1/me/favorites",
            "/readyz",
            "/livez",
            "/metrics",
        ):
            client.get(path)
        live, butaca.view_functions["health.live"] = butaca.view_functions["health.live"], _break
        assert client.get("/livez").status_code == 500
        butaca.view_functions["health.live"] = live
        tmdb.inject(Fault("503"))
        assert client.get("/api/v1/movies/1").status_code == 503
        yield client


def _break() -> NoReturn:
    raise RuntimeError


def scrape(client: FlaskClient) -> Series:
    series: Series = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            series.setdefault(sample.name, []).append(sample.labels)
    return series


@pytest.fixture
def series(client: FlaskClient) -> Series:
    return scrape(client)


def test_every_query_of_dashboard_and_alerts_is_of_what_is_there(series: Series) -> None:
    for text in QUERIES:
        query = Query.of(text)
        assert query.selectors, text
        known = set(OF_A_TARGET)
        for selector in query.selectors:
            assert selector.name in series, text
            labels = {name for each in series[selector.name] for name in each}
            known |= labels
            for matcher in selector.matchers.matchers:
                assert matcher.name in labels | OF_A_TARGET, text
                assert matcher.name in OF_A_TARGET or is_met(matcher, series[selector.name]), text
        assert query.labels <= known, text


def is_met(matcher: Any, series: list[dict[str, str]]) -> bool:
    """Tell whether anything has what a query asks for; and each word, where it names several."""
    values = {each.get(matcher.name, "") for each in series}
    words = matcher.value.split("|")
    return all(any(re.fullmatch(word, value) for value in values) for word in words)


def test_a_query_of_what_is_not_there_would_be_noticed(series: Series) -> None:
    query = Query.of(
        'sum by (a) (rate(x{b=~"c|d"}[$__rate_interval])) / on (e) (-y) > max_over_time(z[5m:1m])'
    )
    assert [each.name for each in query.selectors] == ["x", "y", "z"]
    assert query.labels == {"a", "e"}
    (matcher,) = query.selectors[0].matchers.matchers
    assert not is_met(matcher, [{"b": "c"}])
    assert is_met(matcher, [{"b": "c"}, {"b": "d"}])


def test_every_metric_of_ours_is_on_the_dashboard(series: Series) -> None:
    shown = {each.name for text in QUERIES for each in Query.of(text).selectors}
    ours = {re.sub("_(bucket|count|sum|created|total)$", "", name) for name in series}
    ours = {name for name in ours if name.startswith("butaca_")}
    assert len(ours) > 15
    assert ours == {re.sub("_(bucket|count|total)$", "", name) for name in shown} & ours


def test_every_metric_of_ours_is_documented_with_its_labels(series: Series) -> None:
    text = (ROOT / "docs/observing.md").read_text()
    rows = re.findall(r"^\| `(butaca_\w+)(?:\{([\w,]+)\})?` \|", text, re.MULTILINE)
    documented = {name: set(labels.split(",")) - {""} for name, labels in rows}
    real: dict[str, set[str]] = {}
    for name, found in series.items():
        if name.startswith("butaca_") and not name.endswith(("_created", "_sum", "_count")):
            labels = {label for each in found for label in each}
            real[name.removesuffix("_bucket")] = labels - {"le"}
    assert documented == real


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert len(rule["annotations"]["summary"]) > 20
    name = rule["alert"]
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    meaning, doing = RUNBOOK[name]
    assert len(meaning) > 40
    assert len(doing) > 60


def test_operations_has_a_paragraph_for_each_alert_and_no_other() -> None:
    assert sorted(RUNBOOK) == sorted(rule["alert"] for rule in RULES)
    critical = {each["alert"] for each in RULES if each["labels"]["severity"] == "critical"}
    (listed,) = re.findall(r"Critical: (.+)", OPERATIONS)
    assert set(re.findall(r"\[(\w+)\]", listed)) == critical
    assert list(RUNBOOK) == re.findall(r"^### (Butaca\w+)$", OPERATIONS, re.MULTILINE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_the_summary_of_an_alert_names_labels_that_its_query_keeps(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert named <= Query.of(rule["expr"]).labels


def test_panels_have_titles_and_places_of_their_own() -> None:
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert max(place["x"] + place["w"] for place in places) <= 24


def test_no_caller_can_make_the_metrics_grow(client: FlaskClient) -> None:
    scrape(client)  # A scrape is a request, too.
    make_up(client, "first")
    before = {name: len(found) for name, found in scrape(client).items()}
    make_up(client, "second")
    after = {name: len(found) for name, found in scrape(client).items()}
    assert after == before
    assert sum(before.values()) < 2000


def make_up(client: FlaskClient, word: str) -> None:
    """Make calls that nobody foresaw, each another one than those of another word."""
    for number in range(50):
        made_up = f"{word}{number}"
        for method, path in (
            (made_up.upper(), "/livez"),
            ("GET", f"/{made_up}"),
            ("GET", f"/api/v1/movies/{made_up}"),
            ("GET", f"/api/v1/movies/search?query={made_up}&{made_up}={made_up}"),
            ("DELETE", f"/api/v1/users/{made_up}/favorites"),
            ("OPTIONS", f"/api/v1/{made_up}"),
        ):
            headers = {"Host": f"{made_up}.example", "X-Request-Id": made_up}
            client.open(path, method=method, headers=headers)
