"""A failing database is reported as unavailable; an invalid statement is a programming error."""

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import Executable, QueuePool, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, StatementError

from butaca.adapters.sql import Database, Limits, SqlAccounts, SqlLibrary
from butaca.adapters.sql.tables import movies, user_movies, users
from butaca.core.errors import LibraryBusy, LibraryUnavailable, MovieNotFound, TokenRejected
from butaca.core.models import Stars
from tests.builders import ADMIN, CONSUMER, NOON, make_record

SOMEBODY = {"id": 1, "name": "somebody", "role": "USER", "created_at": NOON}
SESSION = func.pg_backend_pid()
ADDING_SOMEBODY = users.insert().values(SOMEBODY)


def execute(database: Database, *statements: Executable) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(statement)


def people(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(users)) or 0


def stocked_library(database: Database) -> SqlLibrary:
    for user in (ADMIN, CONSUMER):
        SqlAccounts(database).grant_token(user, f"{user.id:064}", NOON)
    store = SqlLibrary(database)
    store.save_movie(make_record(550), NOON)
    return store


LIMITS = Limits()
HURRIED = Limits(queue=0, statement=0)
"""Whoever has to wait for a connection or a lock gives up at once."""


@pytest.fixture
def hurried(tmp_path: Path, sqlite: Database) -> Iterator[Database]:
    """The same file as `sqlite`, through one connection that waits for nothing."""
    database = Database(f"sqlite:///{tmp_path / 'butaca.db'}", connections=1, limits=HURRIED)
    yield database
    database.close()


# Transactions


def test_a_sign_of_life(database: Database) -> None:
    database.ping()


def test_what_is_written_stays(database: Database) -> None:
    execute(database, ADDING_SOMEBODY)
    assert people(database) == 1


def test_what_fails_halfway_is_undone(database: Database) -> None:
    with pytest.raises(IntegrityError):
        execute(database, ADDING_SOMEBODY, ADDING_SOMEBODY)
    assert people(database) == 0


def add_and_think_better_of_it(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(ADDING_SOMEBODY)
        raise MovieNotFound


def test_any_other_error_undoes_all_and_flies_through(database: Database) -> None:
    with pytest.raises(MovieNotFound):
        add_and_think_better_of_it(database)
    assert people(database) == 0


def test_closing_lets_go_of_idle_connections(database: Database) -> None:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    database.ping()
    assert pool.checkedin() == 1
    database.close()
    assert pool.checkedin() == 0


# Databases that are away


def test_a_server_that_nobody_runs_is_unavailable() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))  # Bound and not listening: whoever connects is refused.
        database = Database(f"postgresql+psycopg://127.0.0.1:{free.getsockname()[1]}/butaca")
        with pytest.raises(LibraryUnavailable):
            database.ping()


def test_a_database_that_is_away_is_told_without_its_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        database = Database(f"postgresql+psycopg://me:hunter2@127.0.0.1:{free.getsockname()[1]}/x")
        with pytest.raises(LibraryUnavailable):
            database.ping()
    (line,) = caplog.records
    assert (line.levelname, line.msg) == ("ERROR", "database.went_away")
    assert vars(line)["reason"] == "OperationalError"
    assert "hunter2" not in caplog.text


def test_a_missing_postgresql_database_is_unavailable(fresh_postgresql: Database) -> None:
    url = fresh_postgresql.engine.url.set(database="nowhere")
    database = Database(url.render_as_string(hide_password=False))
    with pytest.raises(LibraryUnavailable):
        database.ping()


def test_a_file_in_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'butaca.db'}")
    with pytest.raises(LibraryUnavailable):
        database.ping()


def test_a_missing_file_is_unavailable_and_is_not_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing.db'}")
    with pytest.raises(LibraryUnavailable):
        database.ping()
    assert database.is_missing


def test_a_file_of_any_name_is_made_and_opened(tmp_path: Path) -> None:
    file = tmp_path / "é b?c#d%20.db"
    with closing(Database(f"sqlite:///{quote(str(file))}")) as database:
        database.create()
        database.ping()
    assert file.exists()


def test_a_file_that_is_there_is_made_only_once(sqlite: Database) -> None:
    execute(sqlite, ADDING_SOMEBODY)
    sqlite.create()
    assert people(sqlite) == 1


def test_a_file_may_be_named_by_its_uri(tmp_path: Path) -> None:
    (tmp_path / "butaca.db").touch()
    url = f"sqlite:///file:{tmp_path / 'butaca.db'}?mode=rw&uri=true"
    with closing(Database(url)) as database:
        assert not database.is_missing
        database.ping()


