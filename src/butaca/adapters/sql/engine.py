"""Engines for PostgreSQL and SQLite, with a limit on every wait."""

import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError

from butaca.adapters.sql.session import ServerSilent, Session

PoolMode = Literal["session", "transaction"]
"""How long a client connection keeps its PostgreSQL session, in PgBouncer's terms.

`session`: until the connection is closed, with or without a pooler. `transaction`: until the end of
each transaction.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on waiting for the database, in seconds."""

    queue_timeout: float = 1.0
    """Maximum wait for a connection from the pool, unless the database is slow."""

    slow_after: float = 0.3
    """A connection in use for longer means a slow database, and no caller waits for one."""

    connect_timeout: int = 2
    """For each host of a PostgreSQL URL. libpq takes whole seconds, at least 2."""

    ping_timeout: float = 1.0
    """For the check that PostgreSQL responds, before a transaction."""

    idle_before_ping: float = 1.0
    """A session used more recently than this is not checked, to save a round trip."""

    statement_timeout: float = 2.0
    """For a statement, a lock or another writer. Enforced by PostgreSQL and SQLite themselves."""

    response_timeout: float = 2.5
    """For PostgreSQL's response. Above `statement_timeout`, so a locked row costs no connection."""

    cooldown: float = 1.0
    """How long PostgreSQL is not called after it could not be reached."""

    probe_timeout: float = 6.0
    """After this time without a result, a probe is considered lost, and another one may start."""


def make_engine(
    url: str, connections: int, limits: Limits, pool_mode: PoolMode = "session"
) -> Engine:
    """Return an engine with these limits, and with a pool of at most `connections` connections.

    In pool mode `transaction`, the limits on statements are those of the PostgreSQL role.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite_engine(url, connections, limits)
    engine = _pooled_engine(
        url,
        connections,
        limits,
        connect_args={
            "connect_timeout": limits.connect_timeout,
            **_session_options(pool_mode, limits),
        },
        isolation_level="AUTOCOMMIT",
    )
    event.listen(engine, "do_connect", _open_session)
    event.listen(engine, "checkout", partial(_ping_if_idle, limits.idle_before_ping))
    return engine


def _session_options(pool_mode: PoolMode, limits: Limits) -> dict[str, Any]:
    """Return connection options: no session state or prepared statements in mode `transaction`."""
    if pool_mode == "transaction":
        return {"prepare_threshold": None}
    milliseconds = int(limits.statement_timeout * 1000)
    return {"options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"}


# PostgreSQL: at READ COMMITTED, each statement sees what is committed when it starts, in a
# transaction or not. Read-only transactions therefore save the two round trips.
# SQLite: a transaction that upgrades from reading to writing fails immediately if another one has
# written in between. BEGIN IMMEDIATE waits for the write lock instead.
_BEGIN = {
    "postgresql": {False: "", True: "BEGIN"},
    "sqlite": {False: "BEGIN", True: "BEGIN IMMEDIATE"},
}


def begin(connection: Connection, *, writes: bool) -> None:
    """Begin a transaction with the statement that this database requires, if any.

    This is not an event listener, because with one, SQLAlchemy dispatches events for every
    statement, which takes 5% of the time of a page of favorites.
    """
    if statement := _BEGIN[connection.dialect.name][writes]:
        connection.exec_driver_sql(statement)


def sqlite_file(url: URL) -> Path | None:
    """Return the file of an SQLite database, or None if it is given as a URI, or PostgreSQL."""
    name = url.database or ""
    is_file = url.get_backend_name() == "sqlite" and _is_file_name(name)
    return Path(name) if is_file else None


def _pooled_engine(url: str, connections: int, limits: Limits, **options: Any) -> Engine:
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=limits.queue_timeout,
        hide_parameters=True,
        **options,
    )


def _open_session(_dialect: Any, _record: Any, args: Any, parameters: Any) -> Session:
    return Session.connect(*args, **parameters)


def _ping_if_idle(idle_before_ping: float, session: Session, _record: Any, _proxy: Any) -> None:
    """Check that a session is alive; a dead one is replaced. Raises ServerSilent on a timeout."""
    if time.monotonic() - session.last_response_at < idle_before_ping:
        return
    try:
        session.ping()
    except ServerSilent:
        raise  # A new session would get no response either.
    except psycopg.OperationalError as error:
        raise DisconnectionError from error


def _sqlite_engine(url: str, connections: int, limits: Limits) -> Engine:
    arguments = {"timeout": limits.statement_timeout, "isolation_level": None}
    engine = _pooled_engine(url, connections, limits, connect_args=arguments)
    event.listen(engine, "do_connect", _open_existing_file)
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def _open_existing_file(
    _dialect: Any, _record: Any, args: Any, parameters: Any
) -> sqlite3.Connection | None:
    """Open a file, but do not create one, because its name may be mistyped."""
    (name,) = args
    if not _is_file_name(name):
        return None
    uri = f"{Path(name).absolute().as_uri()}?mode=rw"
    connection: sqlite3.Connection = sqlite3.connect(uri, **{**parameters, "uri": True})
    return connection


def _is_file_name(name: str) -> bool:
    return not name.startswith("file:")  # A URI sets its own mode.


def _configure_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # In WAL mode, readers and the writer do not block each other.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")
