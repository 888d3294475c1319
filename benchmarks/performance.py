"""The measurements of docs/performance.md: side by side, one call at a time, and scaling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import click

from benchmarks.charts import Panel, bars, panels
from benchmarks.compared_servers import BARE, compared_servers
from benchmarks.document import Document
from benchmarks.goals import HEAD, goals
from benchmarks.growth import BEND_THRESHOLD, FULL, Curve, Growth, Sizes
from benchmarks.load import Load, Target
from benchmarks.machine import BackgroundLoad, describe
from benchmarks.rounds import Series, side_by_side
from benchmarks.testbed import start_testbed
from benchmarks.timings import Timing, Timings, measure_timings


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

    series: dict[str, Series]
    timings: Timings
    curves: Sequence[Curve]
    machine: Sequence[str]


def measure(plan: Plan, document: Document) -> None:
    """Run all measurements, print the results, and write them into a document."""
    findings = _measure(plan)
    _write(document, "machine", [f"- {line}" for line in findings.machine])
    goal_rows = (goal.row() for goal in goals(findings.series, findings.timings))
    _write(document, "goals", [*HEAD, *goal_rows])
    _write(document, "side by side", _side_rows(findings.series))
    _write(document, "one call at a time", _timing_rows(findings.timings))
    _write(document, "growth", _growth_rows(findings.curves))
    document.draw("performance-bars.svg", _bars(findings.series))
    growth = panels("What a request costs", _panels(findings.curves))
    document.draw("performance-growth.svg", growth)


def _measure(plan: Plan) -> Findings:
    background = BackgroundLoad()
    with start_testbed() as testbed, compared_servers(testbed) as (pod, verified):
        bare = verified[0].target.server
        series = _side_by_side(plan, [each.target for each in verified], background)
        call_timings = measure_timings(testbed, bare, plan.calls)
        background.sample()
        growth = Growth(testbed, plan.growth_rounds, plan.growth_seconds, plan.sizes)
        curves = list(growth.curves(pod, bare))
        background.sample()
        for each in verified:
            each.verify()
        return Findings(series, call_timings, curves, list(describe(testbed, background)))


def _side_by_side(
    plan: Plan, targets: list[Target], background: BackgroundLoad
) -> dict[str, Series]:
    background.sample()
    if plan.warm_up_seconds:
        side_by_side(targets, 1, partial(_load, plan.warm_up_seconds), "warming up")
    background.sample()
    series = side_by_side(targets, plan.rounds, partial(_load, plan.seconds), "side by side")
    background.sample()
    return series


def _load(seconds: float, target: Target) -> Load:
    return target.load(seconds)


def _write(document: Document, block: str, lines: Iterator[str] | list[str]) -> None:
    lines = list(lines)
    click.echo("\n".join([f"\n{block.capitalize()}", *lines]))
    document.write(block, lines)


def _side_rows(series: dict[str, Series]) -> Iterator[str]:
    bare = series[BARE]
    yield "| | ÷ bare Flask | requests/s | range | p50 | p99 | failed | CPU | ÷ bare |"
    yield "| - | -: | -: | -: | -: | -: | -: | -: | -: |"
    for each in series.values():
        ratio = each.ratio_to(bare)
        spread = f"{min(each.rates):.0f} to {max(each.rates):.0f}"
        times = f"{each.p50 * 1000:.2f} ms | {each.p99 * 1000:.2f} ms"
        rates = f"{each.rate:.0f} | {spread}"
        cpu = f"{each.cpu * 1e6:.0f} µs | {each.cpu / bare.cpu:.1f}"
        yield f"| {each.name} | {ratio:.2f} | {rates} | {times} | {each.failures} | {cpu} |"


def _timing_rows(timings: Timings) -> Iterator[str]:
    yield "| one call at a time | p50 ÷ bare Flask | p50 | p99 |"
    yield "| - | -: | -: | -: |"
    each: Timing
    cold = (timings.upstream, timings.forwarding, timings.cold)
    for each in (timings.bare, timings.warm, timings.post, timings.delete, *cold):
        ratio = each.p50 / timings.bare.p50
        yield f"| {each.name} | {ratio:.1f} | {each.p50 * 1000:.2f} ms | {each.p99 * 1000:.2f} ms |"


def _growth_rows(curves: Sequence[Curve]) -> Iterator[str]:
    yield "| | size: µs per request | rises to |"
    yield "| - | - | -: |"
    for curve in curves:
        for name, line in curve.lines().items():
            costs = ", ".join(f"{size}: {curve.cost(size, s) * 1e6:.0f}" for size, s in line)
            rise = curve.rise(name)
            mark = f"**{rise:.2f}**" if rise > BEND_THRESHOLD else f"{rise:.2f}"
            per = ", per movie" if curve.is_per_movie else ""
            yield f"| {curve.title}: {name}{per} | {costs} | {mark} |"


def _bars(series: dict[str, Series]) -> str:
    ranked = sorted(series.values(), key=lambda each: -each.rate)
    rows = [
        (
            each.name,
            each.rate,
            f"{each.rate:,.0f} · {each.ratio_to(series[BARE]):.2f} of bare".replace(",", " "),
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
