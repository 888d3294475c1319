"""A hung or unreachable database: requests fail quickly, and the circuit breaker opens."""

import logging
import socket
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, TypeVar, cast

import pytest
from psycopg.abc import PQGen
from psycopg.waiting import Wait
from sqlalchemy import Executable, event, func, select, text

from butaca.adapters.sql import Database, Limits
from butaca.adapters.sql import engine as engine_module
from butaca.adapters.sql.session import ServerSilent, Session, response_timeout
from butaca.core.errors import LibraryUnavailable
from tests.fakes import FakeClock
from tests.waiting import wait_until

T = TypeVar("T")

THREAD_TIMEOUT = 20.0
"""How long a test waits for a thread before it fails, in seconds."""

LIMITS = Limits(ping_timeout=0.2, response_timeout=0.2, idle_before_ping=0.0)
SERVER_TIMEOUTS = ("statement_timeout", "lock_timeout")
LOCK = text("LOCK TABLE users")


class HangingSession(Session):
    """A session that receives no responses while its server is silent."""

    silence: Event

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        steps = self._without_response(gen) if self.silence.is_set() else gen
        return super().wait(steps, 0.01, timeout)

    def _without_response(self, gen: PQGen[T]) -> Generator[Any, Any, T]:
        try:
            yield next(gen)
        except StopIteration as done:  # It sends nothing to the server.
            return cast("T", done.value)
        while True:
            yield Wait.W


@dataclass
class Server:
    """A real server that can go silent or delay connections, and counts connection attempts."""

    silence: Event = field(default_factory=Event)
    accepting: Event = field(default_factory=Event)
    connection_attempts: int = 0

    def __post_init__(self) -> None:
        self.accepting.set()

    def connect(self, _dialect: Any, _record: Any, args: Any, parameters: Any) -> Session:
        self.connection_attempts += 1
        assert self.accepting.wait(THREAD_TIMEOUT)
        session: HangingSession = HangingSession.connect(*args, **parameters)
        session.silence = self.silence
        return session


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def connected_database(postgresql_url: str, server: Server, clock: FakeClock) -> Iterator[Database]:
    """A database with one open session and a fake clock."""
    database = Database(postgresql_url, limits=LIMITS, clock=clock.monotonic)
    event.remove(database.engine, "do_connect", engine_module._open_session)
    event.listen(database.engine, "do_connect", server.connect)
    session_id(database)
    yield database
    database.close()


@pytest.fixture
def refused(clock: FakeClock) -> Iterator[Database]:
    """A database whose port refuses connections."""
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://127.0.0.1:{unused.getsockname()[1]}/butaca"
        yield Database(url, limits=LIMITS, clock=clock.monotonic)


def session_id(database: Database) -> int:
    with database.reading() as connection:
        session: int = connection.execute(select(func.pg_backend_pid())).scalar_one()
    return session


def execute(database: Database, *statements: Executable) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(statement)


def responds(database: Database) -> bool:
    """Return whether the database responds."""
    try:
        session_id(database)
    except LibraryUnavailable:
        return False
    return True


def hang_before_statement(database: Database, silence: Event) -> None:
    with database.writing() as connection:
        silence.set()
        connection.execute(text("SELECT 1"))


def hang_before_commit(database: Database, silence: Event) -> None:
    with database.writing() as connection:
        connection.execute(text("SELECT 1"))
        silence.set()


def hang_before_rollback(database: Database, silence: Event) -> None:
    with database.writing() as connection:
        connection.execute(text("SELECT 1"))
        silence.set()
        raise LibraryUnavailable


def hang_before_ping(database: Database, silence: Event) -> None:
    silence.set()
    session_id(database)


HANGS = (
    hang_before_ping,
    hang_before_statement,
    hang_before_commit,
    hang_before_rollback,
)
Hang = Callable[[Database, Event], None]


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str | None]]:
    return [(each.levelname, each.msg, vars(each).get("reason")) for each in caplog.records]


# Silence


@pytest.mark.parametrize("hang", HANGS)
def test_silent_server_is_unavailable(
    connected_database: Database, server: Server, hang: Hang
) -> None:
    with pytest.raises(LibraryUnavailable):
        hang(connected_database, server.silence)


@pytest.mark.parametrize("hang", HANGS)
def test_session_without_a_response_is_not_reused(
    connected_database: Database, server: Server, clock: FakeClock, hang: Hang
) -> None:
    before = session_id(connected_database)
    with pytest.raises(LibraryUnavailable):
        hang(connected_database, server.silence)
    server.silence.clear()
    clock.advance(LIMITS.cooldown)
    assert session_id(connected_database) != before


def test_timed_out_ping_does_not_reconnect(connected_database: Database, server: Server) -> None:
    server.silence.set()
    assert not responds(connected_database)
    assert server.connection_attempts == 1


