"""Goals: ratios within one run, met or missed. A missed goal fails no command."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.compared_servers import (
    BARE,
    FASTAPI,
    FAVORITES_PAGE,
    FLASK_CACHING,
    INCLUDE_ME,
    NOT_MODIFIED,
    WARM,
)
from benchmarks.rounds import Series
from benchmarks.timings import Timings


@dataclass(frozen=True, slots=True)
class Goal:
    """A measured value and its lower bound, or its upper bound if `is_ceiling`."""

    metric: str
    value: float
    bound: float
    unit: str = ""
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        """Return whether the value is within its bound, or at it."""
        return self.value <= self.bound if self.is_ceiling else self.value >= self.bound

    def row(self) -> str:
        """Return the goal as a table row."""
        relation = "at most" if self.is_ceiling else "at least"
        verdict = "met" if self.is_met else "**missed**"
        value, bound = (f"{each:.3g}{self.unit}" for each in (self.value, self.bound))
        return f"| {self.metric} | {value} | {relation} {bound} | {verdict} |"


HEAD = ("| metric | measured | goal | |", "| - | -: | - | - |")


def goals(series: dict[str, Series], timings: Timings) -> Iterator[Goal]:
    """Return the goals for GET requests, with the measured values."""
    bare, warm = series[BARE], series[WARM]
    yield Goal("warm GET ÷ bare Flask", warm.ratio_to(bare), 0.5)
    for peer in (FASTAPI, FLASK_CACHING):
        yield Goal(f"warm GET ÷ {peer}", warm.ratio_to(series[peer]), 4)
    tail = warm.p99 / warm.p50
    yield Goal("warm GET: p99 ÷ p50, 16 connections", tail, 5, is_ceiling=True)
    alone = timings.warm.p50 / warm.cost
    yield Goal("warm GET: one alone ÷ under load", alone, 5, is_ceiling=True)
    yield Goal("`include=me` ÷ bare Flask", series[INCLUDE_ME].ratio_to(bare), 0.15)
    yield Goal("304 ÷ 200", series[NOT_MODIFIED].ratio_to(warm), 1)
    yield Goal("cold GET: added to its upstream", timings.added * 1000, 3, " ms", is_ceiling=True)
    yield Goal("20 favorites, all details ÷ bare Flask", series[FAVORITES_PAGE].ratio_to(bare), 0.1)
