"""Compare WSGI servers that run Butaca: `make bench-servers`.

The candidates that Butaca does not depend on are installed into a temporary virtual environment.
All servers run at the same time and are measured in turns, so that other load on the machine
affects all of them alike. The output has medians, with the lowest and the highest value.
"""
# ruff: noqa: S603 - all commands are defined in this file

import json
import os
import platform
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

import click

from benchmarks.load_clients import REQUEST
from butaca.adapters.sql import Database, schema
from butaca.sandbox import Sandbox
from butaca.server import free_port
from tests.builders import CONSUMER_TOKEN
from tests.faults.pods import HOST, SETTINGS
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "1.0"))
CONCURRENCY = (2, 16, 64)
IDLE, SLOW, OTHER_CLIENTS = 300, 16, 20
"""The number of idle connections, of slow ones, and of requests by other clients meanwhile."""

RESPONSE_TIMEOUT, MAX_LIFETIME = 3.0, 40.0
"""Seconds to wait for a response to another client, and until the server disconnects a slow one."""

THREADS = 8
OTHER_SERVERS = ("gunicorn", "waitress", "cheroot", "hypercorn", "pyuwsgi")
SLOW_HEAD = REQUEST[:40]
SLOW_BODY = (
    "PUT /api/v1/me/ratings/550 HTTP/1.1\r\nHost: butaca\r\nContent-Type: application/json\r\n"
    f"Authorization: Bearer {CONSUMER_TOKEN}\r\nContent-Length: 14\r\n\r\n{{"
).encode()

CHEROOT = """
import os, signal, threading
from cheroot.wsgi import Server
from target import app
server = Server(("127.0.0.1", int(os.environ["PORT"])), app, numthreads=8, max=8)
server.request_queue_size = 1024
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.stop).start())
server.start()
"""


