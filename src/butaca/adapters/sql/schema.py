"""The database schema: migrating it, and checking that it is current."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, String, Table, inspect, select, text

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.session import waiting_at_most
from butaca.operator_error import OperatorError

if TYPE_CHECKING:
    from alembic.config import Config

CURRENT = "0002"
"""The latest migration, which this release requires."""

_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32)))
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6275_7461_6361
"""The number of the PostgreSQL advisory lock that is held while migrating."""


def migrate(database: Database) -> None:
    """Migrate the schema to the latest version. Of concurrent calls, one does and the rest wait.

    Only this creates the file of an SQLite database. Raises LibraryUnavailable.
    """
    # Importing it takes a tenth of the start of a pod, which does not need it.
    from alembic import command

    database.create()
    # Without a limit, to wait for concurrent migrations and long statements.
    with database.writing() as connection, waiting_at_most(None):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Return whether the schema is the one that this release requires."""
    with database.reading() as connection:
        if not inspect(connection).has_table(_VERSION.name):
            return False
        return list(connection.scalars(select(_VERSION.c.version_num))) == [CURRENT]


def check(database: Database) -> None:
    """Raise OperatorError if the schema is not current. Raises LibraryUnavailable."""
    if database.is_missing:
        raise OperatorError(
            "The file at DATABASE_URL does not exist; create it with: butaca migrate"
        )
    if not is_current(database):
        raise OperatorError("The schema of the database is not current; run: butaca migrate")


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
