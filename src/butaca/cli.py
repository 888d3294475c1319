"""The command line: `butaca dev | serve | migrate | sandbox | openapi`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from butaca import __version__
from butaca.complaint import Complaint
from butaca.core.errors import LibraryUnavailable

if TYPE_CHECKING:
    from butaca.sandbox import Sandbox


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Serve TMDB's popular movies, and everybody's favorites and ratings."""


@main.command()
@click.option(
    "--port", envvar="PORT", default=8000, show_default=True, type=click.IntRange(1, 65535)
)
def dev(port: int) -> None:
    """Run everything on this machine, with a TMDB of its own unless TMDB_TOKEN is set."""
    from butaca import dev as development

    with _one_line():
        development.run(port)


@main.command()
def serve() -> None:
    """Serve, with every setting out of the environment."""
    from butaca import log, server
    from butaca.app import prepare
    from butaca.settings import Settings, read_settings

    with _one_line():
        settings = read_settings(Settings)
        log.configure(settings.log_format, settings.log_level)
        prepare(settings)
        server.serve(settings.host, settings.port, settings.threads)


@main.command()
def migrate() -> None:
    """Bring the schema of DATABASE_URL up to date; safe to run at once from many places."""
    from butaca.adapters.sql import Database, schema
    from butaca.settings import DatabaseSettings, read_settings

    with _one_line():
        settings = read_settings(DatabaseSettings)
        database = Database(settings.database_url.get_secret_value())
        schema.migrate(database)
        database.close()
    click.echo("The schema is up to date.")


@main.command()
@click.option("--port", default=8001, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the recorded answers in this folder.",
)
def sandbox(port: int, data: Path | None) -> None:
    """Run a TMDB of our own: no key, no network, and every failure at the turn of a switch.

    SANDBOX_FAULTS is what is broken from the start, such as `503:/3/movie/popular:2`.
    """
    with _one_line():
        tmdb = _started_sandbox(port, data)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    click.echo(f"The sandbox is at {tmdb.url}; switch its faults at {tmdb.control_url}")
    with suppress(KeyboardInterrupt):
        tmdb.serve_forever()


@main.command()
def openapi() -> None:
    """Print the contract (OpenAPI 3.1, YAML)."""
    from butaca.web import describe

    click.echo(describe().as_yaml, nl=False)


def _started_sandbox(port: int, data: Path | None) -> "Sandbox":
    from butaca.sandbox import Sandbox, faults_from

    tmdb = Sandbox(data=data, port=port)
    try:
        tmdb.break_with(*faults_from(os.environ.get("SANDBOX_FAULTS", "")))
        tmdb.start()
    except ValueError as error:
        raise Complaint(f"SANDBOX_FAULTS: {error}") from error
    except OSError as error:
        raise Complaint(f"Port {port} of 127.0.0.1: {error.strerror}") from error
    return tmdb


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except Complaint as complaint:
        raise click.ClickException(str(complaint)) from complaint
    except LibraryUnavailable as error:
        raise click.ClickException("The database at DATABASE_URL cannot be reached.") from error
