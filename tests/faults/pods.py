"""Run Butaca as pods (processes as in production), and read their responses and logs."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from itertools import count
from pathlib import Path
from random import SystemRandom
from threading import Barrier
from typing import Any, Self, TypeVar

from butaca.sandbox import Fault, Sandbox
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.fork_server import Fork
from tests.processes import Process, start_process
from tests.waiting import wait_until

T = TypeVar("T")
LogLine = dict[str, Any]

HOST = "127.0.0.1"
TTL = 0.3
COOLDOWN = 0.3
DEADLINE = 1.5
DEADLINE_MARGIN = 0.5
"""Seconds by which a request may take longer than the deadline of its calls to TMDB."""

STALE_MAX_WAIT = 0.5
"""Seconds that a request waits for TMDB if a stale entry is cached, as in production."""

STOP_TIMEOUT = 25
SECRETS = (CONSUMER_TOKEN, ADMIN_TOKEN, "sandbox-token")

SETTINGS = {
    "DEMO_USERS": "true",
    "TMDB_TOKEN": "sandbox-token",
    "TMDB_CONNECT_TIMEOUT": "0.5",
    "TMDB_READ_TIMEOUT": "0.5",
    "TMDB_RETRIES": "2",
    "TMDB_BACKOFF": "0.05",
    "TMDB_DEADLINE": str(DEADLINE),
    "TMDB_COOLDOWN_SECONDS": str(COOLDOWN),
    "CACHE_TTL_SECONDS": str(TTL),
    "RATE_LIMIT_READS": "1000000/minute",
    "RATE_LIMIT_WRITES": "1000000/minute",
    "LOG_FORMAT": "json",
    "PYTHONUNBUFFERED": "1",
}
"""Times of a fraction of a second, so that entries expire and cooldowns end in real time."""


def run_concurrently(*calls: Callable[[], T]) -> list[T]:
    """Make all calls at the same moment, each in its own thread; return their results."""
    start = Barrier(len(calls))

    def call_together(call: Callable[[], T]) -> T:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(call_together, calls))


def burst(pods: list["Pod"], path: str, number: int = 500) -> list["Response"]:
    """Send simultaneous requests for one path, evenly over the pods; return the responses.

    One thread sends all requests before it reads the first response. Several threads would compete
    with the threads of the sandbox in this process.
    """
    connections = [pods[n % len(pods)].connect() for n in range(number)]
    with ExitStack() as stack:
        for connection in connections:
            stack.callback(connection.close)
            connection.connect()
        times = [send(connection, "GET", path) for connection in connections]
        return [receive(*sent) for sent in zip(connections, times, strict=True)]


def break_tmdb(tmdb: Sandbox, fault: Fault | None) -> None:
    """Inject a fault into TMDB, or stop it if there is none."""
    if fault:
        tmdb.inject(fault)
    else:
        tmdb.stop()


def restore_tmdb(tmdb: Sandbox) -> None:
    """Remove all faults from TMDB, and start it if it is stopped."""
    if tmdb._listener is None:
        tmdb.start()
    tmdb.clear_faults()


def recover(pod: "Pod", tmdb: Sandbox) -> None:
    """Restore TMDB, and wait until a pod calls it successfully."""
    restore_tmdb(tmdb)
    wait_until(lambda: pod.get(new_path()).status == 200, seconds=30)


_numbers = count(676)


def new_path() -> str:
    """Return a path to popular movies that was not requested before."""
    page, region = divmod(next(_numbers), 676)
    first, second = divmod(region, 26)
    return f"/movies/popular?page={page}&region={chr(65 + first)}{chr(65 + second)}"


@dataclass(frozen=True, slots=True)
class Response:
    """A response of a pod, with the time its request was sent and the seconds it took."""

    status: int
    headers: HTTPMessage
    body: bytes
    sent_at: float
    seconds: float

    @property
    def received_at(self) -> float:
        return self.sent_at + self.seconds

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cache_status(self) -> str:
        return self.headers.get("Cache-Status", "")

    @property
    def retry_after(self) -> int | None:
        value = self.headers.get("Retry-After")
        return None if value is None else int(value)

    @property
    def age(self) -> int:
        return int(self.headers["Age"])

    @property
    def is_fresh_hit(self) -> bool:
        return bool(re.fullmatch(r"butaca; hit; ttl=\d+", self.cache_status))


def request(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Call the API as the consumer over this connection; return the response."""
    return receive(connection, send(connection, method, path, body, headers))


