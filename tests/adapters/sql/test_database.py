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

USER_ROW = {"id": 1, "name": "ana", "role": "USER", "created_at": NOON}
BACKEND_PID = func.pg_backend_pid()
INSERT_USER = users.insert().values(USER_ROW)


def execute(database: Database, *statements: Executable) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(statement)


def count_users(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(users)) or 0


def library_with_movie(database: Database) -> SqlLibrary:
    for user in (ADMIN, CONSUMER):
        SqlAccounts(database).grant_token(user, f"{user.id:064}", NOON)
    store = SqlLibrary(database)
    store.save_movie(make_record(550), NOON)
    return store


LIMITS = Limits()
NO_WAIT = Limits(queue_timeout=0, statement_timeout=0)
"""Fail immediately instead of waiting for a connection or a lock."""


@pytest.fixture
def database_without_waits(tmp_path: Path, sqlite: Database) -> Iterator[Database]:
    """The same file as `sqlite`, with one connection and no waits."""
    database = Database(f"sqlite:///{tmp_path / 'butaca.db'}", connections=1, limits=NO_WAIT)
    yield database
    database.close()


# Transactions


def test_ping_succeeds(database: Database) -> None:
    database.ping()


def test_commit_persists_writes(database: Database) -> None:
    execute(database, INSERT_USER)
    assert count_users(database) == 1


def test_integrity_error_rolls_the_transaction_back(database: Database) -> None:
    with pytest.raises(IntegrityError):
        execute(database, INSERT_USER, INSERT_USER)
    assert count_users(database) == 0


def insert_and_raise(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(INSERT_USER)
        raise MovieNotFound


def test_any_other_error_rolls_back_and_propagates(database: Database) -> None:
    with pytest.raises(MovieNotFound):
        insert_and_raise(database)
    assert count_users(database) == 0


def test_close_closes_idle_connections(database: Database) -> None:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    database.ping()
    assert pool.checkedin() == 1
    database.close()
    assert pool.checkedin() == 0


# Unavailable databases


def test_refused_connection_is_unavailable() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))  # Bound but not listening: connections are refused.
        database = Database(f"postgresql+psycopg://127.0.0.1:{unused.getsockname()[1]}/butaca")
        with pytest.raises(LibraryUnavailable):
            database.ping()


def test_outage_is_logged_without_credentials(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        database = Database(
            f"postgresql+psycopg://me:hunter2@127.0.0.1:{unused.getsockname()[1]}/x"
        )
        with pytest.raises(LibraryUnavailable):
            database.ping()
    (line,) = caplog.records
    assert (line.levelname, line.msg) == ("ERROR", "database.unavailable")
    assert vars(line)["reason"] == "OperationalError"
    assert "hunter2" not in caplog.text


def test_missing_postgresql_database_is_unavailable(fresh_postgresql: Database) -> None:
    url = fresh_postgresql.engine.url.set(database="nowhere")
    database = Database(url.render_as_string(hide_password=False))
    with pytest.raises(LibraryUnavailable):
        database.ping()


def test_sqlite_file_in_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'butaca.db'}")
    with pytest.raises(LibraryUnavailable):
        database.ping()