def test_response_timeout_of_none_disables_the_limit(postgresql: Database) -> None:
    with postgresql.reading() as connection, response_timeout(0.01), response_timeout(None):
        connection.execute(text("SELECT pg_sleep(0.05)"))


def test_explicit_timeout_of_a_wait_takes_precedence(postgresql: Database) -> None:
    with postgresql.reading() as connection:
        session = connection.connection.driver_connection
        assert isinstance(session, Session)
        with response_timeout(0):
            assert list(session.notifies(timeout=0.01)) == []
        assert not session.closed


@pytest.mark.parametrize("limit", SERVER_TIMEOUTS)
def test_server_side_timeout_keeps_the_session(
    connected_database: Database, postgresql: Database, limit: str
) -> None:
    before = session_id(connected_database)
    with postgresql.writing() as holder:
        holder.execute(LOCK)
        with pytest.raises(LibraryUnavailable):
            execute(connected_database, text(f"SET LOCAL {limit} = '1ms'"), LOCK)
    assert session_id(connected_database) == before


def test_late_response_raises_server_silent(postgresql: Database) -> None:
    with (
        pytest.raises(LibraryUnavailable) as caught,
        postgresql.reading() as connection,
        response_timeout(0.01),
    ):
        connection.execute(text("SELECT pg_sleep(1)"))
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value.__cause__.__cause__, ServerSilent)


# Circuit breaker


@pytest.mark.parametrize("hang", HANGS[:-1])
def test_silent_server_is_not_called_during_the_cooldown(
    connected_database: Database, server: Server, clock: FakeClock, hang: Hang
) -> None:
    with pytest.raises(LibraryUnavailable):
        hang(connected_database, server.silence)
    server.silence.clear()
    clock.advance(LIMITS.cooldown - 0.01)
    assert not responds(connected_database)
    clock.advance(0.01)
    assert responds(connected_database)


def test_refusing_server_is_not_called_during_the_cooldown(
    refused: Database, clock: FakeClock
) -> None:
    errors = list[object]()
    event.listen(refused.engine, "handle_error", errors.append)
    for _ in range(3):
        assert not responds(refused)
    assert len(errors) == 1
    clock.advance(LIMITS.cooldown)
    assert not responds(refused)
    assert len(errors) == 2


def test_one_caller_probes_while_others_fail_immediately(
    connected_database: Database, server: Server, clock: FakeClock
) -> None:
    server.silence.set()
    responds(connected_database)
    server.silence.clear()
    clock.advance(LIMITS.cooldown)
    server.accepting.clear()
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(responds, connected_database)
        wait_until(lambda: server.connection_attempts == 2)
        assert [responds(connected_database) for _ in range(5)] == [False] * 5
        server.accepting.set()
        assert probe.result(THREAD_TIMEOUT)
    assert responds(connected_database)


@pytest.mark.parametrize("limit", SERVER_TIMEOUTS)
def test_server_side_timeout_does_not_open_the_circuit(
    connected_database: Database, postgresql: Database, caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    with postgresql.writing() as holder:
        holder.execute(LOCK)
        with pytest.raises(LibraryUnavailable):
            execute(connected_database, text(f"SET LOCAL {limit} = '1ms'"), LOCK)
    assert responds(connected_database)
    assert [each[:2] for each in logged(caplog)] == [("ERROR", "database.failed")]


def test_terminated_session_does_not_open_the_circuit(postgresql: Database) -> None:
    with pytest.raises(LibraryUnavailable), postgresql.reading() as connection:
        connection.execute(select(func.pg_terminate_backend(func.pg_backend_pid())))
    assert responds(postgresql)


def test_missing_sqlite_file_does_not_open_the_circuit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "later"
    with closing(Database(f"sqlite:///{folder / 'butaca.db'}")) as database:
        with pytest.raises(LibraryUnavailable):
            database.ping()
        folder.mkdir()
        database.create()
        database.ping()
    assert logged(caplog) == [("ERROR", "database.failed", "OperationalError")]


# Logging


def test_outage_is_logged_once(
    connected_database: Database, server: Server, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.silence.set()
    for _ in range(2):
        responds(connected_database)
    assert logged(caplog) == [("ERROR", "database.unavailable", "ServerSilent")]


def test_failed_probes_are_not_logged(
    refused: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        responds(refused)
        clock.advance(LIMITS.cooldown)
    assert logged(caplog) == [("ERROR", "database.unavailable", "OperationalError")]


def test_recovery_is_logged_once(
    connected_database: Database, server: Server, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.silence.set()
    responds(connected_database)
    server.silence.clear()
    caplog.clear()
    clock.advance(LIMITS.cooldown)
    for _ in range(3):
        responds(connected_database)
    assert logged(caplog) == [("WARNING", "database.recovered", None)]


def test_healthy_database_logs_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "butaca")
    database.ping()
    assert logged(caplog) == []
