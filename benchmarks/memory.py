"""Measure the memory of a process over a million requests for ten thousand keys."""

from collections.abc import Iterator

import click

from benchmarks.calls import Client
from benchmarks.charts import Panel, panels
from benchmarks.document import Document
from benchmarks.goals import HEAD, Goal
from benchmarks.growth import LONG_TTL
from benchmarks.load import Load, Target
from benchmarks.machine import BackgroundLoad, describe
from benchmarks.processes import Server
from benchmarks.seeding import popular_path
from benchmarks.testbed import AUTHORIZED, start_testbed

KEYS, REQUESTS, SAMPLES = 10_000, 1_000_000, 40
MAX_MB, MAX_GROWTH = 120, 1.02
"""Goals: peak memory in MB, and peak of the last half as a multiple of its start."""

Point = tuple[float, float]


def measure(requests: int, keys: int, document: Document) -> None:
    """Send the requests, sample the memory meanwhile, and write the result into a document."""
    background = BackgroundLoad()
    with start_testbed() as testbed, testbed.pod(**LONG_TTL) as pod:
        testbed.tmdb.clear_faults()  # No latency: it would only delay the one fetch of each key.
        background.sample()
        counts = _send_requests(pod, requests, keys)
        samples = [(float(count), pod.memory() / 1e6) for count in counts]
        background.sample()
        lines = [f"- {line}" for line in describe(testbed, background)]
    rows = [*HEAD, *(goal.row() for goal in _goals(samples)), "", *sample_rows(samples), "", *lines]
    click.echo("\n".join(["", *rows]))
    document.write("memory", rows)
    document.draw("performance-memory.svg", _drawing(samples))


def _send_requests(pod: Server, requests: int, keys: int) -> Iterator[int]:
    """Send requests; after each batch, yield the number of requests so far."""
    Client(pod.origin).get(popular_path(0))
    yield 1
    target = Target(
        "Butaca", pod, tuple(popular_path(number) for number in range(keys)), AUTHORIZED
    )
    sent, seconds, step = 0, 1.0, max(requests // SAMPLES, 1)
    with click.progressbar(length=requests, label="memory") as shown:
        while sent < requests:
            load: Load = target.load(seconds)
            sent += load.requests
            seconds = min(step, requests - sent) / load.rate
            shown.update(load.requests)
            yield sent


def _goals(samples: list[Point]) -> Iterator[Goal]:
    half = [memory for sent, memory in samples if sent >= samples[-1][0] / 2]
    yield Goal("peak memory", max(memory for _, memory in samples), MAX_MB, " MB", is_ceiling=True)
    yield Goal(
        "memory over the last half: peak ÷ start", max(half) / half[0], MAX_GROWTH, is_ceiling=True
    )


def sample_rows(samples: list[Point]) -> Iterator[str]:
    """Yield the rows of a table of about ten samples, among them the first and the last."""
    yield "| requests | memory |"
    yield "| -: | -: |"
    some = samples[:: max(len(samples) // 8, 1)]
    for sent, memory in dict.fromkeys([*some, samples[-1]]):
        yield f"| {sent:,.0f} | {memory:.1f} MB |".replace(",", " ")


def _drawing(samples: list[Point]) -> str:
    panel = Panel(
        "Memory of a process",
        "thousands of requests",
        "MB",
        {"Butaca": [(sent / 1000, memory) for sent, memory in samples]},
        is_logarithmic=False,
        goal=MAX_MB,
    )
    return panels("Memory of a process", [panel])