def test_missing_sqlite_file_is_unavailable_and_not_created(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing.db'}")
    with pytest.raises(LibraryUnavailable):
        database.ping()
    assert database.is_missing


def test_sqlite_file_with_special_characters_is_created_and_opened(tmp_path: Path) -> None:
    file = tmp_path / "é b?c#d%20.db"
    with closing(Database(f"sqlite:///{quote(str(file))}")) as database:
        database.create()
        database.ping()
    assert file.exists()


def test_create_preserves_an_existing_file(sqlite: Database) -> None:
    execute(sqlite, INSERT_USER)
    sqlite.create()
    assert count_users(sqlite) == 1


def test_sqlite_file_can_be_given_as_a_uri(tmp_path: Path) -> None:
    (tmp_path / "butaca.db").touch()
    url = f"sqlite:///file:{tmp_path / 'butaca.db'}?mode=rw&uri=true"
    with closing(Database(url)) as database:
        assert not database.is_missing
        database.ping()


@pytest.mark.parametrize("name", ["butaca.db", "{folder}/butaca.db"])
def test_uri_option_accepts_a_plain_file_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(Database(f"sqlite:///{name.format(folder=tmp_path)}?uri=true")) as database:
        database.create()
        database.ping()
    assert (tmp_path / "butaca.db").exists()


def test_second_sqlite_writer_is_unavailable(
    sqlite: Database, database_without_waits: Database
) -> None:
    with sqlite.writing(), pytest.raises(LibraryUnavailable), database_without_waits.writing():
        pass


def test_sqlite_file_is_readable_during_a_write(
    sqlite: Database, database_without_waits: Database
) -> None:
    with sqlite.writing() as connection:
        connection.execute(INSERT_USER)
        assert count_users(database_without_waits) == 0
    assert count_users(database_without_waits) == 1


def test_sqlite_file_is_writable_during_a_read(
    sqlite: Database, database_without_waits: Database
) -> None:
    with sqlite.reading() as reader:
        reader.execute(select(users.c.id)).all()
        execute(database_without_waits, INSERT_USER)
    assert count_users(sqlite) == 1


def test_exhausted_pool_is_busy(database_without_waits: Database) -> None:
    with database_without_waits.reading(), pytest.raises(LibraryBusy):
        count_users(database_without_waits)


def test_ping_succeeds_on_an_exhausted_pool(database_without_waits: Database) -> None:
    with database_without_waits.reading():
        database_without_waits.ping()


def test_exhausted_postgresql_pool_is_busy_and_recovers(
    postgresql_url: str,
) -> None:
    with closing(Database(postgresql_url, connections=1, limits=NO_WAIT)) as database:
        with database.reading(), pytest.raises(LibraryBusy):
            count_users(database)
        database.ping()


def test_connection_is_returned_to_the_pool_after_an_error(
    database_without_waits: Database,
) -> None:
    with pytest.raises(MovieNotFound), database_without_waits.writing():
        raise MovieNotFound
    database_without_waits.ping()


def test_lock_timeout_is_unavailable(postgresql: Database) -> None:
    with postgresql.writing() as connection:
        connection.execute(INSERT_USER)
        with pytest.raises(LibraryUnavailable):
            execute(postgresql, text("SET LOCAL lock_timeout = '1ms'"), INSERT_USER)


def test_statement_timeout_is_unavailable(postgresql: Database) -> None:
    slow_statement = text("SELECT pg_sleep(60)")
    with pytest.raises(LibraryUnavailable):
        execute(postgresql, text("SET LOCAL statement_timeout = '1ms'"), slow_statement)


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
def test_server_enforces_timeouts(postgresql: Database, limit: str) -> None:
    with postgresql.reading() as connection:
        assert connection.scalar(text(f"SHOW {limit}")) == f"{LIMITS.statement_timeout:g}s"


# Connection poolers


def count_prepared_after_reads(database: Database) -> int:
    """Return how many statements a database with one session has prepared."""
    for _ in range(10):  # psycopg prepares a statement after five executions.
        assert count_users(database) == 0
    with database.reading() as connection:
        found = connection.execute(text("SELECT count(*) FROM pg_prepared_statements"))
        return int(found.scalar_one())


def test_frequent_statements_are_prepared(postgresql_url: str, postgresql: Database) -> None:
    with closing(Database(postgresql_url, connections=1)) as database:
        assert count_prepared_after_reads(database)


def test_transaction_mode_prepares_no_statements(postgresql_url: str, postgresql: Database) -> None:
    with closing(Database(postgresql_url, connections=1, pool_mode="transaction")) as database:
        assert count_prepared_after_reads(database) == 0


def test_transaction_mode_sets_no_session_options(
    postgresql_url: str,
) -> None:
    with (
        closing(Database(postgresql_url, pool_mode="transaction")) as database,
        database.reading() as connection,
    ):
        session = connection.connection.driver_connection
        assert isinstance(session, psycopg.Connection)
        assert "options" not in session.info.get_parameters()
        assert session.info.get_parameters()["connect_timeout"] == str(LIMITS.connect_timeout)


# Timeouts and lost sessions


def test_connecting_has_a_timeout(postgresql: Database) -> None:
    with postgresql.reading() as connection:
        session = connection.connection.driver_connection
        assert isinstance(session, psycopg.Connection)
        assert session.info.get_parameters()["connect_timeout"] == str(LIMITS.connect_timeout)


def test_sqlite_lock_wait_has_a_timeout(sqlite: Database) -> None:
    with sqlite.reading() as connection:
        assert connection.scalar(text("PRAGMA busy_timeout")) == LIMITS.statement_timeout * 1000


def test_pool_wait_has_a_timeout(database: Database) -> None:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.timeout() == LIMITS.queue_timeout


def test_write_in_a_read_only_transaction_is_unavailable(postgresql: Database) -> None:
    with pytest.raises(LibraryUnavailable):
        execute(postgresql, text("SET TRANSACTION READ ONLY"), INSERT_USER)


def test_session_terminated_during_a_transaction_is_unavailable(postgresql: Database) -> None:
    with pytest.raises(LibraryUnavailable):
        execute(postgresql, INSERT_USER, select(func.pg_terminate_backend(BACKEND_PID)))
    assert count_users(postgresql) == 0


def terminate_session(database: Database, postgresql_url: str) -> None:
    """Terminate the only session of a database on the server."""
    with database.reading() as connection:
        session = connection.scalar(select(BACKEND_PID))
    with closing(Database(postgresql_url)) as other, other.reading() as connection:
        assert connection.scalar(select(func.pg_terminate_backend(session, 5000)))


def test_session_terminated_while_idle_is_replaced(postgresql_url: str) -> None:
    with closing(Database(postgresql_url, limits=Limits(idle_before_ping=0.0))) as database:
        terminate_session(database, postgresql_url)
        database.ping()


def test_session_terminated_right_after_use_fails_one_request(postgresql_url: str) -> None:
    with closing(Database(postgresql_url, limits=Limits(idle_before_ping=60.0))) as database:
        terminate_session(database, postgresql_url)
        with pytest.raises(LibraryUnavailable):
            database.ping()
        database.ping()


# Programming and integrity errors


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT 1 FROM nowhere", "SELECT x FROM users"])
def test_invalid_statement_raises_the_driver_error(database: Database, statement: str) -> None:
    with (
        pytest.raises((OperationalError, ProgrammingError)),
        database.reading() as connection,
    ):
        connection.execute(text(statement))


def test_adding_a_favorite_for_a_missing_user_raises_token_rejected(database: Database) -> None:
    store = library_with_movie(database)
    with pytest.raises(TokenRejected):
        store.add_favorite(404, 550, NOON)


def test_movie_in_a_users_favorites_cannot_be_deleted(database: Database) -> None:
    store = library_with_movie(database)
    store.add_favorite(CONSUMER.id, 550, NOON)
    with pytest.raises(IntegrityError):
        execute(database, movies.delete())


# SQLite configuration


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 1)]
)
def test_every_sqlite_connection_is_configured(
    sqlite: Database, pragma: str, value: str | int
) -> None:
    with sqlite.reading() as one, sqlite.reading() as other:
        assert one.scalar(text(f"PRAGMA {pragma}")) == value
        assert other.scalar(text(f"PRAGMA {pragma}")) == value


