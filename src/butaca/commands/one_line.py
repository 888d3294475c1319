"""Errors on the command line: one line on stderr, exit status 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from butaca.complaint import Complaint
from butaca.core.errors import LibraryUnavailable, Refusal


@contextmanager
def one_line() -> Iterator[None]:
    """Tell whatever an operator can mend without a traceback."""
    try:
        yield
    except LibraryUnavailable as error:
        raise click.ClickException("The database at DATABASE_URL cannot be reached.") from error
    except (Complaint, Refusal) as error:
        raise click.ClickException(str(error)) from error


class OneLineGroup(click.Group):
    """Commands of which a word that cannot be read is told in one line, too, and exits with 1."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the words before the first command."""
        with _one_line_of_usage():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Read the other words, and do what they say."""
        with _one_line_of_usage():
            return super().invoke(ctx)


@contextmanager
def _one_line_of_usage() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # Who says nothing is told what can be said.
    except click.UsageError as error:
        raise click.ClickException(" ".join(error.format_message().split())) from error
