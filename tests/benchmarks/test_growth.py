"""How the cost of a request grows with the amount of data."""

from typing import Any, cast

import pytest

from benchmarks.growth import Curve, Point
from benchmarks.load import Load, Target
from benchmarks.rounds import Series
from benchmarks.seeding import popular_path


def make_load(rate: float) -> Load:
    return Load(requests=1, failures=0, rate=rate, cpu=0.0, p50=0.1, p99=0.2)


def make_curve(*rates: float, is_per_movie: bool = False) -> Curve:
    target = cast("Target", cast("Any", None))
    points = [Point("line", size, target) for size in range(1, len(rates) + 1)]
    series = {
        point.name: Series(point.name, [make_load(rate)])
        for point, rate in zip(points, rates, strict=True)
    }
    return Curve("Title", "sizes", points, series, is_per_movie)


def test_falling_cost_has_a_rise_of_1() -> None:
    assert make_curve(10, 20, 40).rise("line") == 1


def test_rise_is_relative_to_the_lowest_earlier_cost() -> None:
    assert make_curve(10, 40, 20).rise("line") == 2


def test_cost_per_movie_is_independent_of_the_page_size() -> None:
    assert make_curve(20, 10, is_per_movie=True).rise("line") == pytest.approx(1)


def test_ratio_is_the_median_over_the_rounds() -> None:
    series, baseline = Series("series"), Series("baseline")
    for rate, baseline_rate in ((10, 20), (30, 30), (8, 1)):
        series.loads.append(make_load(rate))
        baseline.loads.append(make_load(baseline_rate))
    assert series.ratio_to(baseline) == 1


def test_first_100_000_paths_are_distinct() -> None:
    assert len({popular_path(number) for number in range(100_000)}) == 100_000
