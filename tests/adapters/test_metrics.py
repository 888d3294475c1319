"""Metrics that are collected on a scrape rather than counted."""

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from butaca import __version__
from butaca.adapters import metrics
from butaca.adapters.bulkhead import Bulkhead
from butaca.core.errors import CatalogueBusy


@dataclass
class FakeDependency:
    """Somebody who is there until it is told otherwise."""

    is_up: bool = True


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_it_tells_who_is_away_when_it_is_asked(registry: CollectorRegistry) -> None:
    here, gone = FakeDependency(), FakeDependency()
    metrics.register(registry, {"redis": here, "tmdb": gone}, {})
    gone.is_up = False

    up = {
        name: registry.get_sample_value("butaca_dependency_up", {"dependency": name})
        for name in ("redis", "tmdb", "database")
    }
    assert up == {"redis": 1, "tmdb": 0, "database": None}


def test_it_tells_of_each_pool(registry: CollectorRegistry) -> None:
    full, empty = Bulkhead(1, patience=0), Bulkhead(7, patience=0)
    metrics.register(registry, {}, {"tmdb": full, "database": empty})
    with full.place(may_queue=False):
        with pytest.raises(CatalogueBusy), full.place(may_queue=False):
            pass
        told = {
            (name, pool): registry.get_sample_value(f"butaca_pool_{name}", {"pool": pool})
            for name in ("size", "in_use", "busy_total", "waits_total", "wait_seconds_total")
            for pool in ("tmdb", "database")
        }

    assert told.pop(("wait_seconds_total", "tmdb")) == pytest.approx(0, abs=0.1)
    assert told == {
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


def test_it_tells_of_the_process_and_of_its_build(registry: CollectorRegistry) -> None:
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
