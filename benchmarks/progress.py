"""A progress bar on stderr."""

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import click

T = TypeVar("T")


def progress_bar(steps: Sequence[T], label: str) -> Iterator[T]:
    """Yield each step, and show the progress."""
    with click.progressbar(steps, label=f"{label:22}", file=sys.stderr) as shown:
        yield from shown