@pytest.mark.parametrize("name", ["butaca.db", "{folder}/butaca.db"])
def test_a_url_may_ask_for_uris_and_name_a_plain_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(Database(f"sqlite:///{name.format(folder=tmp_path)}?uri=true")) as database:
        database.create()
        database.ping()
    assert (tmp_path / "butaca.db").exists()


def test_a_file_that_another_writes_is_unavailable(sqlite: Database, hurried: Database) -> None:
    with sqlite.writing(), pytest.raises(LibraryUnavailable), hurried.writing():
        pass


def test_a_file_that_another_writes_can_be_read(sqlite: Database, hurried: Database) -> None:
    with sqlite.writing() as connection:
        connection.execute(ADDING_SOMEBODY)
        assert people(hurried) == 0
    assert people(hurried) == 1


def test_a_file_that_another_reads_can_be_written(sqlite: Database, hurried: Database) -> None:
    with sqlite.reading() as reader:
        reader.execute(select(users.c.id)).all()
        execute(hurried, ADDING_SOMEBODY)
    assert people(sqlite) == 1


def test_a_database_whose_connections_are_all_taken_is_busy(hurried: Database) -> None:
    with hurried.reading(), pytest.raises(LibraryBusy):
        people(hurried)


def test_a_database_that_is_busy_is_alive(hurried: Database) -> None:
    with hurried.reading():
        hurried.ping()


def test_a_server_whose_connections_are_all_taken_is_busy(
    postgresql_url: str,
) -> None:
    with closing(Database(postgresql_url, connections=1, limits=HURRIED)) as database:
        with database.reading(), pytest.raises(LibraryBusy):
            people(database)
        database.ping()


def test_a_connection_is_given_back_after_a_failure(hurried: Database) -> None:
    with pytest.raises(MovieNotFound), hurried.writing():
        raise MovieNotFound
    hurried.ping()


def test_a_row_that_another_holds_is_unavailable(postgresql: Database) -> None:
    with postgresql.writing() as connection:
        connection.execute(ADDING_SOMEBODY)
        with pytest.raises(LibraryUnavailable):
            execute(postgresql, text("SET LOCAL lock_timeout = '1ms'"), ADDING_SOMEBODY)


def test_a_statement_that_takes_too_long_is_unavailable(postgresql: Database) -> None:
    an_age = text("SELECT pg_sleep(60)")
    with pytest.raises(LibraryUnavailable):
        execute(postgresql, text("SET LOCAL statement_timeout = '1ms'"), an_age)


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
def test_every_wait_for_the_server_has_a_limit(postgresql: Database, limit: str) -> None:
    with postgresql.reading() as connection:
        assert connection.scalar(text(f"SHOW {limit}")) == f"{LIMITS.statement:g}s"


# Poolers in between


def prepared_after_many_reads(database: Database) -> int:
    """Return how many statements the one session of a database has kept in the server."""
    for _ in range(10):  # psycopg prepares what it has sent five times.
        assert people(database) == 0
    with database.reading() as connection:
        found = connection.execute(text("SELECT count(*) FROM pg_prepared_statements"))
        return int(found.scalar_one())


def test_what_is_read_often_is_prepared(postgresql_url: str, postgresql: Database) -> None:
    with closing(Database(postgresql_url, connections=1)) as database:
        assert prepared_after_many_reads(database)


def test_nothing_is_prepared_where_a_session_ends_with_its_transaction(
    postgresql_url: str, postgresql: Database
) -> None:
    with closing(Database(postgresql_url, connections=1, pool_mode="transaction")) as database:
        assert prepared_after_many_reads(database) == 0


def test_nothing_is_asked_of_a_session_that_ends_with_its_transaction(
    postgresql_url: str,
) -> None:
    with (
        closing(Database(postgresql_url, pool_mode="transaction")) as database,
        database.reading() as connection,
    ):
        session = connection.connection.driver_connection
        assert isinstance(session, psycopg.Connection)
        assert "options" not in session.info.get_parameters()
        assert session.info.get_parameters()["connect_timeout"] == str(LIMITS.connecting)


# Waiting for the server


def test_connecting_to_the_server_has_a_limit(postgresql: Database) -> None:
    with postgresql.reading() as connection:
        session = connection.connection.driver_connection
        assert isinstance(session, psycopg.Connection)
        assert session.info.get_parameters()["connect_timeout"] == str(LIMITS.connecting)


def test_every_wait_for_a_file_has_a_limit(sqlite: Database) -> None:
    with sqlite.reading() as connection:
        assert connection.scalar(text("PRAGMA busy_timeout")) == LIMITS.statement * 1000


def test_every_wait_for_a_connection_has_a_limit(database: Database) -> None:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.timeout() == LIMITS.queue


