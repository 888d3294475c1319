"""A short run of the benchmarks, in less than a minute. It fails on errors, never on times."""

import shutil
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import click

from benchmarks import layers, memory, performance
from benchmarks.document import DOCS, Document
from benchmarks.growth import SMALL
from benchmarks.performance import Plan

PLAN = Plan(
    rounds=1, seconds=1, calls=5, growth_rounds=1, growth_seconds=1, sizes=SMALL, warm_up_seconds=0
)


def run() -> None:
    """Run each measurement briefly and discard the figures."""
    with tempfile.TemporaryDirectory() as folder:
        document = Document(Path(folder))
        shutil.copy(DOCS / document.name, document.path)
        performance.measure(PLAN, document)
        layers.measure(rounds=1, calls=5, document=document)
        memory.measure(requests=1_000, keys=20, document=document)
        for drawing in document.folder.glob("*.svg"):
            ET.parse(drawing)  # noqa: S314 - written above
    click.echo("\nAll servers respond correctly. A run this short does not measure speed.")
