"""A stand-in for the base image: a copy of the Python that runs the tests, laid out as there."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

LIBRARY = f"python{sysconfig.get_python_version()}"
NOT_THERE = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
"""Directories that the image does not have. It has no bytecode and no static libraries either."""

OF_DEBIAN = "EXTERNALLY-MANAGED"
"""With this file of Debian's Python, pip refuses to install packages."""


def put_python(place: Path) -> None:
    """Copy Python and pip to a folder, as the base image has them."""
    for source, name in _files():
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    binaries = place / "bin"
    (binaries / "python").symlink_to("python3")
    pip = place / f"lib/{LIBRARY}/site-packages/pip"  # Debian's Python would not look there.
    (binaries / "pip").write_text(f'#!/bin/sh\nexec "{binaries}/python3" "{pip}" "$@"\n')
    (binaries / "pip").chmod(0o755)
    asked = [str(binaries / "python3"), "-Ic", "import os; print(os.__file__)"]
    found = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert Path(found).is_relative_to(place), f"It would write to the Python of {found}"


def weight_without(place: Path) -> int:
    """Return the size in bytes of the files of Python that were since removed from a folder."""
    return sum(source.stat().st_size for source, name in _files() if not (place / name).exists())


def _files() -> Iterator[tuple[Path, str]]:
    """Yield each file, and its name relative to /usr/local."""
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
