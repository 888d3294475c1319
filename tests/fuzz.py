"""Run Schemathesis against the running service: `python -m tests.fuzz [--max-examples 200]`.

It runs all checks and all phases, including the stateful one, once as USER and once as ADMIN, with
the sandbox and an initially empty database and Redis.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from butaca.server import free_port
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.processes import running, wait_for_line

EXAMPLES = "200"
SETTINGS = {
    "RATE_LIMIT_READS": "1000000/minute",
    "RATE_LIMIT_WRITES": "1000000/minute",
    "LOG_LEVEL": "error",  # Nothing reads the log, and a full pipe would block the service.
}


def fuzz(url: str, token: str, options: list[str]) -> int:
    """Run Schemathesis with a token; return 0 if it finds no errors."""
    schemathesis = Path(sys.executable).parent / "schemathesis"
    command = [str(schemathesis), "run", f"{url}/openapi.json", "--checks", "all"]
    authorization = ["--header", f"Authorization: Bearer {token}"]
    limits = ["--max-examples", EXAMPLES, "--continue-on-failure", *options]
    return subprocess.run([*command, *authorization, *limits], check=False).returncode


def main() -> int:
    port = str(free_port("127.0.0.1"))
    with (
        TemporaryDirectory() as folder,
        running("dev", "--port", port, environment=SETTINGS, folder=Path(folder)) as service,
    ):
        wait_for_line(service, "Ctrl-C")
        tokens = (CONSUMER_TOKEN, ADMIN_TOKEN)
        return max(fuzz(f"http://127.0.0.1:{port}", token, sys.argv[1:]) for token in tokens)


if __name__ == "__main__":
    sys.exit(main())
