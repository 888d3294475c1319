"""The command line: `butaca dev|serve|migrate|users|tokens|sandbox|frontend|movies|openapi`."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from butaca import __version__
from butaca.commands import OneLineGroup, chosen_database, movies, one_line, tokens, users
from butaca.complaint import Complaint

if TYPE_CHECKING:
    from butaca.sandbox import Sandbox


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Serve TMDB's popular movies, and everybody's favorites and ratings."""


@main.command()
@click.option(
    "--port", envvar="PORT", default=8000, show_default=True, type=click.IntRange(0, 65535)
)
def dev(port: int) -> None:
    """Run everything on this machine, with a TMDB of its own unless TMDB_TOKEN is set.

    Port 0 is any that is free.
    """
    from butaca import dev as development

    with one_line():
        development.run(port)


@main.command()
def serve() -> None:
    """Serve, with every setting out of the environment."""
    with one_line():
        with _without_looking_for_garbage():
            from butaca import log, server
            from butaca.app import prepare
            from butaca.settings import Settings, read_settings

            settings = read_settings(Settings)
            log.configure(settings.log_format, settings.log_level)
            prepare(settings)
        with server.bind(settings.host, settings.port) as listener:
            server.serve(listener, settings.threads)


@main.command()
@click.option("--check", is_flag=True, help="Change nothing; fail where it is not up to date.")
def migrate(check: bool) -> None:
    """Bring the schema of DATABASE_URL up to date; safe to run at once from many places."""
    from butaca.adapters.sql import schema

    with one_line(), chosen_database() as database:
        (schema.check if check else schema.migrate)(database)
    click.echo("The schema is up to date.")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", default=8001, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the recorded answers in this folder.",
)
def sandbox(host: str, port: int, data: Path | None) -> None:
    """Run a TMDB of our own: no key, no network, and every failure at the turn of a switch.

    SANDBOX_FAULTS is what is broken from the start, such as `503:/3/movie/popular:2`.
    """
    with one_line():
        tmdb = _started_sandbox(host, port, data)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    click.echo(f"The sandbox is at {tmdb.url}; switch its faults at {tmdb.control_url}")
    with suppress(KeyboardInterrupt):
        tmdb.serve_forever()


@main.command()
@click.option("--port", default=8002, show_default=True, type=click.IntRange(0, 65535))
@click.option("--api", default="http://127.0.0.1:8000/api/v1", show_default=True)
@click.option("--images", default="https://image.tmdb.org", show_default=True)
@click.option("--token", default="", help="What the field for the token is filled with.")
def frontend(port: int, api: str, images: str, token: str) -> None:
    """Serve the example front end for an API that has its origin among its CORS_ORIGINS."""
    from butaca.frontend import Config, Frontend, find_folder

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with one_line():
        if not (folder := find_folder()):
            raise Complaint("The files of the front end did not come along.")
        page = Frontend(folder, port, Config(api, images, token))
    with page, suppress(KeyboardInterrupt):
        click.echo(f"The front end is at {page.url}")
        page.serve_forever()


@main.command()
def openapi() -> None:
    """Print the contract (OpenAPI 3.1, YAML)."""
    from butaca.web import describe

    click.echo(describe().as_yaml, nl=False)


main.add_command(movies)
main.add_command(users)
main.add_command(tokens)


def _started_sandbox(host: str, port: int, data: Path | None) -> "Sandbox":
    from butaca.sandbox import Sandbox, faults_from

    tmdb = Sandbox(data=data, host=host, port=port)
    try:
        tmdb.break_with(*faults_from(os.environ.get("SANDBOX_FAULTS", "")))
        tmdb.start()
    except ValueError as error:
        raise Complaint(f"SANDBOX_FAULTS: {error}") from error
    except OSError as error:
        raise Complaint(f"Port {port} of {host}: {error.strerror}") from error
    return tmdb


@contextmanager
def _without_looking_for_garbage() -> Iterator[None]:
    """Keep all that is made; what is imported stays, and looking at it is a tenth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
