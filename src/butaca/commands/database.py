"""The database that commands use."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

from butaca.operator_error import OperatorError

if TYPE_CHECKING:
    from butaca.adapters.sql import Database
    from butaca.settings import DatabaseSettings

S = TypeVar("S", bound="DatabaseSettings")

MISSING = "DATABASE_URL: is required"
EXAMPLE = (
    ", such as postgresql://USER:PASSWORD@HOST/DATABASE"
    "; for the database of `butaca dev`: export DATABASE_URL=sqlite:///.butaca/butaca.db"
)


def read_settings_with_example(kind: type[S]) -> S:
    """Read settings; the error for a missing DATABASE_URL contains an example."""
    from butaca.settings import read_settings

    try:
        return read_settings(kind)
    except OperatorError as error:
        raise OperatorError(str(error).replace(MISSING, MISSING + EXAMPLE)) from None


@contextmanager
def open_database() -> Iterator["Database"]:
    """Open the database at DATABASE_URL. Raises OperatorError, LibraryUnavailable."""
    from sqlalchemy.exc import DBAPIError

    from butaca import log, resources
    from butaca.settings import DatabaseSettings

    log.audit_on_stderr()
    settings = read_settings_with_example(DatabaseSettings)
    with closing(resources.database(settings, connections=1)) as database:
        try:
            yield database
        except DBAPIError as error:
            # The first line is the reason, such as a missing privilege. Others may contain data.
            reason, *_ = str(error.orig).splitlines()
            raise OperatorError(
                f"The database at DATABASE_URL returned an error: {reason}"
            ) from error
