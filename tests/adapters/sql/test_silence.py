"""A hung or unreachable database: requests wait only briefly, and then it gets a rest."""

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
from butaca.adapters.sql import engine as module
from butaca.adapters.sql.session import ServerSilent, Session, waiting_at_most
from butaca.core.errors import LibraryUnavailable
from tests.fakes import FakeClock

T = TypeVar("T")

LONG = 20.0
"""Seconds that a test waits for a thread before it fails."""

LIMITS = Limits(ping=0.2, answer=0.2, warm=0.0)
LIMITS_OF_THE_SERVER = ("statement_timeout", "lock_timeout")
LOCK = text("LOCK TABLE users")


class DeafSession(Session):
    """A session that hears no answer while its server is silent, though one may come."""

    silence: Event

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(self._unheard(gen) if self.silence.is_set() else gen, 0.01, timeout)

    def _unheard(self, gen: PQGen[T]) -> Generator[Any, Any, T]:
        try:
            yield next(gen)
        except StopIteration as done:  # It has nothing to ask the server.
            return cast("T", done.value)
        while True:
            yield Wait.W


@dataclass
class Server:
    """A real server that can be told to keep silent, and how many have come to it."""

    silence: Event = field(default_factory=Event)
    lets_in: Event = field(default_factory=Event)
    visitors: int = 0

    def __post_init__(self) -> None:
        self.lets_in.set()

    def grant_token(self, _dialect: Any, _record: Any, args: Any, parameters: Any) -> Session:
        self.visitors += 1
        assert self.lets_in.wait(LONG)
        session: DeafSession = DeafSession.connect(*args, **parameters)
        session.silence = self.silence
        return session


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def library(postgresql_url: str, server: Server, clock: FakeClock) -> Iterator[Database]:
    """A database with one session, on the test's clock."""
    database = Database(postgresql_url, limits=LIMITS, clock=clock.monotonic)
    event.remove(database.engine, "do_connect", module._open_session)
    event.listen(database.engine, "do_connect", server.grant_token)
    session_of(database)
    yield database
    database.close()


