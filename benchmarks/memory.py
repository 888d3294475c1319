"""Measure the memory of a process over a million requests for ten thousand keys."""

from collections.abc import Iterator

import click

from benchmarks.calls import Caller
from benchmarks.charts import Panel, panels
from benchmarks.document import Document
from benchmarks.goals import HEAD, Goal
from benchmarks.growth import LONG_FRESH
from benchmarks.load import Load, Target
from benchmarks.machine import Neighbors, describe
from benchmarks.processes import Server
from benchmarks.stock import popular_path
from benchmarks.testbed import AUTHORIZED, surroundings

KEYS, REQUESTS, LOOKS = 10_000, 1_000_000, 40
MOST, FLAT = 120, 1.02
"""Goals: peak memory in MB, and peak of the last half as a multiple of its start."""

Place = tuple[float, float]


def measure(requests: int, keys: int, document: Document) -> None:
    """Send the requests, sample the memory meanwhile, and write the result into a document."""
    neighbors = Neighbors()
    with surroundings() as around, around.pod(**LONG_FRESH) as pod:
        around.tmdb.clear_faults()  # No latency: it would only delay the one fetch of each key.
        neighbors.look()
        seen = [(float(asked), pod.memory() / 1e6) for asked in _ask(pod, requests, keys)]
        neighbors.look()
        lines = [f"- {line}" for line in describe(around, neighbors)]
    rows = [*HEAD, *(goal.row() for goal in _goals(seen)), "", *_rows(seen), "", *lines]
    click.echo("\n".join(["", *rows]))
    document.write("memory", rows)
    document.draw("performance-memory.svg", _drawing(seen))


def _ask(pod: Server, requests: int, keys: int) -> Iterator[int]:
    """Send requests; after each batch, yield the number of requests so far."""
    Caller(pod.origin).get(popular_path(0))
    yield 1
    target = Target(
        "Butaca", pod, tuple(popular_path(number) for number in range(keys)), AUTHORIZED
    )
    asked, seconds, step = 0, 1.0, max(requests // LOOKS, 1)
    with click.progressbar(length=requests, label="memory") as shown:
        while asked < requests:
            load: Load = target.load(seconds)
            asked += load.requests
            seconds = min(step, requests - asked) / load.rate
            shown.update(load.requests)
            yield asked


def _goals(seen: list[Place]) -> Iterator[Goal]:
    half = [taken for asked, taken in seen if asked >= seen[-1][0] / 2]
    yield Goal("peak memory", max(taken for _, taken in seen), MOST, " MB", is_ceiling=True)
    yield Goal(
        "memory over the last half: peak ÷ start", max(half) / half[0], FLAT, is_ceiling=True
    )


def _rows(seen: list[Place]) -> Iterator[str]:
    yield "| requests | memory |"
    yield "| -: | -: |"
    for asked, taken in [*seen[:: max(len(seen) // 8, 1)], seen[-1]]:
        yield f"| {asked:,.0f} | {taken:.1f} MB |".replace(",", " ")


def _drawing(seen: list[Place]) -> str:
    panel = Panel(
        "Memory of a process",
        "thousands of requests",
        "MB",
        {"Butaca": [(asked / 1000, taken) for asked, taken in seen]},
        is_logarithmic=False,
        wanted=MOST,
    )
    return panels("Memory of a process", [panel])
