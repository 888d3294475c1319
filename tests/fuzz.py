"""Schemathesis against the service as it is served: `python -m tests.fuzz [--max-examples 200]`.

All checks and all phases, the stateful one included, once as USER and once as ADMIN, over the
sandbox, a database and a Redis that are empty at the start.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from butaca.server import free_port
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.processes import line_with, running

EXAMPLES = "200"
SETTINGS = {
    "RATE_LIMIT_READS": "1000000/minute",
    "RATE_LIMIT_WRITES": "1000000/minute",
    "LOG_LEVEL": "error",  # Nobody reads its log: a full pipe would stop it.
}


def fuzz(url: str, token: str, options: list[str]) -> int:
    """Return 0 where nothing was found."""
    schemathesis = Path(sys.executable).parent / "schemathesis"
    command = [str(schemathesis), "run", f"{url}/openapi.json", "--checks", "all"]
    authorization = ["--header", f"Authorization: Bearer {token}"]
    chosen = ["--max-examples", EXAMPLES, "--continue-on-failure", *options]
    return subprocess.run([*command, *authorization, *chosen], check=False).returncode


def main() -> int:
    port = str(free_port("127.0.0.1"))
    with (
        TemporaryDirectory() as folder,
        running("dev", "--port", port, environment=SETTINGS, folder=Path(folder)) as service,
    ):
        line_with(service, "Ctrl-C")
        tokens = (CONSUMER_TOKEN, ADMIN_TOKEN)
        return max(fuzz(f"http://127.0.0.1:{port}", each, sys.argv[1:]) for each in tokens)


if __name__ == "__main__":
    sys.exit(main())
