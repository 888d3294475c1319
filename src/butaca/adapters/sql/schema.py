"""The schema of the database: bringing it up to date, and telling whether it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, String, Table, inspect, select, text

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.session import waiting_at_most
from butaca.complaint import Complaint

if TYPE_CHECKING:
    from alembic.config import Config

CURRENT = "0002"
"""The migration after which the schema is the one that this release works with."""

_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32)))
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6275_7461_6361
"""The number of PostgreSQL's advisory lock that whoever migrates holds."""


def migrate(database: Database) -> None:
    """Bring the schema up to date; of several that call at once, one does it and the rest wait.

    Raises LibraryUnavailable.
    """
    from alembic import command  # A tenth of the time in which a pod starts, which needs it not.

    # Whoever migrates waits for others who do, and for long statements.
    with database.writing() as connection, waiting_at_most(None):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Tell whether the schema is the one that this release works with."""
    with database.reading() as connection:
        if not inspect(connection).has_table(_VERSION.name):
            return False
        return list(connection.scalars(select(_VERSION.c.version_num))) == [CURRENT]


def check(database: Database) -> None:
    """Raise Complaint where the schema is not current. Raises LibraryUnavailable."""
    if not is_current(database):
        raise Complaint("The schema of the database is not current; mend it: butaca migrate")


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
