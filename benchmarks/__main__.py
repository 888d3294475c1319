"""The command line of `make bench`."""

import click

from benchmarks import footprint, layers, library, memory, performance, smoke
from benchmarks.document import Document
from benchmarks.load import check_wrk
from benchmarks.performance import Plan
from butaca.commands.one_line import OneLineGroup, one_line_errors

DEFAULTS = Plan()


@click.group(cls=OneLineGroup, invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """Run the benchmarks. Without a command, run performance, layers and library."""
    if context.invoked_subcommand is None:
        context.invoke(run_performance)
        context.invoke(run_layers)
        context.invoke(run_library)


@bench.command("performance")
@click.option("--rounds", default=DEFAULTS.rounds, help="Rounds in which each server is loaded.")
@click.option("--seconds", default=DEFAULTS.seconds, help="Duration of one load.")
@click.option("--growth-rounds", default=DEFAULTS.growth_rounds, help="Rounds for each size.")
def run_performance(rounds: int, seconds: float, growth_rounds: int) -> None:
    """Compare Butaca with its peers and measure scaling. Updates docs/performance.md."""
    with one_line_errors():
        check_wrk()
        plan = Plan(rounds=rounds, seconds=seconds, growth_rounds=growth_rounds)
        performance.measure(plan, Document())


@bench.command("layers")
def run_layers() -> None:
    """Measure the time of a warm GET by layer. Updates docs/performance.md."""
    layers.measure(layers.ROUNDS, layers.CALLS, Document())


@bench.command("library")
def run_library() -> None:
    """Measure lists in a library of two million favorites. Prints the table of docs/library.md."""
    library.main()


@bench.command("memory")
@click.option("--requests", default=memory.REQUESTS, help="Total number of requests.")
@click.option("--keys", default=memory.KEYS, help="Number of distinct cache keys.")
def run_memory(requests: int, keys: int) -> None:
    """Measure the memory of a process over a million requests."""
    with one_line_errors():
        check_wrk()
        memory.measure(requests, keys, Document())


@bench.command("footprint")
@click.option(
    "--data", help="A folder of recorded TMDB responses, instead of the sandbox's movies."
)
def run_footprint(data: str | None) -> None:
    """Measure the use of PostgreSQL, Redis and memory. Prints the table of docs/operations.md."""
    footprint.measure(data)


@bench.command("smoke")
def run_smoke() -> None:
    """Check in a minute that every benchmark works."""
    with one_line_errors():
        check_wrk()
        smoke.run()


if __name__ == "__main__":
    bench()
