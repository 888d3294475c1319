"""The engine: short transactions, limits on every wait, and one error when it is away."""

import logging
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from butaca.core.errors import LibraryUnavailable

log = logging.getLogger("butaca.database")

BUSY_SECONDS = 5
"""How long a statement waits for a lock, a connection for its server, a thread for a connection."""

AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""How a database that cannot answer looks; what a wrong statement raises is not among them."""


class Database:
    """A database, PostgreSQL or SQLite, that hands out one short transaction at a time."""

    def __init__(self, url: str, connections: int = 8) -> None:
        self.engine = _engine(url, connections)
        # Whoever forgets to close lets go of the connections all the same.
        weakref.finalize(self, self.engine.dispose)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a transaction that only reads. Raises LibraryUnavailable."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction that is committed at its end. Raises LibraryUnavailable."""
        with self._transaction(writes=True) as connection:
            yield connection

    def ping(self) -> None:
        """Ask for a sign of life. Raises LibraryUnavailable."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection that nobody uses."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        try:
            with (
                self.engine.connect().execution_options(butaca_writes=writes) as connection,
                connection.begin(),
            ):
                yield connection
        except AWAY as error:
            # To sqlite3 a wrong statement is operational, as if the database were away.
            if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                raise
            reason = type(error.__cause__ or error).__name__
            log.error("database.failed", extra={"reason": reason})  # noqa: TRY400 - no statement
            raise LibraryUnavailable from error


def _engine(url: str, connections: int) -> Engine:
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, connections)
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": BUSY_SECONDS,
            "options": f"-c statement_timeout={BUSY_SECONDS}s -c lock_timeout={BUSY_SECONDS}s",
        },
    )


def _sqlite(url: str, connections: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # With WAL readers and the writer do not wait for one another.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another wrote in between;
    # one that says at its beginning that it will write waits for its turn.
    writes = connection.get_execution_options().get("butaca_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
