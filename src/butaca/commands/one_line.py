"""Error reporting on the command line: one line on stderr, exit status 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from butaca.core.errors import DomainError, LibraryUnavailable
from butaca.operator_error import OperatorError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Report errors that an operator can fix, without a traceback."""
    try:
        yield
    except LibraryUnavailable as error:
        from butaca.adapters.sql.reasons import reason

        suffix = f": {known}" if (known := reason(error)) else ""
        message = f"The database at DATABASE_URL cannot be reached{suffix}."
        raise click.ClickException(message) from error
    except (OperatorError, DomainError) as error:
        raise click.ClickException(str(error)) from error


class OneLineGroup(click.Group):
    """A command group that also reports usage errors in one line, with exit status 1."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the arguments before the first command."""
        with _one_line_usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse the other arguments and run the command."""
        with _one_line_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _one_line_usage_errors() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # Without arguments, show the help.
    except click.UsageError as error:
        raise click.ClickException(" ".join(error.format_message().split())) from error
