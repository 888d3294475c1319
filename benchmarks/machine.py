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

from benchmarks.bulk_insert import dsn
from benchmarks.compared_servers import PEERS
from benchmarks.testbed import Testbed

BUTACA_PACKAGES = (
    "flask",
    "werkzeug",
    "granian",
    "apiflask",
    "pydantic",
    "sqlalchemy",
    "psycopg",
    "redis",
)
PEER_PACKAGES = ("fastapi", "fastapi-cache2", "uvicorn", "flask-caching", "gunicorn", "redis")
SAMPLE_SECONDS = 0.5


class BackgroundLoad:
    """CPU use by other processes, sampled while the bench is idle."""

    def __init__(self) -> None:
        self._samples: list[float] = []

    def sample(self) -> None:
        """Take a sample of half a second."""
        self._samples.append(psutil.cpu_percent(interval=SAMPLE_SECONDS))

    def __str__(self) -> str:
        """Return a sentence with the median, the range and the number of samples."""
        return (
            f"CPU use while the bench was idle: {median(self._samples):.0f} % "
            f"({min(self._samples):.0f} to {max(self._samples):.0f} % "
            f"in {len(self._samples)} samples)."
        )


def describe(testbed: Testbed, background: BackgroundLoad) -> Iterator[str]:
    """Return the environment of a run as list items."""
    now = datetime.now(UTC)
    memory = psutil.virtual_memory().total / 2**30
    yield f"{now:%Y-%m-%d %H:%M} UTC, {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    yield f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    yield str(background)
    libraries = {name: version(name) for name in BUTACA_PACKAGES}
    yield f"Butaca {version('butaca')}: {_join_versions(libraries)}"
    yield f"The peers: {_join_versions(_peers())}"
    yield ", ".join(_servers(testbed))


def _join_versions(versions: Mapping[str, str]) -> str:
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
    versions: dict[str, str] = json.loads(
        _output(str(PEERS / "python"), "-c", code, *PEER_PACKAGES)
    )
    return versions


def _servers(testbed: Testbed) -> Iterator[str]:
    with psycopg.connect(dsn(testbed.database_url)) as connection:
        row: Any = connection.execute("SHOW server_version").fetchone()
    with closing(redis.Redis.from_url(testbed.redis_url)) as client:
        info: Any = client.info("server")
    yield f"PostgreSQL {row[0].split()[0]}"
    yield f"Valkey {info.get('valkey_version', info['redis_version'])}"
    yield f"wrk {_version_in(_output('wrk', '-v'))}"
    if nginx := shutil.which("nginx"):
        yield f"nginx {_version_in(_output(nginx, '-v'))}"


def _output(*command: str) -> str:
    # wrk prints its version with exit status 1, nginx on stderr.
    completed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return completed.stdout + completed.stderr


def _version_in(text: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found[0] if found else "of an unknown version"
