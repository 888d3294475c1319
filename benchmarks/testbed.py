"""The dependencies of all servers: TMDB with a latency of 50 ms, Redis and PostgreSQL."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import HOST, Server, run_server
from butaca.sandbox import Fault, Sandbox
from butaca.server import free_port
from tests.builders import CONSUMER_TOKEN
from tests.postgresql_server import postgresql_server
from tests.valkey_server import valkey_server

UPSTREAM_SECONDS = 0.05
THREADS = 8
AUTHORIZED = {"Authorization": f"Bearer {CONSUMER_TOKEN}"}
TMDB_TOKEN = "sandbox-token"  # noqa: S105 - only the sandbox accepts it
MALLOC = {"MALLOC_ARENA_MAX": "2"}
"""As in the container image."""

UNLIMITED = "100000000/minute"


@dataclass(frozen=True, slots=True)
class Testbed:
    """The addresses of the dependencies, and a folder for files."""

    folder: Path
    tmdb: Sandbox
    redis_url: str
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """Return the addresses of the dependencies as settings of Butaca."""
        return {
            "TMDB_BASE_URL": self.tmdb.url,
            "TMDB_TOKEN": TMDB_TOKEN,
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
        }

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings of Butaca in the benchmarks: its defaults, except the rate limits."""
        return {
            **self.environment,
            **MALLOC,
            "DEMO_USERS": "true",
            "RATE_LIMIT_READS": UNLIMITED,
            "RATE_LIMIT_WRITES": UNLIMITED,
            "THREADS": str(THREADS),
        }

    @contextmanager
    def pod(self, **changes: str) -> Iterator[Server]:
        """Start `butaca serve` with these settings changed."""
        port = free_port(HOST)
        environment = {**self.settings, "PORT": str(port), **changes}
        command = [sys.executable, "-m", "butaca", "serve"]
        with run_server("Butaca", command, port, self.folder, environment) as server:
            yield server

    @contextmanager
    def separate_tmdb(self) -> Iterator[Server]:
        """Start another TMDB with the same latency, in a separate process.

        If it shared a process with the client, the two would wake each other faster than Butaca
        can wake either.
        """
        port, faults = free_port(HOST), [{"kind": "delay", "seconds": UPSTREAM_SECONDS}]
        command = [sys.executable, "-m", "butaca", "sandbox", "--port", str(port)]
        environment = {"SANDBOX_FAULTS": json.dumps(faults)}
        with run_server("The sandbox", command, port, self.folder, environment) as server:
            yield server


@contextmanager
def start_testbed() -> Iterator[Testbed]:
    """Start all dependencies, and stop them afterwards."""
    valkey: Any = valkey_server()
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey,
        postgresql_server() as postgres,
        Sandbox() as tmdb,
    ):
        tmdb.inject(Fault("delay", seconds=UPSTREAM_SECONDS))
        redis_url = f"redis://{HOST}:{valkey.port}/0"
        yield Testbed(Path(folder), tmdb, redis_url, postgres.url)
