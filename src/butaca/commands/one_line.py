"""Error reporting on the command line: one line on stderr, exit status 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from butaca.core.errors import LibraryUnavailable, Refusal
from butaca.operator_error import OperatorError


@contextmanager
def one_line() -> Iterator[None]:
    """Report errors that an operator can fix, without a traceback."""
    try:
        yield
    except LibraryUnavailable as error:
        from butaca.adapters.sql.reasons import reason

        why = f": {known}" if (known := reason(error)) else ""
        text = f"The database at DATABASE_URL cannot be reached{why}."
        raise click.ClickException(text) from error
    except (OperatorError, Refusal) as error:
        raise click.ClickException(str(error)) from error


class OneLineGroup(click.Group):
    """A command group that reports usage errors in one line, too, with exit status 1."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the arguments before the first command."""
        with _one_line_of_usage():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse the other arguments and run the command."""
        with _one_line_of_usage():
            return super().invoke(ctx)


@contextmanager
def _one_line_of_usage() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # Without arguments, show the help.
    except click.UsageError as error:
        raise click.ClickException(" ".join(error.format_message().split())) from error
