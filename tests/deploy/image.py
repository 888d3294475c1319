"""Build the image in a folder without a container engine; run its processes in isolation."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.deploy.base import copy_python
from tests.deploy.dockerfile import Stage, stages
from tests.deploy.manifests import ROOT

HOME, PYTHON = "/opt/butaca", "/usr/local"
ISOLATE = """set -eu
mount --make-rprivate /
for place in / /tmp /var /var/tmp /run /home /root; do
    if mountpoint -q "$place"; then mount -o remount,bind,ro "$place"; fi
done
! touch "$1/written" /tmp/written 2> /dev/null
shift
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs \\
    --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search \\
    --bounding-set=-all,+dac_read_search "$@"
"""
"""As in Kubernetes, the process is not root and cannot write. It keeps the capability to read every
file, because the Python of the tests may be in root's home."""


@dataclass(frozen=True)
class Image:
    """The files of the last stage of the Dockerfile, except Debian's, in a folder instead of /."""

    folder: Path
    stage: Stage

    @property
    def home(self) -> Path:
        return self.folder / HOME.lstrip("/")

    @property
    def python(self) -> Path:
        return self.folder / PYTHON.lstrip("/")

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a process in a container with these settings."""
        path = _relocate(self.folder, self.stage.environment()["PATH"])
        return {**self.stage.environment(), "PATH": path, **settings}

    def start(
        self,
        command: Sequence[str],
        settings: Mapping[str, str],
        stderr: int | IO[str] = subprocess.PIPE,
    ) -> "subprocess.Popen[str]":
        """Start a command as a container would. It is isolated only if the tests run as root."""
        environment = self.environment(settings)
        executable = shutil.which(command[0], path=environment["PATH"])
        assert executable
        return subprocess.Popen(
            [*_isolation_command(self.home), executable, *command[1:]],
            env=environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def run(self, command: Sequence[str], settings: Mapping[str, str]) -> int:
        """Run a command as a container would; return its exit status."""
        process = self.start(command, settings)
        process.communicate(timeout=60)
        return process.returncode


def _isolation_command(home: Path) -> list[str]:
    if os.getuid() != 0:
        return []
    return ["unshare", "--mount", "sh", "-c", ISOLATE, "sh", str(home)]


@contextmanager
def shared(run_id: str, lock_file: Path) -> Iterator[Image]:
    """Yield the image, built once for all processes of a test run, which share a lock.

    All steps that can run here are executed, except those for Debian packages. The build needs the
    package index.
    """
    # Not below pytest's folder, which the image's user may not read.
    folder = Path(tempfile.gettempdir()) / f"butaca-image-{run_id}"
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        image = _build_once(folder)
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield image
        finally:
            with suppress(BlockingIOError):  # Other processes still use it, and clean up later.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _set_mode(folder, mode=0o755)
                shutil.rmtree(folder)


def _build_once(folder: Path) -> Image:
    *build_stages, final_stage = stages()
    if not folder.exists():
        folder.mkdir(mode=0o755)
        for stage in build_stages:
            _run_stage(stage, folder)
        _set_mode(folder, mode=0o555)  # Read-only, even for its owner.
    return Image(folder, final_stage)


def _set_mode(folder: Path, mode: int) -> None:
    for each in (folder, *folder.rglob("*")):
        if each.is_dir() and not each.is_symlink():
            each.chmod(mode)


def _run_stage(stage: Stage, folder: Path) -> None:
    """Run the steps of a stage on a copy of Python like that of the base image."""
    python = folder / PYTHON.lstrip("/")
    shutil.rmtree(python, ignore_errors=True)
    copy_python(python)
    path = f"{python}/bin:{os.environ['PATH']}"
    environment = {**os.environ, **stage.environment(), "PATH": path}
    work = folder.joinpath(*(each.lstrip("/") for each in stage.arguments_of("WORKDIR")))
    work.mkdir(exist_ok=True)
    for word, rest in stage.steps:
        if word == "COPY" and not rest.startswith("--from="):  # These files already exist.
            _copy(*rest.split(), work=work)
        elif word == "RUN" and _can_run_here(rest):
            step = _relocate(folder, rest)
            subprocess.run(["sh", "-euc", step], check=True, cwd=work, env=environment)


def _can_run_here(step: str) -> bool:
    """Return whether a step affects only the folder, and this machine has the tools for it."""
    if step.startswith("dpkg "):  # It would change the packages of this machine.
        return False
    return not ("strip" in step and _has_no_gnu_strip())


def _relocate(folder: Path, text: str) -> str:
    """Replace the container paths in a text by paths below a folder.

    Raises AssertionError for other absolute paths, which would refer to this machine.
    """
    assert re.findall(rf"(?<=\s)/(?!{HOME[1:]}|{PYTHON[1:]})\S+", text) == []
    return re.sub(f"{HOME}|{PYTHON}", lambda match: f"{folder}{match[0]}", text)


def _copy(*names: str, work: Path) -> None:
    *sources, target = names
    for source in sources:
        destination = work / target / ("" if target != source else "..")
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / source, work / target, ignore=ignored)
        else:
            destination.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, destination)


def _has_no_gnu_strip() -> bool:
    """Return whether this machine lacks GNU strip, which removes only symbols."""
    strip = shutil.which("strip")
    if strip is None:
        return True
    result = subprocess.run([strip, "--version"], check=False, capture_output=True, text=True)
    return "GNU" not in result.stdout
