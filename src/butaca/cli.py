"""The command line: `butaca dev|serve|migrate|users|tokens|sandbox|frontend|movies|openapi`."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from butaca import __version__
from butaca.commands import OneLineGroup, movies, one_line_errors, open_database, tokens, users
from butaca.commands.urls import HttpUrl
from butaca.operator_error import OperatorError, cannot_listen

if TYPE_CHECKING:
    from butaca.sandbox import Sandbox

F = TypeVar("F", bound=Callable[..., Any])


def _port(default: int, envvar: str | None = None) -> Callable[[F], F]:
    return click.option(
        "--port",
        envvar=envvar,
        default=default,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port to listen on; 0 selects a free port.",
    )


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """REST API in front of TheMovieDB, with favorites and ratings per user."""


@main.command(short_help="Run everything on this machine.")
@_port(8000, envvar="PORT")
def dev(port: int) -> None:
    """Run the complete development stack on this machine.

    Starts the API, Redis, the example front end, and the TMDB sandbox, and stores data in an SQLite
    file. If TMDB_TOKEN is set, TMDB is used instead of the sandbox; DATABASE_URL and REDIS_URL
    replace the SQLite file and Redis in the same way.
    """
    from butaca import dev as development

    with one_line_errors():
        development.run(port)


@main.command()
def serve() -> None:
    """Start the server.

    All settings are read from environment variables.
    """
    with one_line_errors():
        with _garbage_collection_deferred():
            from butaca import log, server
            from butaca.app import prepare
            from butaca.settings import Settings, read_settings

            settings = read_settings(Settings)
            log.configure(settings.log_format, settings.log_level)
            prepare(settings)
        with server.bind(settings.host, settings.port) as listener:
            server.serve(listener, settings.threads)


@main.command(short_help="Bring the database schema up to date.")
@click.option(
    "--check",
    is_flag=True,
    help="Exit with status 1 if the schema is not up to date; change nothing.",
)
def migrate(check: bool) -> None:
    """Bring the schema of the database at DATABASE_URL up to date.

    Can be run concurrently from several places.
    """
    from butaca.adapters.sql import schema

    with one_line_errors(), open_database() as database:
        (schema.check if check else schema.migrate)(database)
    click.echo("The schema is up to date.")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@_port(8001)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the recorded responses in this directory instead of the built-in movies.",
)
def sandbox(host: str, port: int, data: Path | None) -> None:
    """Run the TMDB sandbox.

    It needs neither an API key nor network access, and can simulate every kind of failure. The
    environment variable SANDBOX_FAULTS lists faults to start with, such as
    `503:/3/movie/popular:2`.
    """
    with one_line_errors():
        tmdb = _start_sandbox(host, port, data)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    click.echo(f"The sandbox is at {tmdb.url}; control its faults at {tmdb.control_url}")
    click.echo(f"To use it instead of TMDB: {tmdb.export_command}")
    with suppress(KeyboardInterrupt):
        tmdb.serve_forever()


@main.command()
@_port(8002)
@click.option(
    "--api",
    default="http://127.0.0.1:8000/api/v1",
    type=HttpUrl(),
    show_default=True,
    help="Base URL of the API.",
)
@click.option(
    "--images",
    default="https://image.tmdb.org",
    type=HttpUrl(),
    show_default=True,
    help="Base URL of the pictures.",
)
@click.option("--token", default="", help="Token with which to prefill the token field.")
def frontend(port: int, api: str, images: str, token: str) -> None:
    """Serve the example front end.

    The API must have the origin of the front end in its CORS_ORIGINS.
    """
    from butaca.frontend import Config, Frontend, find_folder

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with one_line_errors():
        if not (folder := find_folder()):
            raise OperatorError("The files of the front end are not installed.")
        page = Frontend(folder, port, Config(api, images, token))
    with page, suppress(KeyboardInterrupt):
        click.echo(f"The front end is at {page.url}")
        page.serve_forever()


@main.command()
def openapi() -> None:
    """Print the API contract (OpenAPI 3.1, YAML)."""
    from butaca.web import describe

    click.echo(describe().as_yaml, nl=False)


main.add_command(movies)
main.add_command(users)
main.add_command(tokens)


def _start_sandbox(host: str, port: int, data: Path | None) -> "Sandbox":
    from butaca.sandbox import Sandbox, parse_faults

    tmdb = Sandbox(data=data, host=host, port=port)
    try:
        tmdb.inject(*parse_faults(os.environ.get("SANDBOX_FAULTS", "")))
        tmdb.start()
    except ValueError as error:
        raise OperatorError(f"SANDBOX_FAULTS: {error}") from error
    except OSError as error:
        raise cannot_listen(port, host, error) from error
    return tmdb


@contextmanager
def _garbage_collection_deferred() -> Iterator[None]:
    """Disable the garbage collector, then exempt all objects created so far from collection.

    Imported modules are never freed, and scanning them takes a tenth of the startup time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
