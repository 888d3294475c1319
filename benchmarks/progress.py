"""How far a measurement is, on stderr."""

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import click

T = TypeVar("T")


def bar(steps: Sequence[T], label: str) -> Iterator[T]:
    """Give each step, and show how many are done."""
    with click.progressbar(steps, label=f"{label:22}", file=sys.stderr) as shown:
        yield from shown
