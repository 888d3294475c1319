"""What every contender has around it: a TMDB that is 50 ms away, a Redis, a PostgreSQL."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import HOST, Server, new_port, serving
from butaca.sandbox import Fault, Sandbox
from tests.builders import CONSUMER_TOKEN
from tests.own_postgresql import own_postgresql
from tests.own_valkey import own_valkey

UPSTREAM_SECONDS = 0.05
THREADS = 8
AUTHORIZED = {"Authorization": f"Bearer {CONSUMER_TOKEN}"}
TMDB_TOKEN = "sandbox-token"  # noqa: S105 - any is good there
MALLOC = {"MALLOC_ARENA_MAX": "2"}
"""As the image sets it."""

AS_MUCH_AS_ONE_LIKES = "100000000/minute"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the others are, and a folder for what is written."""

    folder: Path
    tmdb: Sandbox
    redis_url: str
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """Return where the others are, in the words of Butaca's settings."""
        return {
            "TMDB_BASE_URL": self.tmdb.url,
            "TMDB_TOKEN": TMDB_TOKEN,
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
        }

    @property
    def settings(self) -> dict[str, str]:
        """Return those of a Butaca here: all but the rate limits are as shipped."""
        return {
            **self.environment,
            **MALLOC,
            "DEMO_USERS": "true",
            "RATE_LIMIT_READS": AS_MUCH_AS_ONE_LIKES,
            "RATE_LIMIT_WRITES": AS_MUCH_AS_ONE_LIKES,
            "THREADS": str(THREADS),
        }

    @contextmanager
    def pod(self, **changes: str) -> Iterator[Server]:
        """Start a `butaca serve`, with some settings changed."""
        port = new_port()
        environment = {**self.settings, "PORT": str(port), **changes}
        command = [sys.executable, "-m", "butaca", "serve"]
        with serving("Butaca", command, port, self.folder, environment) as server:
            yield server

    @contextmanager
    def tmdb_apart(self) -> Iterator[Server]:
        """Start another TMDB, as far away, in a process of its own.

        Where one process has both the TMDB and whoever measures, they find each other faster than
        anybody else finds either.
        """
        port, far = new_port(), [{"kind": "delay", "seconds": UPSTREAM_SECONDS}]
        command = [sys.executable, "-m", "butaca", "sandbox", "--port", str(port)]
        environment = {"SANDBOX_FAULTS": json.dumps(far)}
        with serving("The sandbox", command, port, self.folder, environment) as server:
            yield server


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Start all of them, and end them afterwards."""
    valkey: Any = own_valkey()
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey,
        own_postgresql() as postgres,
        Sandbox() as tmdb,
    ):
        tmdb.break_with(Fault("delay", seconds=UPSTREAM_SECONDS))
        redis_url = f"redis://{HOST}:{valkey.port}/0"
        yield Surroundings(Path(folder), tmdb, redis_url, postgres.url)