def commands(port: int) -> dict[str, list[str]]:
    """Return the command of each candidate, with eight threads in one process."""
    at = f"{HOST}:{port}"
    butaca = ["-m", "butaca", "serve"]
    gthread = ["-m", "gunicorn", "-k", "gthread", "--threads", "8", "-b", at, "target:app"]
    waitress = ["-m", "waitress", "--threads=8", "--connection-limit=1000", f"--listen={at}"]
    uwsgi = ["--master", "--lazy-apps", "--enable-threads", "--threads", "8", "--need-app"]
    ending = ["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]
    return {
        "Granian": butaca,
        "gunicorn gthread": gthread,
        "waitress": [*waitress, "target:app"],
        "cheroot": ["-c", CHEROOT],
        "uWSGI": ["uwsgi", "--http11-socket", at, "-w", "target:app", "-L", *uwsgi, *ending],
        "Hypercorn": ["-m", "hypercorn", "-b", at, "wsgi:target:app"],
    }


@dataclass(slots=True)
class Candidate:
    """A server and its measurements."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    rates: dict[int, list[float]] = field(default_factory=dict)
    p99s: dict[int, list[float]] = field(default_factory=dict)
    fairness: dict[int, list[float]] = field(default_factory=dict)
    reconnected: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def measure(self, concurrency: int) -> None:
        """Load the server; record the rate, the p99, and slowest ÷ fastest connection."""
        command = [sys.executable, "-m", "benchmarks.load_clients"]
        arguments = [str(self.port), str(concurrency), str(SECONDS)]
        output = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, check=True)
        result = json.loads(output.stdout)
        assert result["bad"] == 0, f"{self.name}: {result['bad']} responses were not 200"
        counts = [len(each) for each in result["seconds"]]
        seconds = [each for connection in result["seconds"] for each in connection]
        self.rates.setdefault(concurrency, []).append(len(seconds) / SECONDS)
        self.p99s.setdefault(concurrency, []).append(quantiles(seconds, n=100)[98] * 1000)
        self.fairness.setdefault(concurrency, []).append(min(counts) / max(counts))
        self.reconnected[concurrency] = result["reconnected"] / len(seconds)


def main() -> None:
    """Start all candidates, measure them in turns, and print the tables."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        python = _install_other_servers(Path(folder))
        env = stack.enter_context(_environment(Path(folder)))
        names = os.environ.get("BENCH_SERVERS", ",".join(commands(0))).split(",")
        candidates = [stack.enter_context(_start(name, python, env)) for name in names]
        _measure_speed(candidates)
        for each in candidates:
            each.notes += [_latency_beside(each, IDLE, REQUEST)]
            each.notes += [_latency_beside(each, SLOW, SLOW_HEAD)]
            each.notes += [_latency_beside(each, SLOW, SLOW_BODY)]
        _in_parallel([partial(_measure_lifetimes, each) for each in candidates])
        for each in candidates:
            each.notes.append(_stop_under_load(each))
        _print(candidates, python)


def _measure_speed(candidates: list[Candidate]) -> None:
    for each in candidates:  # Warm up, and discard the result.
        each.measure(CONCURRENCY[0])
        for measurements in (each.rates, each.p99s, each.fairness):
            measurements.clear()
    with click.progressbar(range(ROUNDS), label="measuring", file=sys.stderr) as rounds:
        for _ in rounds:
            for concurrency in CONCURRENCY:
                for each in candidates:
                    each.measure(concurrency)


# Starting


def _install_other_servers(folder: Path) -> str:
    """Install the other servers; return a Python that has them and Butaca's packages."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-qq", *OTHER_SERVERS], check=True)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    ours = "import site; site.addsitedir({!r})".format(sysconfig.get_path("purelib"))
    (Path(site.stdout.strip()) / "ours.pth").write_text(ours)
    return python


@contextmanager
def _environment(folder: Path) -> Iterator[dict[str, str]]:
    """Start Butaca's dependencies; yield an environment in which no cache entry expires."""
    url = f"sqlite:///{folder / 'butaca.db'}"
    with closing(Database(url)) as database:
        schema.migrate(database)
    (folder / "target.py").write_text(
        "from butaca.app import create_from_environment\napp = create_from_environment()\n"
    )
    valkey = valkey_server()
    with valkey, Sandbox() as tmdb:
        places = {"DATABASE_URL": url, "REDIS_URL": f"redis://{HOST}:{valkey.port}/0"}
        butaca = {"TMDB_BASE_URL": tmdb.url, "CACHE_TTL_SECONDS": "80000", "THREADS": str(THREADS)}
        others = {"LOG_LEVEL": "error", "HOST": HOST, "PYTHONPATH": str(folder)}
        yield {**os.environ, **SETTINGS, **places, **butaca, **others}


@contextmanager
def _start(name: str, python: str, env: dict[str, str]) -> Iterator[Candidate]:
    port = free_port(HOST)
    first, *rest = commands(port)[name]
    is_executable = first == "uwsgi"
    command = [
        str(Path(python).with_name(first)) if is_executable else python,
        *([] if is_executable else [first]),
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, *rest], env={**env, "PORT": str(port)}, stdout=log, stderr=log
        )
        candidate = Candidate(name, port, process)
        try:
            wait_until(lambda: process.poll() is not None or _seconds(port) is not None, seconds=30)
            if process.poll() is not None:
                log.seek(0)
                raise SystemExit(f"{name} did not start: {log.read().decode()}")
            yield candidate
        finally:
            process.kill()
            process.wait()


# Slow clients and others


def _seconds(port: int) -> float | None:
    """Return the seconds until a new client gets a response, or `None` if it gets none in time."""
    started = time.perf_counter()
    connection = HTTPConnection(HOST, port, timeout=RESPONSE_TIMEOUT)
    with closing(connection), suppress(OSError, HTTPException):
        connection.request("GET", "/livez")
        return time.perf_counter() - started if connection.getresponse().status == 200 else None
    return None


def _latency_beside(candidate: Candidate, number: int, message: bytes) -> str:
    """Return the latency for new clients while others sent `message` and then nothing more."""
    with ExitStack() as stack:
        for _ in range(number):
            sock = stack.enter_context(socket.create_connection((HOST, candidate.port), timeout=5))
            sock.sendall(message)
            if message == REQUEST:
                sock.recv(262_144)
        latencies: list[float] = []
        for _ in range(OTHER_CLIENTS):
            if (seconds := _seconds(candidate.port)) is None:
                return f"no answer in {RESPONSE_TIMEOUT:.0f} s"
            latencies.append(seconds)
    return f"{median(latencies) * 1000:.1f} ms"


