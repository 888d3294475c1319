"""Short transactions, and one error when the database is away."""

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
from butaca.adapters.rest import Rest
from butaca.adapters.sql.engine import Limits, PoolMode, begin, make_engine
from butaca.adapters.sql.session import ServerSilent, waiting_at_most
from butaca.core.errors import LibraryBusy, LibraryUnavailable

log = logging.getLogger("butaca.database")

AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""How a database that cannot answer looks; what a wrong statement raises is not among them."""

LIMITS = Limits()


class Database:
    """A database, PostgreSQL or SQLite, that hands out one short transaction at a time.

    While PostgreSQL is away or hangs, one thread at a time waits to find out; whoever else asks
    is told at once.
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
        self.places = Bulkhead(
            connections, limits.slow, busy=LibraryBusy, longest_queue=limits.queue
        )
        self._rest = Rest(limits.rest, limits.longest_try, clock)
        # Whoever forgets to close lets go of the connections all the same.
        weakref.finalize(self, self.engine.dispose)

    @property
    def is_up(self) -> bool:
        """Whether the database let somebody in when it was asked last."""
        return self._rest.is_up

    def reading(self) -> AbstractContextManager[Connection]:
        """Give a transaction that only reads. Raises LibraryUnavailable, LibraryBusy."""
        return self._transaction(writes=False)  # It has nothing to commit.

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction that is committed at its end. Raises LibraryUnavailable, LibraryBusy.

        Where the answer to the commit does not come, it may be done all the same.
        """
        with self._transaction(writes=True) as connection:
            yield connection
            connection.commit()

    def ping(self) -> None:
        """Ask for a sign of life. Raises LibraryUnavailable."""
        # Whoever is busy is alive, or those who are waiting will find out.
        with suppress(LibraryBusy), self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection that nobody uses."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with self.places.place(may_queue=True), waiting_at_most(self._limits.answer):
            try:
                with self._connect() as connection:
                    begin(connection, writes=writes)
                    yield connection
            except AWAY as error:
                # To sqlite3 a wrong statement is operational, as if the database were away.
                if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                    raise
                # One session that is cut says nothing of the server: whoever connects will know.
                raise self._unavailable(error, is_away_by=ServerSilent) from error

    def _connect(self) -> Connection:
        if not self._rest.may_try():
            raise LibraryUnavailable
        try:
            with waiting_at_most(self._limits.ping):
                connection = self.engine.connect()
        except AWAY as error:
            # A file says at once that it is not there: nobody is spared anything by a rest.
            raise self._unavailable(error, is_away_by=psycopg.Error) from error
        if self._rest.succeeded():
            log.warning("database.came_back")
        return connection

    def _unavailable(self, error: Exception, is_away_by: type[Exception]) -> LibraryUnavailable:
        cause = error.__cause__
        reason = {"reason": type(cause or error).__name__}
        if not isinstance(cause, is_away_by):
            log.error("database.failed", extra=reason)
        elif self._rest.failed():
            log.error("database.went_away", extra=reason)
        return LibraryUnavailable()
