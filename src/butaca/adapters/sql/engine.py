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
"""How long a PostgreSQL session is assigned to us, in PgBouncer's terms.

`session` is until we close it, with or without a pooler; `transaction`, until the end of each
transaction.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on waiting for the database, in seconds."""

    queue: float = 1.0
    """For a connection from the pool, as long as its users are fast."""

    slow: float = 0.3
    """After this time the user of a connection counts as slow, and no caller waits for one."""

    connecting: int = 2
    """For connecting to each host of a PostgreSQL URL; libpq takes whole seconds, at least 2."""

    ping: float = 1.0
    """For the check that PostgreSQL responds, before a transaction."""

    warm: float = 1.0
    """A session that was answered this recently is not checked, to save a round trip."""

    statement: float = 2.0
    """For a statement, a lock or another writer. Enforced by PostgreSQL and SQLite themselves."""

    answer: float = 2.5
    """For PostgreSQL's answer; longer than `statement`, so that a lock costs no connection."""

    rest: float = 1.0
    """For how long PostgreSQL is not called after it could not be reached."""

    longest_try: float = 6.0
    """For how long callers wait for one that probes PostgreSQL and never reports."""


def make_engine(
    url: str, connections: int, limits: Limits, pool_mode: PoolMode = "session"
) -> Engine:
    """Return an engine with these limits, and with a pool of at most `connections` connections.

    In pool mode `transaction`, the limits on statements are those of the PostgreSQL role.
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
    """Return connection options: no session state or prepared statements in mode `transaction`."""
    if pool_mode == "transaction":
        return {"prepare_threshold": None}
    milliseconds = int(limits.statement * 1000)
    return {"options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"}


# PostgreSQL: at READ COMMITTED, each statement sees what is committed when it starts, in a
# transaction or not. Read-only transactions therefore save the two round trips.
# SQLite: a transaction that reads first and then writes fails at once if another has written in
# between; one that announces its writes at the beginning waits for its turn.
_BEGIN = {
    "postgresql": {False: "", True: "BEGIN"},
    "sqlite": {False: "BEGIN", True: "BEGIN IMMEDIATE"},
}


def begin(connection: Connection, *, writes: bool) -> None:
    """Begin a transaction with the statement that this database requires, if any.

    Not by an event listener: if an engine has one, every statement looks for all possible
    listeners, which takes a twentieth of a page of favorites.
    """
    if statement := _BEGIN[connection.dialect.name][writes]:
        connection.exec_driver_sql(statement)


def sqlite_file(url: URL) -> Path | None:
    """Return the file of an SQLite database, or None if it is given as a URI, or PostgreSQL."""
    name = url.database or ""
    is_file = url.get_backend_name() == "sqlite" and _is_file_name(name)
    return Path(name) if is_file else None


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
    """Check that a session is alive; a dead one is replaced. Raises ServerSilent on a timeout."""
    if time.monotonic() - session.heard_at < warm:
        return
    try:
        session.ping()
    except ServerSilent:
        raise  # A new session would get no answer either.
    except psycopg.OperationalError as error:
        raise DisconnectionError from error


def _sqlite(url: str, connections: int, limits: Limits) -> Engine:
    arguments = {"timeout": limits.statement, "isolation_level": None}
    engine = _pooled(url, connections, limits, connect_args=arguments)
    event.listen(engine, "do_connect", _open_existing)
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _open_existing(
    _dialect: Any, _record: Any, args: Any, parameters: Any
) -> sqlite3.Connection | None:
    """Open a file, but do not create one: its name may be mistyped."""
    (name,) = args
    if not _is_file_name(name):
        return None
    uri = f"{Path(name).absolute().as_uri()}?mode=rw"
    connection: sqlite3.Connection = sqlite3.connect(uri, **{**parameters, "uri": True})
    return connection


def _is_file_name(name: str) -> bool:
    return not name.startswith("file:")  # Else it is a URI, which has a mode of its own.


def _set_up_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # In WAL mode, readers and the writer do not block each other.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")
