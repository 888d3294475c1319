"""The schema of the database: bringing it up to date, and telling whether it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from butaca.adapters.sql.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6275_7461_6361
"""The number of PostgreSQL's advisory lock that whoever migrates holds."""


def migrate(database: Database) -> None:
    """Bring the schema up to date; of several that call at once, one does it and the rest wait.

    Raises LibraryUnavailable.
    """
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Tell whether the schema is the one that this release works with."""
    with database.reading() as connection:
        there = MigrationContext.configure(connection).get_current_heads()
    return set(there) == set(ScriptDirectory.from_config(_config()).get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
