"""What is here of the base image: the Python that runs the tests, copied to where it has it."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

LIBRARY = f"python{sysconfig.get_python_version()}"
NOT_THERE = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
"""The image has none of these, no bytecode, and no archives to link with."""

OF_DEBIAN = "EXTERNALLY-MANAGED"
"""Where it is, pip installs nothing."""


def put_python(place: Path) -> None:
    """Put a Python with pip, as it comes with the base image, in a place of its own."""
    for source, name in _files():
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    binaries = place / "bin"
    (binaries / "python").symlink_to("python3")
    pip = place / f"lib/{LIBRARY}/site-packages/pip"  # Debian's own Python looks elsewhere for it.
    (binaries / "pip").write_text(f'#!/bin/sh\nexec "{binaries}/python3" "{pip}" "$@"\n')
    (binaries / "pip").chmod(0o755)
    asked = [str(binaries / "python3"), "-Ic", "import os; print(os.__file__)"]
    found = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert Path(found).is_relative_to(place), f"It would write to the Python of {found}"


def weight_without(place: Path) -> int:
    """Return how many bytes of Python have gone from a place since it was put there."""
    return sum(source.stat().st_size for source, name in _files() if not (place / name).exists())


def _files() -> Iterator[tuple[Path, str]]:
    """Give each file, and its name below /usr/local."""
    yield Path(sys.executable).resolve(), "bin/python3"
    yield from _below(Path(sysconfig.get_path("stdlib")), f"lib/{LIBRARY}")
    yield from _below(Path(sysconfig.get_path("include")), f"include/{LIBRARY}")
    for file in files("pip") or ():
        if file.parts[0] != ".." and file.suffix != ".pyc":
            yield Path(str(file.locate())), f"lib/{LIBRARY}/site-packages/{file}"


def _below(folder: Path, name: str) -> Iterator[tuple[Path, str]]:
    for each in folder.rglob("*"):
        inside = each.relative_to(folder)
        if (
            not {*NOT_THERE, OF_DEBIAN} & set(inside.parts)
            and each.suffix != ".a"
            and each.is_file()
        ):
            yield each, f"{name}/{inside}"
