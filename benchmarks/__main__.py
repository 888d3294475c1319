"""The command line of `make bench`."""

import click

from benchmarks import footprint, layers, library, memory, performance, smoke
from benchmarks.document import Document
from benchmarks.load import check_wrk
from benchmarks.performance import Plan
from butaca.commands.one_line import OneLineGroup, one_line

SHIPPED = Plan()


@click.group(cls=OneLineGroup, invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """Measure Butaca; without a command, all but the memory."""
    if context.invoked_subcommand is None:
        context.invoke(run_performance)
        context.invoke(run_layers)
        context.invoke(run_library)


@bench.command("performance")
@click.option("--rounds", default=SHIPPED.rounds, help="How often each is loaded.")
@click.option("--seconds", default=SHIPPED.seconds, help="For how long each time.")
@click.option("--growth-rounds", default=SHIPPED.growth_rounds, help="How often each size.")
def run_performance(rounds: int, seconds: float, growth_rounds: int) -> None:
    """Measure it beside its peers, and how it grows: docs/performance.md."""
    with one_line():
        check_wrk()
        plan = Plan(rounds=rounds, seconds=seconds, growth_rounds=growth_rounds)
        performance.measure(plan, Document())


@bench.command("layers")
def run_layers() -> None:
    """Measure where the time of a warm GET goes: the table of docs/performance.md."""
    layers.measure(layers.ROUNDS, layers.CALLS, Document())


@bench.command("library")
def run_library() -> None:
    """Measure lists in a library of two million favorites: the table of docs/library.md."""
    library.main()


@bench.command("memory")
@click.option("--requests", default=memory.REQUESTS, help="How many in all.")
@click.option("--keys", default=memory.KEYS, help="Over how many keys.")
def run_memory(requests: int, keys: int) -> None:
    """Measure the memory of a process after a million requests."""
    with one_line():
        check_wrk()
        memory.measure(requests, keys, Document())


@bench.command("footprint")
@click.option(
    "--data", help="A folder of TMDB's recorded answers, instead of the sandbox's movies."
)
def run_footprint(data: str | None) -> None:
    """Measure what it takes of PostgreSQL, Redis and memory: the table of docs/operations.md."""
    footprint.measure(data)


@bench.command("smoke")
def run_smoke() -> None:
    """See in a minute that all of it can be measured."""
    with one_line():
        check_wrk()
        smoke.run()


if __name__ == "__main__":
    bench()
