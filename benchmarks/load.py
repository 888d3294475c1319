"""Load from wrk, in its own process: each connection always has a request in flight."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Server
from butaca.operator_error import OperatorError

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """The result of a load: successful responses per second, and latencies in seconds.

    Failures are responses with status 400 or above, and broken connections. The rate excludes them.
    """

    requests: int
    failures: int
    rate: float
    cpu: float
    """CPU seconds of the server per request."""
    p50: float
    p99: float

    @property
    def cost(self) -> float:
        """Return the busy server's seconds per request."""
        return 1 / self.rate


@dataclass(frozen=True, slots=True)
class Target:
    """A server and the paths to request from it, in random order."""

    name: str
    server: Server
    paths: tuple[str, ...]
    headers: Mapping[str, str]

    def load(self, seconds: float, connections: int = CONNECTIONS) -> Load:
        """Load the server. Raises OperatorError if no request succeeds."""
        with tempfile.NamedTemporaryFile("w", suffix=".paths") as paths:
            paths.write("\n".join(self.paths))
            paths.flush()
            before = self.server.cpu_seconds()
            result = _run(self, paths.name, seconds, connections)
            return self._parse(result, self.server.cpu_seconds() - before)

    def _parse(self, result: dict[str, int], cpu: float) -> Load:
        if result["requests"] <= result["failures"]:
            raise OperatorError(f"{self.name}: none of {result['requests']} requests succeeded")
        return Load(
            result["requests"],
            result["failures"],
            (result["requests"] - result["failures"]) / result["microseconds"] * 1e6,
            cpu / result["requests"],
            result["p50"] / 1e6,
            result["p99"] / 1e6,
        )


def check_wrk() -> None:
    """Check that wrk is installed. Raises OperatorError."""
    if not shutil.which("wrk"):
        raise OperatorError("wrk is not installed. On Debian: apt-get install wrk")


def _run(target: Target, paths: str, seconds: float, connections: int) -> dict[str, int]:
    # wrk takes whole seconds only. One of its threads is faster than every server here.
    length = f"{max(round(seconds), 1)}s"
    options = ["-t1", f"-c{connections}", f"-d{length}", f"-s{SCRIPT}", "--timeout=10s"]
    command = ["wrk", *options, *_headers(target.headers), target.server.origin, "--", paths]
    completed = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: dict[str, int] = json.loads(completed.stdout.splitlines()[-1])
    return result


def _headers(headers: Mapping[str, str]) -> Iterable[str]:
    return (f"-H{name}: {value}" for name, value in headers.items())
