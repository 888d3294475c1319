"""The environment of a run: the machine, its load from other processes, and all versions."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import redis

from benchmarks.contenders import PEERS
from benchmarks.filling import dsn
from benchmarks.testbed import Surroundings

OURS = ("flask", "werkzeug", "granian", "apiflask", "pydantic", "sqlalchemy", "psycopg", "redis")
THEIRS = ("fastapi", "fastapi-cache2", "uvicorn", "flask-caching", "gunicorn", "redis")
LOOK_SECONDS = 0.5


class Neighbors:
    """CPU use by other processes, sampled while the bench is idle."""

    def __init__(self) -> None:
        self._looks: list[float] = []

    def look(self) -> None:
        """Sample for half a second."""
        self._looks.append(psutil.cpu_percent(interval=LOOK_SECONDS))

    def __str__(self) -> str:
        """Return a sentence with the median, the range and the number of samples."""
        return (
            f"CPU use while the bench was idle: {median(self._looks):.0f} % "
            f"({min(self._looks):.0f} to {max(self._looks):.0f} % in {len(self._looks)} samples)."
        )


def describe(around: Surroundings, neighbors: Neighbors) -> Iterator[str]:
    """Return the environment of a run as list items."""
    now = datetime.now(UTC)
    memory = psutil.virtual_memory().total / 2**30
    yield f"{now:%Y-%m-%d %H:%M} UTC, {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    yield f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    yield str(neighbors)
    yield f"Butaca {version('butaca')}: {_listed({name: version(name) for name in OURS})}"
    yield f"The peers: {_listed(_peers())}"
    yield ", ".join(_servers(around))


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _peers() -> dict[str, str]:
    code = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    told: dict[str, str] = json.loads(_said(str(PEERS / "python"), "-c", code, *THEIRS))
    return told


def _servers(around: Surroundings) -> Iterator[str]:
    with psycopg.connect(dsn(around.database_url)) as connection:
        row: Any = connection.execute("SHOW server_version").fetchone()
    with closing(redis.Redis.from_url(around.redis_url)) as client:
        told: Any = client.info("server")
    yield f"PostgreSQL {row[0].split()[0]}"
    yield f"Valkey {told.get('valkey_version', told['redis_version'])}"
    yield f"wrk {_number(_said('wrk', '-v'))}"
    if nginx := shutil.which("nginx"):
        yield f"nginx {_number(_said(nginx, '-v'))}"


def _said(*command: str) -> str:
    # wrk prints its version with exit status 1, nginx on stderr.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout + done.stderr


def _number(text: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found[0] if found else "of an unknown version"
