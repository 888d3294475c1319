"""The measurements of docs/performance.md: side by side, one call at a time, and scaling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import click

from benchmarks.charts import Panel, bars, panels
from benchmarks.contenders import BARE, contenders
from benchmarks.document import Document
from benchmarks.goals import HEAD, goals
from benchmarks.growth import BENDS, FULL, Curve, Growth, Sizes
from benchmarks.load import Load, Target
from benchmarks.machine import Neighbors, describe
from benchmarks.rounds import Series, side_by_side
from benchmarks.testbed import surroundings
from benchmarks.timings import Timing, Timings, timings


@dataclass(frozen=True, slots=True)
class Plan:
    """The length of each measurement."""

    rounds: int = 7
    seconds: float = 3
    calls: int = 200
    growth_rounds: int = 3
    growth_seconds: float = 2
    sizes: Sizes = FULL
    warm_up_seconds: float = 2


@dataclass(frozen=True, slots=True)
class Findings:
    """The results and the environment of a run."""

    side: dict[str, Series]
    told: Timings
    curves: Sequence[Curve]
    machine: Sequence[str]


def measure(plan: Plan, document: Document) -> None:
    """Run all measurements, print the results, and write them into a document."""
    found = _findings(plan)
    _write(document, "machine", [f"- {line}" for line in found.machine])
    _write(document, "goals", [*HEAD, *(goal.row() for goal in goals(found.side, found.told))])
    _write(document, "side by side", _side_rows(found.side))
    _write(document, "one call at a time", _timing_rows(found.told))
    _write(document, "growth", _growth_rows(found.curves))
    document.draw("performance-bars.svg", _bars(found.side))
    document.draw("performance-growth.svg", panels("What a request costs", _panels(found.curves)))


def _findings(plan: Plan) -> Findings:
    neighbors = Neighbors()
    with surroundings() as around, contenders(around) as (pod, trials):
        bare = trials[0].target.server
        side = _side_by_side(plan, [each.target for each in trials], neighbors)
        told = timings(around, bare, plan.calls)
        neighbors.look()
        growth = Growth(around, plan.growth_rounds, plan.growth_seconds, plan.sizes)
        curves = list(growth.curves(pod, bare))
        neighbors.look()
        for each in trials:
            each.check()
        return Findings(side, told, curves, list(describe(around, neighbors)))


def _side_by_side(plan: Plan, targets: list[Target], neighbors: Neighbors) -> dict[str, Series]:
    neighbors.look()
    if plan.warm_up_seconds:
        side_by_side(targets, 1, partial(_load, plan.warm_up_seconds), "warming up")
    neighbors.look()
    side = side_by_side(targets, plan.rounds, partial(_load, plan.seconds), "side by side")
    neighbors.look()
    return side


def _load(seconds: float, target: Target) -> Load:
    return target.load(seconds)


def _write(document: Document, block: str, lines: Iterator[str] | list[str]) -> None:
    lines = list(lines)
    click.echo("\n".join([f"\n{block.capitalize()}", *lines]))
    document.write(block, lines)


def _side_rows(side: dict[str, Series]) -> Iterator[str]:
    bare = side[BARE]
    yield "| | ÷ bare Flask | requests/s | range | p50 | p99 | failed | CPU | ÷ bare |"
    yield "| - | -: | -: | -: | -: | -: | -: | -: | -: |"
    for each in side.values():
        ratio = each.times(bare)
        spread = f"{min(each.rates):.0f} to {max(each.rates):.0f}"
        times = f"{each.p50 * 1000:.2f} ms | {each.p99 * 1000:.2f} ms"
        rates = f"{each.rate:.0f} | {spread}"
        cpu = f"{each.cpu * 1e6:.0f} µs | {each.cpu / bare.cpu:.1f}"
        yield f"| {each.name} | {ratio:.2f} | {rates} | {times} | {each.failures} | {cpu} |"


def _timing_rows(told: Timings) -> Iterator[str]:
    yield "| one call at a time | p50 ÷ bare Flask | p50 | p99 |"
    yield "| - | -: | -: | -: |"
    each: Timing
    cold = (told.upstream, told.asking, told.cold)
    for each in (told.bare, told.warm, told.post, told.delete, *cold):
        ratio = each.p50 / told.bare.p50
        yield f"| {each.name} | {ratio:.1f} | {each.p50 * 1000:.2f} ms | {each.p99 * 1000:.2f} ms |"


def _growth_rows(curves: Sequence[Curve]) -> Iterator[str]:
    yield "| | size: µs per request | rises to |"
    yield "| - | - | -: |"
    for curve in curves:
        for name, line in curve.lines().items():
            costs = ", ".join(f"{size}: {curve.cost(size, s) * 1e6:.0f}" for size, s in line)
            rise = curve.rise(name)
            mark = f"**{rise:.2f}**" if rise > BENDS else f"{rise:.2f}"
            per = ", per movie" if curve.is_per_movie else ""
            yield f"| {curve.title}: {name}{per} | {costs} | {mark} |"


def _bars(side: dict[str, Series]) -> str:
    ranked = sorted(side.values(), key=lambda each: -each.rate)
    rows = [
        (
            each.name,
            each.rate,
            f"{each.rate:,.0f} · {each.times(side[BARE]):.2f} of bare".replace(",", " "),
            each.name.startswith("Butaca"),
        )
        for each in ranked
    ]
    return bars("Requests per second, 16 connections, one process each", rows)


def _panels(curves: Sequence[Curve]) -> list[Panel]:
    return [
        Panel(
            curve.title,
            curve.sizes,
            f"microseconds per {'movie' if curve.is_per_movie else 'request'}",
            {
                name: [(size, curve.cost(size, series) * 1e6) for size, series in line]
                for name, line in curve.lines().items()
            },
        )
        for curve in curves
    ]
