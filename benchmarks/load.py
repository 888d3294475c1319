"""Load: wrk asks as fast as it is answered, from a process of its own."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Server
from butaca.complaint import Complaint

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """What came of some seconds of load: good answers per second, and latencies in seconds.

    Failures are answers of 400 and above, and connections that broke: they count for nothing.
    """

    requests: int
    failures: int
    rate: float
    cpu: float
    """Seconds for which the server kept processors busy, per request."""
    p50: float
    p99: float

    @property
    def cost(self) -> float:
        """Seconds of the server per request, as it is always busy."""
        return 1 / self.rate


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked for what; of several paths, for one at random each time."""

    name: str
    server: Server
    paths: tuple[str, ...]
    headers: Mapping[str, str]

    def load(self, seconds: float, connections: int = CONNECTIONS) -> Load:
        """Put a load on it. Raises Complaint when no request went well."""
        with tempfile.NamedTemporaryFile("w", suffix=".paths") as paths:
            paths.write("\n".join(self.paths))
            paths.flush()
            before = self.server.cpu_seconds()
            told = _run(self, paths.name, seconds, connections)
            return self._told(told, self.server.cpu_seconds() - before)

    def _told(self, told: dict[str, int], cpu: float) -> Load:
        if told["requests"] <= told["failures"]:
            raise Complaint(f"{self.name} answered none of {told['requests']} requests well")
        return Load(
            told["requests"],
            told["failures"],
            (told["requests"] - told["failures"]) / told["microseconds"] * 1e6,
            cpu / told["requests"],
            told["p50"] / 1e6,
            told["p99"] / 1e6,
        )


def check_wrk() -> None:
    """Make sure that there is a wrk. Raises Complaint."""
    if not shutil.which("wrk"):
        raise Complaint("There is no wrk to make load with; on Debian: apt-get install wrk")


def _run(target: Target, paths: str, seconds: float, connections: int) -> dict[str, int]:
    # wrk counts in whole seconds, and one thread of it outruns every server here.
    length = f"{max(round(seconds), 1)}s"
    options = ["-t1", f"-c{connections}", f"-d{length}", f"-s{SCRIPT}", "--timeout=10s"]
    command = ["wrk", *options, *_headers(target.headers), target.server.origin, "--", paths]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    told: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return told


def _headers(headers: Mapping[str, str]) -> Iterable[str]:
    return (f"-H{name}: {value}" for name, value in headers.items())
