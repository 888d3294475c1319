from typing import Any, cast

import pytest

from benchmarks.growth import Curve, Point
from benchmarks.load import Load, Target
from benchmarks.rounds import Series
from benchmarks.stock import popular_path


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


def test_what_gets_cheaper_does_not_rise() -> None:
    assert make_curve(10, 20, 40).rise("line") == 1


def test_a_rise_is_measured_from_the_least_cost_before_it() -> None:
    assert make_curve(10, 40, 20).rise("line") == 2


def test_a_page_twice_as_large_may_cost_twice_as_much() -> None:
    assert make_curve(20, 10, is_per_movie=True).rise("line") == pytest.approx(1)


def test_a_ratio_is_the_median_of_those_of_the_rounds() -> None:
    ours, theirs = Series("ours"), Series("theirs")
    for mine, yours in ((10, 20), (30, 30), (8, 1)):
        ours.loads.append(make_load(mine))
        theirs.loads.append(make_load(yours))
    assert ours.times(theirs) == 1


def test_a_hundred_thousand_paths_are_all_different() -> None:
    assert len({popular_path(number) for number in range(100_000)}) == 100_000