def test_a_server_that_only_reads_is_unavailable(postgresql: Database) -> None:
    with pytest.raises(LibraryUnavailable):
        execute(postgresql, text("SET TRANSACTION READ ONLY"), ADDING_SOMEBODY)


def test_a_connection_that_the_server_cuts_is_unavailable(postgresql: Database) -> None:
    with pytest.raises(LibraryUnavailable):
        execute(postgresql, ADDING_SOMEBODY, select(func.pg_terminate_backend(SESSION)))
    assert people(postgresql) == 0


def cut(database: Database, postgresql_url: str) -> None:
    """Let the server end the one session of a database."""
    with database.reading() as connection:
        session = connection.scalar(select(SESSION))
    with closing(Database(postgresql_url)) as other, other.reading() as connection:
        assert connection.scalar(select(func.pg_terminate_backend(session, 5000)))


def test_a_connection_cut_while_idle_is_replaced(postgresql_url: str) -> None:
    with closing(Database(postgresql_url, limits=Limits(warm=0.0))) as database:
        cut(database, postgresql_url)
        database.ping()


def test_a_connection_cut_while_warm_costs_one_request(postgresql_url: str) -> None:
    with closing(Database(postgresql_url, limits=Limits(warm=60.0))) as database:
        cut(database, postgresql_url)
        with pytest.raises(LibraryUnavailable):
            database.ping()
        database.ping()


# Our own mistakes


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT 1 FROM nowhere", "SELECT x FROM users"])
def test_a_wrong_statement_is_no_absence(database: Database, statement: str) -> None:
    with (
        pytest.raises((OperationalError, ProgrammingError)),
        database.reading() as connection,
    ):
        connection.execute(text(statement))


def test_a_favorite_needs_its_user(database: Database) -> None:
    store = stocked_library(database)
    with pytest.raises(TokenRejected):
        store.add_favorite(404, 550, NOON)


def test_a_movie_that_somebody_keeps_cannot_be_deleted(database: Database) -> None:
    store = stocked_library(database)
    store.add_favorite(CONSUMER.id, 550, NOON)
    with pytest.raises(IntegrityError):
        execute(database, movies.delete())


# How SQLite is set up


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 1)]
)
def test_every_sqlite_connection_is_set_up(sqlite: Database, pragma: str, value: str | int) -> None:
    with sqlite.reading() as one, sqlite.reading() as other:
        assert one.scalar(text(f"PRAGMA {pragma}")) == value
        assert other.scalar(text(f"PRAGMA {pragma}")) == value


# Moments


def created_at(database: Database, at: datetime) -> datetime:
    execute(database, users.insert().values({**SOMEBODY, "created_at": at}))
    with database.reading() as connection:
        found: datetime = connection.execute(select(users.c.created_at)).scalar_one()
    return found


@pytest.mark.parametrize("hours", [0, -3, 14])
def test_a_moment_comes_back_aware_and_in_utc(database: Database, hours: int) -> None:
    elsewhere = datetime(2026, 1, 1, 0, 30, 15, 123456, timezone(timedelta(hours=hours)))
    found = created_at(database, elsewhere)
    assert found == elsewhere
    assert found.tzinfo is UTC


def test_a_moment_comes_back_in_utc_whatever_the_zone_of_the_server(
    postgresql: Database,
) -> None:
    with postgresql.writing() as connection:
        connection.execute(text("SET LOCAL TIME ZONE 'America/Buenos_Aires'"))
        connection.execute(ADDING_SOMEBODY)
        assert connection.execute(select(users.c.created_at)).scalar_one().tzinfo is UTC


def test_a_naive_moment_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="the datetime must have a time zone"):
        created_at(database, NOON.replace(tzinfo=None))


def test_a_naive_correction_is_refused(database: Database) -> None:
    store = stocked_library(database)
    store.rate(CONSUMER.id, 550, Stars.of(3), NOON)
    with pytest.raises(StatementError, match="the datetime must have a time zone"):
        store.update_rating(CONSUMER.id, 550, Stars.of(4), NOON.replace(tzinfo=None))


# Who is gone


def test_deleting_somebody_takes_along_all_that_is_theirs(database: Database) -> None:
    store = stocked_library(database)
    store.add_favorite(CONSUMER.id, 550, NOON)
    store.rate(CONSUMER.id, 550, Stars.of(3), NOON)
    with database.writing() as connection:
        connection.execute(users.delete().where(users.c.id == CONSUMER.id))
        assert connection.execute(select(user_movies)).all() == []
    assert SqlAccounts(database).find_bearer(f"{CONSUMER.id:064}") is None
    with database.reading() as connection:
        assert connection.scalar(select(movies.c.id)) == 550