def _measure_lifetimes(candidate: Candidate) -> None:
    """Record when the server cuts slow heads, slow bodies and idle connections."""
    found: dict[bytes, str] = {}

    def wait(message: bytes) -> None:
        found[message] = _connection_lifetime(candidate.port, message)

    kinds = (SLOW_HEAD, SLOW_BODY, REQUEST)
    _in_parallel([partial(wait, message) for message in kinds])
    candidate.notes += [found[message] for message in kinds]


def _connection_lifetime(port: int, message: bytes) -> str:
    """Return how long a connection lives after it sent `message`.

    A slow head goes on with one byte per second, the others send nothing more.
    """
    started = time.monotonic()
    with socket.create_connection((HOST, port), timeout=1) as sock, suppress(ConnectionError):
        sock.sendall(message)
        while time.monotonic() - started < MAX_LIFETIME:
            with suppress(TimeoutError):
                if not sock.recv(262_144):
                    break
            if message == SLOW_HEAD:
                sock.sendall(b"x")
        else:
            return f"> {MAX_LIFETIME:.0f} s"
    return f"{time.monotonic() - started:.0f} s"


def _stop_under_load(candidate: Candidate) -> str:
    """Stop a candidate under eight clients; return the lost requests, the time and the status."""
    sent, lost = [0] * THREADS, [0] * THREADS

    def send_continuously(number: int) -> None:
        connection = HTTPConnection(HOST, candidate.port, timeout=10)
        with suppress(ConnectionRefusedError):
            while True:
                sent[number] += 1
                try:
                    connection.request("GET", "/livez")
                    connection.getresponse().read()
                except ConnectionRefusedError:
                    raise
                except (OSError, HTTPException):
                    lost[number] += 1
                    connection.close()

    clients = [
        threading.Thread(target=send_continuously, args=(n,), daemon=True) for n in range(THREADS)
    ]
    for client in clients:
        client.start()
    wait_until(lambda: min(sent) > 10)
    started = time.monotonic()
    candidate.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        candidate.process.wait(30)
    took = time.monotonic() - started
    candidate.process.kill()
    for client in clients:
        client.join(10)
    return f"{sum(lost)} lost, {took:.1f} s, exit {candidate.process.returncode}"


def _in_parallel(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


# Printing


def _print(candidates: list[Candidate], python: str) -> None:
    cores, load = os.cpu_count(), os.getloadavg()[0]
    versions = _versions(python)
    click.echo(
        f"{ROUNDS} rounds of {SECONDS} s on {cores} cores of a {platform.machine()}, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}; "
        f"load {load:.1f}. Granian {version('granian')}; {versions}.\n"
    )
    base = candidates[0]
    click.echo(
        "| server | connections | requests/s | ratio | p99 ms | slowest / fastest | reconnects |"
    )
    click.echo("| - | -: | -: | -: | -: | -: | -: |")
    for concurrency in CONCURRENCY:
        for each in candidates:
            pairs = zip(each.rates[concurrency], base.rates[concurrency], strict=True)
            ratio = median(mine / theirs for mine, theirs in pairs)
            cells = (
                _spread(each.rates[concurrency], 0),
                f"{ratio:.2f}",
                _spread(each.p99s[concurrency], 1),
                f"{median(each.fairness[concurrency]):.2f}",
                f"{each.reconnected[concurrency]:.0%}",
            )
            click.echo(f"| {each.name} | {concurrency} | {' | '.join(cells)} |")
    click.echo(
        f"\n| server | another client waits beside {IDLE} idle connections | "
        f"beside {SLOW} slow request heads | beside {SLOW} incomplete bodies | "
        "time until a slow request head is cut off | an incomplete body | an idle connection | "
        "stopped under load |"
    )
    click.echo("| - | -: | -: | -: | -: | -: | -: | - |")
    for each in candidates:
        click.echo(f"| {each.name} | {' | '.join(each.notes)} |")


def _spread(values: list[float], digits: int) -> str:
    ordered = (median(values), min(values), max(values))
    return "{} ({} to {})".format(*(f"{each:.{digits}f}" for each in ordered))


def _versions(python: str) -> str:
    code = "import sys; from importlib.metadata import version as v; print(*map(v, sys.argv[1:]))"
    output = subprocess.run(
        [python, "-c", code, *OTHER_SERVERS], stdout=subprocess.PIPE, text=True, check=True
    )
    pairs = zip(OTHER_SERVERS, output.stdout.split(), strict=True)
    return ", ".join(f"{name} {number}" for name, number in pairs)


if __name__ == "__main__":
    main()
