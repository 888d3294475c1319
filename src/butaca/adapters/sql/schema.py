"""The database schema: migrating it, and checking that it is current."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, String, Table, inspect, select, text

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.session import response_timeout
from butaca.operator_error import OperatorError

if TYPE_CHECKING:
    from alembic.config import Config

CURRENT_REVISION = "0002"
"""The latest migration, which this release requires."""

_VERSION_TABLE = Table("alembic_version", MetaData(), Column("version_num", String(32)))
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_ID = 0x6275_7461_6361
"""The number of the PostgreSQL advisory lock that is held while migrating."""


def migrate(database: Database) -> None:
    """Migrate the schema to the latest version. Of concurrent calls, one migrates, the others wait.

    Nothing else creates the file of an SQLite database. Raises LibraryUnavailable.
    """
    # Imported late: it takes 10% of the startup time of a pod, which does not need it.
    from alembic import command

    database.create()
    # No timeouts: concurrent migrations and long statements may take any time.
    with database.writing() as connection, response_timeout(None):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK_ID})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Return whether the schema is the one that this release requires."""
    with database.reading() as connection:
        if not inspect(connection).has_table(_VERSION_TABLE.name):
            return False
        return list(connection.scalars(select(_VERSION_TABLE.c.version_num))) == [CURRENT_REVISION]


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
