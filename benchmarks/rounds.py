"""Rounds: measure all targets in turn, so that a noisy neighbor affects all of them alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median

from benchmarks.load import Load, Target
from benchmarks.progress import progress_bar

Measure = Callable[[Target], Load]


@dataclass(slots=True)
class Series:
    """The measurements of one target, one per round."""

    name: str
    loads: list[Load] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return the median of the requests per second."""
        return median(self.rates)

    @property
    def rates(self) -> list[float]:
        """Return the requests per second of each round."""
        return [each.rate for each in self.loads]

    @property
    def cost(self) -> float:
        """Return the median of the server's seconds per request."""
        return median(each.cost for each in self.loads)

    @property
    def cpu(self) -> float:
        """Return the median of the server's CPU seconds per request."""
        return median(each.cpu for each in self.loads)

    @property
    def p50(self) -> float:
        """Return the median of the rounds' median latencies, in seconds."""
        return median(each.p50 for each in self.loads)

    @property
    def p99(self) -> float:
        """Return the median of the rounds' 99th percentile latencies, in seconds."""
        return median(each.p99 for each in self.loads)

    @property
    def failures(self) -> int:
        """Return the number of failed requests."""
        return sum(each.failures for each in self.loads)

    def ratio_to(self, other: "Series") -> float:
        """Return the ratio of its rate to that of another series: the median of all rounds."""
        return median(a / b for a, b in zip(self.rates, other.rates, strict=True))


def side_by_side(
    targets: Sequence[Target], rounds: int, measure: Measure, label: str
) -> dict[str, Series]:
    """Measure all targets once per round, in a different order in each round."""
    series = {each.name: Series(each.name) for each in targets}
    orders = [Random(number).sample(targets, len(targets)) for number in range(rounds)]
    for target in progress_bar([each for order in orders for each in order], label):
        series[target.name].loads.append(measure(target))
    return series