@pytest.fixture
def refused(clock: FakeClock) -> Iterator[Database]:
    """A database whose port is taken, and where nobody listens."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://127.0.0.1:{free.getsockname()[1]}/butaca"
        yield Database(url, limits=LIMITS, clock=clock.monotonic)


def session_of(database: Database) -> int:
    with database.reading() as connection:
        session: int = connection.execute(select(func.pg_backend_pid())).scalar_one()
    return session


def execute(database: Database, *statements: Executable) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(statement)


def ask(database: Database) -> bool:
    """Tell whether the database answers."""
    try:
        session_of(database)
    except LibraryUnavailable:
        return False
    return True


def fall_silent_before_the_statement(database: Database, silence: Event) -> None:
    with database.writing() as connection:
        silence.set()
        connection.execute(text("SELECT 1"))


def fall_silent_before_the_commit(database: Database, silence: Event) -> None:
    with database.writing() as connection:
        connection.execute(text("SELECT 1"))
        silence.set()


def fall_silent_before_the_rollback(database: Database, silence: Event) -> None:
    with database.writing() as connection:
        connection.execute(text("SELECT 1"))
        silence.set()
        raise LibraryUnavailable


def fall_silent_before_the_ping(database: Database, silence: Event) -> None:
    silence.set()
    session_of(database)


FALLING_SILENT = (
    fall_silent_before_the_ping,
    fall_silent_before_the_statement,
    fall_silent_before_the_commit,
    fall_silent_before_the_rollback,
)
Fall = Callable[[Database, Event], None]


def reasons(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str | None]]:
    return [(each.levelname, each.msg, vars(each).get("reason")) for each in caplog.records]


# Silence


@pytest.mark.parametrize("fall_silent", FALLING_SILENT)
def test_a_server_that_keeps_silent_is_unavailable(
    library: Database, server: Server, fall_silent: Fall
) -> None:
    with pytest.raises(LibraryUnavailable):
        fall_silent(library, server.silence)


@pytest.mark.parametrize("fall_silent", FALLING_SILENT)
def test_a_session_that_waits_for_an_answer_is_never_used_again(
    library: Database, server: Server, clock: FakeClock, fall_silent: Fall
) -> None:
    before = session_of(library)
    with pytest.raises(LibraryUnavailable):
        fall_silent(library, server.silence)
    server.silence.clear()
    clock.move(LIMITS.rest)
    assert session_of(library) != before


def test_whoever_is_not_answered_does_not_connect_anew(library: Database, server: Server) -> None:
    server.silence.set()
    assert not ask(library)
    assert server.visitors == 1


def test_where_nothing_is_said_of_it_a_wait_has_no_limit(postgresql: Database) -> None:
    with postgresql.reading() as connection, waiting_at_most(0.01), waiting_at_most(None):
        connection.execute(text("SELECT pg_sleep(0.05)"))


def test_a_wait_of_its_own_limit_keeps_to_that(postgresql: Database) -> None:
    with postgresql.reading() as connection:
        session = connection.connection.driver_connection
        assert isinstance(session, Session)
        with waiting_at_most(0):
            assert list(session.notifies(timeout=0.01)) == []
        assert not session.closed


@pytest.mark.parametrize("limit", LIMITS_OF_THE_SERVER)
def test_what_the_server_itself_ends_leaves_the_session_whole(
    library: Database, postgresql: Database, limit: str
) -> None:
    before = session_of(library)
    with postgresql.writing() as holding:
        holding.execute(LOCK)
        with pytest.raises(LibraryUnavailable):
            execute(library, text(f"SET LOCAL {limit} = '1ms'"), LOCK)
    assert session_of(library) == before


def test_an_answer_that_is_too_late_is_told_as_silence(postgresql: Database) -> None:
    with (
        pytest.raises(LibraryUnavailable) as caught,
        postgresql.reading() as connection,
        waiting_at_most(0.01),
    ):
        connection.execute(text("SELECT pg_sleep(1)"))
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value.__cause__.__cause__, ServerSilent)


# CircuitBreaker


@pytest.mark.parametrize("fall_silent", FALLING_SILENT[:-1])
def test_a_silent_server_is_not_asked_until_the_rest_is_over(
    library: Database, server: Server, clock: FakeClock, fall_silent: Fall
) -> None:
    with pytest.raises(LibraryUnavailable):
        fall_silent(library, server.silence)
    server.silence.clear()
    clock.move(LIMITS.rest - 0.01)
    assert not ask(library)
    clock.move(0.01)
    assert ask(library)


def test_a_server_that_refuses_is_not_asked_until_the_rest_is_over(
    refused: Database, clock: FakeClock
) -> None:
    visits = list[object]()
    event.listen(refused.engine, "handle_error", visits.append)
    for _ in range(3):
        assert not ask(refused)
    assert len(visits) == 1
    clock.move(LIMITS.rest)
    assert not ask(refused)
    assert len(visits) == 2


def test_after_the_rest_one_tries_and_the_others_are_told_at_once(
    library: Database, server: Server, clock: FakeClock
) -> None:
    server.silence.set()
    ask(library)
    server.silence.clear()
    clock.move(LIMITS.rest)
    server.lets_in.clear()
    with ThreadPoolExecutor(1) as threads:
        trying = threads.submit(ask, library)
        while server.visitors < 2:
            assert not trying.done()
        assert [ask(library) for _ in range(5)] == [False] * 5
        server.lets_in.set()
        assert trying.result(LONG)
    assert ask(library)


@pytest.mark.parametrize("limit", LIMITS_OF_THE_SERVER)
def test_a_statement_that_the_server_ends_is_no_reason_to_rest(
    library: Database, postgresql: Database, caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    with postgresql.writing() as holding:
        holding.execute(LOCK)
        with pytest.raises(LibraryUnavailable):
            execute(library, text(f"SET LOCAL {limit} = '1ms'"), LOCK)
    assert ask(library)
    assert [each[:2] for each in reasons(caplog)] == [("ERROR", "database.failed")]


def test_a_session_that_is_cut_is_no_reason_to_rest(postgresql: Database) -> None:
    with pytest.raises(LibraryUnavailable), postgresql.reading() as connection:
        connection.execute(select(func.pg_terminate_backend(func.pg_backend_pid())))
    assert ask(postgresql)


def test_a_file_that_is_not_there_is_looked_for_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "later"
    with closing(Database(f"sqlite:///{folder / 'butaca.db'}")) as database:
        with pytest.raises(LibraryUnavailable):
            database.ping()
        folder.mkdir()
        database.create()
        database.ping()
    assert reasons(caplog) == [("ERROR", "database.failed", "OperationalError")]


# What is said about it


def test_one_line_is_said_on_the_way_down(
    library: Database, server: Server, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.silence.set()
    for _ in range(2):
        ask(library)
    assert reasons(caplog) == [("ERROR", "database.went_away", "ServerSilent")]


def test_nothing_more_is_said_while_it_is_away(
    refused: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        ask(refused)
        clock.move(LIMITS.rest)
    assert reasons(caplog) == [("ERROR", "database.went_away", "OperationalError")]


def test_one_line_is_said_on_the_way_up(
    library: Database, server: Server, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.silence.set()
    ask(library)
    server.silence.clear()
    caplog.clear()
    clock.move(LIMITS.rest)
    for _ in range(3):
        ask(library)
    assert reasons(caplog) == [("WARNING", "database.came_back", None)]


def test_a_database_that_is_there_is_nothing_to_talk_about(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "butaca")
    database.ping()
    assert reasons(caplog) == []