def send(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> float:
    """Send a request to the API as the consumer; return the time, on the monotonic clock."""
    sent_at = time.monotonic()
    connection.request(
        method,
        f"/api/v1{path}",
        None if body is None else json.dumps(body),
        {
            "Authorization": f"Bearer {CONSUMER_TOKEN}",
            "Content-Type": "application/json",
            **(headers or {}),
        },
    )
    return sent_at


def receive(connection: HTTPConnection, sent_at: float) -> Response:
    """Read the response to the request that was sent last."""
    response = connection.getresponse()
    content = response.read()
    seconds = time.monotonic() - sent_at
    return Response(response.status, response.headers, content, sent_at, seconds)


def stable_port() -> int:
    """Return a free port below the kernel's ephemeral ports.

    No outgoing connection can take it while its pod restarts. Source: ip-sysctl,
    `ip_local_port_range`, which begins at 32768.
    """
    # SystemRandom, because pytest-randomly seeds all other generators alike in parallel processes.
    candidates = SystemRandom().sample(range(10_240, 32_000), 100)
    return next(port for port in candidates if _is_free(port))


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False


StartProcess = Callable[..., Process]
"""Starts `butaca`: Fork, or `start_process` for a new Python process, as in production."""


def _parse_log(log: str) -> list[LogLine]:
    """Parse the complete lines of a log. The last line may not be fully written yet."""
    lines = log.splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


class Pod:
    """A `butaca serve` with its worker, in its own process group."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str], start: StartProcess = Fork
    ) -> None:
        self.port = stable_port()
        self._stdout, self._stderr = (folder / f"{self.port}.{name}" for name in ("out", "err"))
        self._stderr_offset = 0
        with self._stdout.open("ab") as stdout, self._stderr.open("ab") as stderr:
            environment = {**os.environ, **settings, "HOST": HOST, "PORT": str(self.port)}
            self.process = start(
                "serve", environment=environment, stdout=stdout, stderr=stderr, new_session=True
            )

    def get(self, path: str, **headers: str) -> Response:
        return self.call("GET", path, headers=headers)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 15.0,
    ) -> Response:
        """Call the API as the consumer, over a new connection."""
        connection = self.connect(timeout)
        try:
            return request(connection, method, path, body, headers)
        finally:
            connection.close()

    def connect(self, timeout: float = 15.0) -> HTTPConnection:
        """Return a connection that opens on the first request, and again after it was closed."""
        return HTTPConnection(HOST, self.port, timeout=timeout)

    def probe(self, path: str, timeout: float = 10.0) -> int:
        """Return the status of `/livez` or `/readyz`, as a probe of Kubernetes sees it."""
        connection = self.connect(timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def get_after_ttl(self, path: str) -> Response:
        """Repeat a request until its response is not a fresh hit; return that response."""

        def get_unless_fresh() -> Response | None:
            response = self.get(path)
            return None if response.is_fresh_hit else response

        return wait_until(get_unless_fresh)

    def errors(self) -> list[LogLine]:
        """Return the lines of stderr since `clear_errors`, except those of every startup."""
        lines = _parse_log(self._unread_stderr())
        return [line for line in lines if line["event"] != "demo_users.enabled"]

    def errors_of(self, event: str) -> list[LogLine]:
        return [line for line in self.errors() if line["event"] == event]

    def log(self) -> list[LogLine]:
        """Return the lines of stdout."""
        return _parse_log(self._stdout.read_text())

    def clear_errors(self) -> None:
        """Ignore everything on stderr up to now."""
        self._stderr_offset = self._stderr.stat().st_size

    def wait_until_up(self) -> "Pod":
        wait_until(self._is_up, seconds=30)
        return self

    def send_sigterm(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the pod with its worker, as when a node dies."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT)

    def stop(self) -> None:
        """Stop the pod, and check that it exits in time and never logged a secret."""
        if self.process.poll() is None:
            self.send_sigterm()
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self.assert_no_secret_logged()

    def assert_no_secret_logged(self) -> None:
        output = self._stdout.read_text() + self._stderr.read_text()
        assert [secret for secret in SECRETS if secret in output] == []

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self._stderr.read_text()
        try:
            return self.probe("/livez") == 200
        except (OSError, HTTPException):
            return False

    def _unread_stderr(self) -> str:
        with self._stderr.open("rb") as stderr:
            stderr.seek(self._stderr_offset)
            return stderr.read().decode()


class Environment:
    """One TMDB, one Redis, one database, and the pods that a test starts with them."""

    def __init__(
        self,
        folder: Path,
        tmdb: Sandbox,
        redis_url: str,
        database_url: str,
        start: StartProcess = Fork,
    ) -> None:
        self.tmdb = tmdb
        self.redis_url = redis_url
        self.database_url = database_url
        self._folder = folder
        self._start = start
        self._pods: list[Pod] = []

    def pod(self, **settings: str) -> Pod:
        """Start a pod with these settings changed, and wait until it is up."""
        return self.launch(**settings).wait_until_up()

    def pods(self, number: int, **settings: str) -> list[Pod]:
        """Start identical pods at the same time, and wait until all are up."""
        launched = [self.launch(**settings) for _ in range(number)]
        return [pod.wait_until_up() for pod in launched]

    def launch(self, **settings: str) -> Pod:
        addresses = {
            "TMDB_BASE_URL": self.tmdb.url,
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
        }
        # Only a new Python process reads PYTHONPATH.
        start = start_process if "PYTHONPATH" in settings else self._start
        pod = Pod(self._folder, {**SETTINGS, **addresses, **settings}, start)
        self._pods.append(pod)
        return pod

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all pods at the same time."""
        for pod in self._pods:
            if pod.process.poll() is None:
                pod.send_sigterm()
        with ExitStack() as stack:  # Stops the others even if one does not exit.
            for pod in self._pods:
                stack.callback(pod.stop)
