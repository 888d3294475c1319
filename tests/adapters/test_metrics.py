"""Metrics whose values are read on each scrape."""

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from butaca import __version__
from butaca.adapters import metrics
from butaca.adapters.bulkhead import Bulkhead
from butaca.core.errors import CatalogueBusy


@dataclass
class FakeDependency:
    """A dependency that is up until a test changes it."""

    is_up: bool = True


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_dependency_state_is_read_on_each_scrape(registry: CollectorRegistry) -> None:
    up, down = FakeDependency(), FakeDependency()
    metrics.register(registry, {"redis": up, "tmdb": down}, {})
    down.is_up = False

    values = {
        name: registry.get_sample_value("butaca_dependency_up", {"dependency": name})
        for name in ("redis", "tmdb", "database")
    }
    assert values == {"redis": 1, "tmdb": 0, "database": None}


def test_each_pool_is_reported(registry: CollectorRegistry) -> None:
    full, empty = Bulkhead(1, slow_after=0), Bulkhead(7, slow_after=0)
    metrics.register(registry, {}, {"tmdb": full, "database": empty})
    with full.slot(may_queue=False):
        with pytest.raises(CatalogueBusy), full.slot(may_queue=False):
            pass
        values = {
            (name, pool): registry.get_sample_value(f"butaca_pool_{name}", {"pool": pool})
            for name in ("size", "in_use", "busy_total", "waits_total", "wait_seconds_total")
            for pool in ("tmdb", "database")
        }

    assert values.pop(("wait_seconds_total", "tmdb")) == pytest.approx(0, abs=0.1)
    assert values == {
        ("size", "tmdb"): 1,
        ("in_use", "tmdb"): 1,
        ("busy_total", "tmdb"): 1,
        ("waits_total", "tmdb"): 0,
        ("size", "database"): 7,
        ("in_use", "database"): 0,
        ("busy_total", "database"): 0,
        ("waits_total", "database"): 0,
        ("wait_seconds_total", "database"): 0,
    }


def test_process_and_build_metrics_are_reported(registry: CollectorRegistry) -> None:
    metrics.register(registry, {}, {})
    families = {family.name: family for family in registry.collect()}

    (build,) = families["butaca_build"].samples
    assert build.labels["version"] == __version__
    assert set(families) >= {
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "process_open_fds",
        "python_info",
    }
