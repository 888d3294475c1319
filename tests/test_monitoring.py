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
    name: (meaning, action)
    for name, meaning, action in re.findall(
        r"^### (\w+)\n\n\*Means\*: (.+?)\n\n\*Do\*: (.+?)\n\n", OPERATIONS, re.MULTILINE | re.DOTALL
    )
}
"""The meaning of each alert, and what to do."""

TARGET_LABELS = {"job", "instance"}
"""The labels that Prometheus adds to every scraped series."""

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
    """The selectors of a query, each with its matchers, and the labels that it groups by."""

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
    """A client of a fully configured app, after requests of every kind."""
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
        live, butaca.view_functions["health.livez"] = butaca.view_functions["health.livez"], _break
        assert client.get("/livez").status_code == 500
        butaca.view_functions["health.livez"] = live
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


def test_dashboard_and_alert_queries_use_existing_series(series: Series) -> None:
    for text in QUERIES:
        query = Query.of(text)
        assert query.selectors, text
        known = set(TARGET_LABELS)
        for selector in query.selectors:
            assert selector.name in series, text
            labels = {name for each in series[selector.name] for name in each}
            known |= labels
            for matcher in selector.matchers.matchers:
                assert matcher.name in labels | TARGET_LABELS, text
                if matcher.name not in TARGET_LABELS:
                    assert is_satisfied(matcher, series[selector.name]), text
        assert query.labels <= known, text


def is_satisfied(matcher: Any, series: list[dict[str, str]]) -> bool:
    """Return whether series have the value of a matcher, or all of its alternatives (`a|b`)."""
    values = {each.get(matcher.name, "") for each in series}
    alternatives = matcher.value.split("|")
    return all(any(re.fullmatch(each, value) for value in values) for each in alternatives)


def test_query_parser_finds_selectors_labels_and_unmet_matchers(series: Series) -> None:
    query = Query.of(
        'sum by (a) (rate(x{b=~"c|d"}[$__rate_interval])) / on (e) (-y) > max_over_time(z[5m:1m])'
    )
    assert [each.name for each in query.selectors] == ["x", "y", "z"]
    assert query.labels == {"a", "e"}
    (matcher,) = query.selectors[0].matchers.matchers
    assert not is_satisfied(matcher, [{"b": "c"}])
    assert is_satisfied(matcher, [{"b": "c"}, {"b": "d"}])


def test_every_butaca_metric_is_queried(series: Series) -> None:
    shown = {each.name for text in QUERIES for each in Query.of(text).selectors}
    ours = {re.sub("_(bucket|count|sum|created|total)$", "", name) for name in series}
    ours = {name for name in ours if name.startswith("butaca_")}
    assert len(ours) > 15
    assert ours == {re.sub("_(bucket|count|total)$", "", name) for name in shown} & ours


def test_every_butaca_metric_is_documented_with_its_labels(series: Series) -> None:
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
def test_alert_has_a_severity_and_a_runbook(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert len(rule["annotations"]["summary"]) > 20
    name = rule["alert"]
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    meaning, action = RUNBOOK[name]
    assert len(meaning) > 40
    assert len(action) > 60


def test_runbook_has_one_section_per_alert() -> None:
    assert sorted(RUNBOOK) == sorted(rule["alert"] for rule in RULES)
    critical = {each["alert"] for each in RULES if each["labels"]["severity"] == "critical"}
    (listed,) = re.findall(r"Critical: (.+)", OPERATIONS)
    assert set(re.findall(r"\[(\w+)\]", listed)) == critical
    assert list(RUNBOOK) == re.findall(r"^### (Butaca\w+)$", OPERATIONS, re.MULTILINE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_summary_uses_only_labels_of_its_query(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert named <= Query.of(rule["expr"]).labels


def test_panels_have_unique_titles_and_positions() -> None:
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert max(place["x"] + place["w"] for place in places) <= 24


def test_unexpected_requests_add_no_time_series(client: FlaskClient) -> None:
    scrape(client)  # A scrape is a request, too.
    send_unexpected_requests(client, "first")
    before = {name: len(found) for name, found in scrape(client).items()}
    send_unexpected_requests(client, "second")
    after = {name: len(found) for name, found in scrape(client).items()}
    assert after == before
    assert sum(before.values()) < 2000


def send_unexpected_requests(client: FlaskClient, prefix: str) -> None:
    """Send requests with invented methods, paths, parameters and headers, unique per prefix."""
    for number in range(50):
        invented = f"{prefix}{number}"
        for method, path in (
            (invented.upper(), "/livez"),
            ("GET", f"/{invented}"),
            ("GET", f"/api/v1/movies/{invented}"),
            ("GET", f"/api/v1/movies/search?query={invented}&{invented}={invented}"),
            ("DELETE", f"/api/v1/users/{invented}/favorites"),
            ("OPTIONS", f"/api/v1/{invented}"),
        ):
            headers = {"Host": f"{invented}.example", "X-Request-Id": invented}
            client.open(path, method=method, headers=headers)
