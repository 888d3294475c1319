"""A substitute for the base image: a copy of the Python that runs the tests, in its layout."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

LIBRARY = f"python{sysconfig.get_python_version()}"
EXCLUDED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
"""Directories that the image does not contain. It has no bytecode or static libraries, either."""

DEBIAN_MARKER = "EXTERNALLY-MANAGED"
"""With this file of Debian's Python, pip refuses to install packages."""


def copy_python(folder: Path) -> None:
    """Copy Python and pip to a folder, in the layout of the base image."""
    for source, name in _files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    binaries = folder / "bin"
    (binaries / "python").symlink_to("python3")
    pip = folder / f"lib/{LIBRARY}/site-packages/pip"  # Debian's Python does not search there.
    (binaries / "pip").write_text(f'#!/bin/sh\nexec "{binaries}/python3" "{pip}" "$@"\n')
    (binaries / "pip").chmod(0o755)
    command = [str(binaries / "python3"), "-Ic", "import os; print(os.__file__)"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert Path(found).is_relative_to(folder), f"It would write to the Python of {found}"


def removed_size(folder: Path) -> int:
    """Return the size in bytes of the Python files that were removed from a folder since."""
    return sum(source.stat().st_size for source, name in _files() if not (folder / name).exists())


def _files() -> Iterator[tuple[Path, str]]:
    """Yield each file, and its name relative to /usr/local."""
    yield Path(sys.executable).resolve(), "bin/python3"
    yield from _files_below(Path(sysconfig.get_path("stdlib")), f"lib/{LIBRARY}")
    yield from _files_below(Path(sysconfig.get_path("include")), f"include/{LIBRARY}")
    for file in files("pip") or ():
        if file.parts[0] != ".." and file.suffix != ".pyc":
            yield Path(str(file.locate())), f"lib/{LIBRARY}/site-packages/{file}"


def _files_below(folder: Path, name: str) -> Iterator[tuple[Path, str]]:
    for each in folder.rglob("*"):
        inside = each.relative_to(folder)
        if (
            not {*EXCLUDED, DEBIAN_MARKER} & set(inside.parts)
            and each.suffix != ".a"
            and each.is_file()
        ):
            yield each, f"{name}/{inside}"
