"""Metrics whose values are read when Prometheus scrapes them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from platform import python_version
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    Metric,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from butaca import __version__
from butaca.adapters.bulkhead import Bulkhead, Occupancy


class Dependency(Protocol):
    """A service that may be unavailable."""

    @property
    def is_up(self) -> bool:
        """Whether the last call succeeded."""


@dataclass(frozen=True, eq=False)
class DependencyCollector(Collector):
    """Reports whether each dependency was available at the last call."""

    by_name: Mapping[str, Dependency]

    def collect(self) -> Iterator[Metric]:
        """Yield one gauge: 1 for each dependency that is up, 0 for the others."""
        up = GaugeMetricFamily(
            "butaca_dependency_up",
            "Whether the last call of this process to the dependency succeeded (1) or failed (0).",
            labels=("dependency",),
        )
        for name, dependency in self.by_name.items():
            up.add_metric((name,), dependency.is_up)
        yield up


@dataclass(frozen=True, eq=False)
class PoolCollector(Collector):
    """Reports on the pools: the slots for calls to TMDB, and the database connections."""

    by_name: Mapping[str, Bulkhead]

    def collect(self) -> Iterator[Metric]:
        """Yield the size and the usage of each pool, and how many callers waited or got no slot."""
        occupancies = {name: bulkhead.occupancy() for name, bulkhead in self.by_name.items()}
        for family, name, description, value in _POOL_METRICS:
            metric = family(name, description, labels=("pool",))
            for pool, occupancy in occupancies.items():
                metric.add_metric((pool,), value(occupancy))
            yield metric


_Value = Callable[[Occupancy], float]
_Family = type[GaugeMetricFamily] | type[CounterMetricFamily]
_POOL_METRICS: tuple[tuple[_Family, str, str, _Value], ...] = (
    (GaugeMetricFamily, "butaca_pool_size", "Size of the pool, in slots.", lambda pool: pool.size),
    (GaugeMetricFamily, "butaca_pool_in_use", "Slots in use.", lambda pool: pool.in_use),
    (
        CounterMetricFamily,
        "butaca_pool_waits",
        "Callers that had to wait.",
        lambda pool: pool.waits,
    ),
    (
        CounterMetricFamily,
        "butaca_pool_busy",
        "Callers that got no slot.",
        lambda pool: pool.rejections,
    ),
    (
        CounterMetricFamily,
        "butaca_pool_wait_seconds",
        "Total time that callers waited for a slot, in seconds.",
        lambda pool: pool.wait_seconds,
    ),
)


def register(
    registry: CollectorRegistry,
    dependencies: Mapping[str, Dependency],
    pools: Mapping[str, Bulkhead],
) -> None:
    """Register collectors for dependencies, pools, process, platform and GC, and the build info.

    Only one process per pod serves requests, so no values of other processes need to be added.
    """
    registry.register(DependencyCollector(dependencies))
    registry.register(PoolCollector(pools))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    info = Info("butaca_build", "Versions of Butaca and Python.", registry=registry)
    info.info({"version": __version__, "python": python_version()})
