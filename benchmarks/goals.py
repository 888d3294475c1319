"""Goals: ratios within one run, met or missed. A missed goal fails no command."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.contenders import BARE, FASTAPI, FLASK_CACHING, KEPT, MARKED, NOT_MODIFIED, WARM
from benchmarks.rounds import Series
from benchmarks.timings import Timings


@dataclass(frozen=True, slots=True)
class Goal:
    """A measured value and its lower bound, or its upper bound if `is_ceiling`."""

    what: str
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
        word = "at most" if self.is_ceiling else "at least"
        verdict = "met" if self.is_met else "**missed**"
        value, bound = (f"{each:.3g}{self.unit}" for each in (self.value, self.bound))
        return f"| {self.what} | {value} | {word} {bound} | {verdict} |"


HEAD = ("| metric | measured | goal | |", "| - | -: | - | - |")


def goals(side: dict[str, Series], told: Timings) -> Iterator[Goal]:
    """Return the goals for GET requests with the measured values."""
    bare, warm = side[BARE], side[WARM]
    yield Goal("warm GET ÷ bare Flask", warm.times(bare), 0.5)
    for peer in (FASTAPI, FLASK_CACHING):
        yield Goal(f"warm GET ÷ {peer}", warm.times(side[peer]), 4)
    tail = warm.p99 / warm.p50
    yield Goal("warm GET: p99 ÷ p50, 16 connections", tail, 5, is_ceiling=True)
    alone = told.warm.p50 / warm.cost
    yield Goal("warm GET: one alone ÷ under load", alone, 5, is_ceiling=True)
    yield Goal("`include=me` ÷ bare Flask", side[MARKED].times(bare), 0.15)
    yield Goal("304 ÷ 200", side[NOT_MODIFIED].times(warm), 1)
    yield Goal("cold GET: added to its upstream", told.added * 1000, 3, " ms", is_ceiling=True)
    yield Goal("20 favorites, all details ÷ bare Flask", side[KEPT].times(bare), 0.1)
