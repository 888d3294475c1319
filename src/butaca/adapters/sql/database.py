"""Short transactions, and a single error for an unavailable database."""

import logging
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from butaca.adapters.bulkhead import Bulkhead
from butaca.adapters.circuit_breaker import CircuitBreaker
from butaca.adapters.sql.engine import Limits, PoolMode, begin, make_engine, sqlite_file
from butaca.adapters.sql.session import ServerSilent, response_timeout
from butaca.core.errors import LibraryBusy, LibraryUnavailable

log = logging.getLogger("butaca.database")

UNAVAILABLE_ERRORS = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""Errors of an unavailable database. Errors of an invalid statement are not included."""

LIMITS = Limits()


class Database:
    """A database, PostgreSQL or SQLite, accessed in short transactions.

    While PostgreSQL is unreachable or hangs, one thread at a time probes it; all other callers fail
    immediately.
    """

    def __init__(
        self,
        url: str,
        connections: int = 8,
        limits: Limits = LIMITS,
        clock: Callable[[], float] = time.monotonic,
        pool_mode: PoolMode = "session",
    ) -> None:
        self.engine = make_engine(url, connections, limits, pool_mode)
        self._limits = limits
        self.bulkhead = Bulkhead(
            connections, limits.slow_after, busy_error=LibraryBusy, max_wait=limits.queue_timeout
        )
        self._breaker = CircuitBreaker(limits.cooldown, limits.probe_timeout, clock)
        # Closes the connections even if `close` is never called.
        weakref.finalize(self, self.engine.dispose)

    @property
    def is_up(self) -> bool:
        """Whether the last attempt to connect succeeded."""
        return self._breaker.is_up

    @property
    def is_missing(self) -> bool:
        """Whether it is an SQLite database whose file does not exist."""
        if (file := sqlite_file(self.engine.url)) is None:
            return False
        try:
            file.stat()
        except OSError as error:
            return isinstance(error, FileNotFoundError)  # Opening it reports any other error.
        return False

    def create(self) -> None:
        """Create the file of an SQLite database if it is missing. Raises LibraryUnavailable."""
        if self.is_missing:
            try:
                sqlite3.connect(str(self.engine.url.database)).close()
            except sqlite3.OperationalError as error:
                raise self._unavailable(error, outage=psycopg.Error) from error

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a read-only transaction. Raises LibraryUnavailable, LibraryBusy."""
        return self._transaction(writes=False)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction and commit it at the end. Raises LibraryUnavailable, LibraryBusy.

        If the commit is not acknowledged, it may have taken effect nevertheless.
        """
        with self._transaction(writes=True) as connection:
            yield connection
            connection.commit()

    def ping(self) -> None:
        """Check that the database responds. Raises LibraryUnavailable."""
        # If all connections are in use, the transactions that use them detect an outage.
        with suppress(LibraryBusy), self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with self.bulkhead.slot(may_queue=True), response_timeout(self._limits.response_timeout):
            try:
                with self._connect() as connection:
                    begin(connection, writes=writes)
                    yield connection
            except UNAVAILABLE_ERRORS as error:
                # sqlite3 raises OperationalError for an invalid statement, too.
                if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                    raise
                # One broken session does not mean that the server is down. The next connection
                # attempt shows whether it is.
                raise self._unavailable(error, outage=ServerSilent) from error

    def _connect(self) -> Connection:
        if not self._breaker.allows_call():
            raise LibraryUnavailable
        try:
            with response_timeout(self._limits.ping_timeout):
                connection = self.engine.connect()
        except UNAVAILABLE_ERRORS as error:
            # A missing SQLite file is detected without waiting, so it needs no cooldown.
            raise self._unavailable(error, outage=psycopg.Error) from error
        if self._breaker.record_success():
            log.warning("database.recovered")
        return connection

    def _unavailable(self, error: Exception, outage: type[Exception]) -> LibraryUnavailable:
        cause = error.__cause__
        reason = {"reason": type(cause or error).__name__}
        if not isinstance(cause, outage):
            log.error("database.failed", extra=reason)
        elif self._breaker.record_failure():
            log.error("database.unavailable", extra=reason)
        return LibraryUnavailable()
