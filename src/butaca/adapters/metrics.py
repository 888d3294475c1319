"""What Prometheus is told of what nobody counts: it is looked up whenever it asks."""

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
    """Somebody who may be away."""

    @property
    def is_up(self) -> bool:
        """Whether they answered last."""


@dataclass(frozen=True, eq=False)
class Dependencies(Collector):
    """Who was there when they were asked last."""

    by_name: Mapping[str, Dependency]

    def collect(self) -> Iterator[Metric]:
        """Tell of each: 1 who answered, 0 who did not."""
        up = GaugeMetricFamily(
            "butaca_dependency_up",
            "Whether it answered when this process asked it last.",
            labels=("dependency",),
        )
        for name, dependency in self.by_name.items():
            up.add_metric((name,), dependency.is_up)
        yield up


@dataclass(frozen=True, eq=False)
class Pools(Collector):
    """The places of those who wait for TMDB, and the connections to the database."""

    by_name: Mapping[str, Bulkhead]

    def collect(self) -> Iterator[Metric]:
        """Tell of each how full it is, who had to wait for a place, and who got none."""
        now = {name: bulkhead.occupancy() for name, bulkhead in self.by_name.items()}
        for kind, name, meaning, value in _OF_A_POOL:
            metric = kind(name, meaning, labels=("pool",))
            for pool, occupancy in now.items():
                metric.add_metric((pool,), value(occupancy))
            yield metric


_Value = Callable[[Occupancy], float]
_Family = type[GaugeMetricFamily] | type[CounterMetricFamily]
_OF_A_POOL: tuple[tuple[_Family, str, str, _Value], ...] = (
    (GaugeMetricFamily, "butaca_pool_size", "How many there are.", lambda now: now.places),
    (GaugeMetricFamily, "butaca_pool_in_use", "How many are in use.", lambda now: now.taken),
    (CounterMetricFamily, "butaca_pool_waits", "Who had to wait.", lambda now: now.queued),
    (CounterMetricFamily, "butaca_pool_busy", "Who got none.", lambda now: now.refused),
    (
        CounterMetricFamily,
        "butaca_pool_wait_seconds",
        "For how long they waited, all together.",
        lambda now: now.seconds,
    ),
)


def register(
    registry: CollectorRegistry,
    dependencies: Mapping[str, Dependency],
    pools: Mapping[str, Bulkhead],
) -> None:
    """Tell of these, of this process with its memory, time and files, and which Butaca it is.

    One process answers per pod, so that there are no others whose figures are to be added.
    """
    registry.register(Dependencies(dependencies))
    registry.register(Pools(pools))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    info = Info("butaca_build", "Which Butaca this is.", registry=registry)
    info.info({"version": __version__, "python": python_version()})