# Datetimes


def created_at(database: Database, at: datetime) -> datetime:
    execute(database, users.insert().values({**USER_ROW, "created_at": at}))
    with database.reading() as connection:
        found: datetime = connection.execute(select(users.c.created_at)).scalar_one()
    return found


@pytest.mark.parametrize("hours", [0, -3, 14])
def test_datetime_round_trips_as_aware_utc(database: Database, hours: int) -> None:
    local_time = datetime(2026, 1, 1, 0, 30, 15, 123456, timezone(timedelta(hours=hours)))
    found = created_at(database, local_time)
    assert found == local_time
    assert found.tzinfo is UTC


def test_datetime_is_in_utc_regardless_of_the_session_time_zone(
    postgresql: Database,
) -> None:
    with postgresql.writing() as connection:
        connection.execute(text("SET LOCAL TIME ZONE 'America/Buenos_Aires'"))
        connection.execute(INSERT_USER)
        assert connection.execute(select(users.c.created_at)).scalar_one().tzinfo is UTC


def test_naive_datetime_is_rejected(database: Database) -> None:
    with pytest.raises(StatementError, match="the datetime must have a time zone"):
        created_at(database, NOON.replace(tzinfo=None))


def test_naive_correction_time_is_rejected(database: Database) -> None:
    store = library_with_movie(database)
    store.rate(CONSUMER.id, 550, Stars.of(3), NOON)
    with pytest.raises(StatementError, match="the datetime must have a time zone"):
        store.update_rating(CONSUMER.id, 550, Stars.of(4), NOON.replace(tzinfo=None))


# Deleted users


def test_deleting_a_user_deletes_their_tokens_favorites_and_ratings(database: Database) -> None:
    store = library_with_movie(database)
    store.add_favorite(CONSUMER.id, 550, NOON)
    store.rate(CONSUMER.id, 550, Stars.of(3), NOON)
    with database.writing() as connection:
        connection.execute(users.delete().where(users.c.id == CONSUMER.id))
        assert connection.execute(select(user_movies)).all() == []
    assert SqlAccounts(database).find_bearer(f"{CONSUMER.id:064}") is None
    with database.reading() as connection:
        assert connection.scalar(select(movies.c.id)) == 550
