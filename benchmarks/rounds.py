"""Rounds: all targets in turn, again and again, so that a noisy neighbor hits all of them alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median

from benchmarks.load import Load, Target
from benchmarks.progress import bar

Measure = Callable[[Target], Load]


@dataclass(slots=True)
class Series:
    """What was measured of one target, round by round."""

    name: str
    loads: list[Load] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return requests per second: the median."""
        return median(self.rates)

    @property
    def rates(self) -> list[float]:
        """Return requests per second of each round."""
        return [each.rate for each in self.loads]

    @property
    def cost(self) -> float:
        """Return seconds of the server per request: the median."""
        return median(each.cost for each in self.loads)

    @property
    def cpu(self) -> float:
        """Return the seconds for which the server kept processors busy per request: the median."""
        return median(each.cpu for each in self.loads)

    @property
    def p50(self) -> float:
        """Return the median latency in seconds."""
        return median(each.p50 for each in self.loads)

    @property
    def p99(self) -> float:
        """Return the latency, in seconds, that 99 of 100 requests keep within."""
        return median(each.p99 for each in self.loads)

    @property
    def failures(self) -> int:
        """Return how many requests failed."""
        return sum(each.failures for each in self.loads)

    def times(self, other: "Series") -> float:
        """Return how often it answers while another answers once: the median of the rounds."""
        return median(a / b for a, b in zip(self.rates, other.rates, strict=True))


def side_by_side(
    targets: Sequence[Target], rounds: int, measure: Measure, label: str
) -> dict[str, Series]:
    """Measure all targets once a round, in an order of its own each time."""
    series = {each.name: Series(each.name) for each in targets}
    orders = [Random(number).sample(targets, len(targets)) for number in range(rounds)]
    for target in bar([each for order in orders for each in order], label):
        series[target.name].loads.append(measure(target))
    return series
