"""Engines for PostgreSQL and SQLite, with a limit on every wait."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError

from butaca.adapters.sql.session import ServerSilent, Session

PoolMode = Literal["session", "transaction"]
"""For how long a session of PostgreSQL's is ours, in the words of PgBouncer: `session` is until we
close it, also without any pooler in between; `transaction` until the end of a transaction."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long anybody waits for the database, in seconds."""

    queue: float = 1.0
    """A thread, for a connection that others have, as long as those are quick to give it back."""

    slow: float = 0.3
    """After which whoever has a connection is slow, so that nobody queues for one."""

    connecting: int = 2
    """For PostgreSQL to let us in, each host of the URL: libpq counts whole seconds, from two."""

    ping: float = 1.0
    """For PostgreSQL to give a sign of life, before a transaction."""

    warm: float = 1.0
    """Whoever heard PostgreSQL so long ago takes it to be alive: a ping is a trip to the server."""

    statement: float = 2.0
    """For a statement, a lock or another writer. PostgreSQL and SQLite themselves see to it."""

    answer: float = 2.5
    """For PostgreSQL to answer a statement: longer, so that a lock costs no connection."""

    rest: float = 1.0
    """After PostgreSQL could not be reached, nobody asks it for so long."""

    longest_try: float = 6.0
    """After which whoever tries whether it is back, and never tells, is waited for no longer."""


def make_engine(
    url: str, connections: int, limits: Limits, pool_mode: PoolMode = "session"
) -> Engine:
    """Return an engine whose sessions keep to the limits, with a pool of so many connections.

    In pool mode `transaction` the limits of a statement are those of the role in PostgreSQL.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, connections, limits)
    engine = _pooled(
        url,
        connections,
        limits,
        connect_args={"connect_timeout": limits.connecting, **_of_session(pool_mode, limits)},
        isolation_level="AUTOCOMMIT",
    )
    event.listen(engine, "do_connect", _open_session)
    event.listen(engine, "checkout", partial(_ping_unless_warm, limits.warm))
    return engine


def _of_session(pool_mode: PoolMode, limits: Limits) -> dict[str, Any]:
    """Return how to connect where what is set in a session, and prepared, is there later on."""
    if pool_mode == "transaction":
        return {"prepare_threshold": None}
    milliseconds = int(limits.statement * 1000)
    return {"options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"}


# PostgreSQL: at READ COMMITTED each statement sees what is committed when it starts, inside a
# transaction or not; so what only reads is spared the two trips to the server.
# SQLite: a transaction that reads first and writes later fails at once when another wrote in
# between; one that says at its beginning that it will write waits for its turn.
_BEGIN = {
    "postgresql": {False: "", True: "BEGIN"},
    "sqlite": {False: "BEGIN", True: "BEGIN IMMEDIATE"},
}


def begin(connection: Connection, *, writes: bool) -> None:
    """Begin a transaction, by the first statement that it needs on this database.

    Not by a listener: while an engine has one, each statement asks for all that there might be,
    which is a twentieth of a page of favorites.
    """
    if statement := _BEGIN[connection.dialect.name][writes]:
        connection.exec_driver_sql(statement)


def _pooled(url: str, connections: int, limits: Limits, **more: Any) -> Engine:
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=limits.queue,
        hide_parameters=True,
        **more,
    )


def _open_session(_dialect: Any, _record: Any, args: Any, parameters: Any) -> Session:
    return Session.connect(*args, **parameters)


def _ping_unless_warm(warm: float, session: Session, _record: Any, _proxy: Any) -> None:
    """Look whether a session is alive. A dead one is replaced; where all is silent, it is told."""
    if time.monotonic() - session.heard_at < warm:
        return
    try:
        session.ping()
    except ServerSilent:
        raise  # Nobody would answer a new session either.
    except psycopg.OperationalError as error:
        raise DisconnectionError from error


def _sqlite(url: str, connections: int, limits: Limits) -> Engine:
    arguments = {"timeout": limits.statement, "isolation_level": None}
    engine = _pooled(url, connections, limits, connect_args=arguments)
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # With WAL readers and the writer do not wait for one another.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")
