"""The reason for an outage is in the driver's words, and contains no secrets."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from butaca.adapters.sql import Database, Limits
from butaca.adapters.sql.reasons import reason
from butaca.core.errors import LibraryUnavailable


def reason_at(url: str) -> str | None:
    """Return the reason why the database at a URL is unavailable."""
    with closing(Database(url)) as database, pytest.raises(LibraryUnavailable) as failure:
        database.ping()
    return reason(failure.value)


@pytest.fixture
def port() -> Iterator[int]:
    """A port that refuses connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@pytest.fixture
def url(postgresql_url: str) -> URL:
    return make_url(postgresql_url)


def test_refused_connection_is_reported(port: int) -> None:
    url = f"postgresql+psycopg://me:hunter2@127.0.0.1:{port}/butaca"
    assert reason_at(url) == "connection refused"


def test_missing_database_is_reported_without_its_name(url: URL) -> None:
    found = reason_at(url.set(database="hunter2").render_as_string(hide_password=False))
    assert found == "database does not exist"


def test_missing_role_is_reported_without_its_name(url: URL) -> None:
    found = reason_at(url.set(username="hunter2").render_as_string(hide_password=False))
    # A server that requires a password does not reveal which roles exist.
    assert found == ("password authentication failed" if url.password else "role does not exist")


def test_unopenable_file_is_reported(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hunter2' / 'butaca.db'}"
    assert reason_at(url) == "unable to open database file"


def test_locked_file_is_reported(sqlite: Database) -> None:
    url = sqlite.engine.url.render_as_string(hide_password=False)
    with (
        closing(Database(url, limits=Limits(statement_timeout=0))) as database_without_waits,
        sqlite.writing(),
        pytest.raises(LibraryUnavailable) as failure,
        database_without_waits.writing(),
    ):
        pass
    assert reason(failure.value) == "database is locked"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('FATAL:  password authentication failed for user "me"', "password authentication failed"),
        ("failed to resolve host 'db': [Errno -2] Name or service", "failed to resolve host"),
        ("connection timeout expired", "timeout expired"),
        ("[Errno -2] Name or service not known", "name or service not known"),
        (
            "FATAL:  remaining connection slots are reserved for roles",
            "remaining connection slots are reserved",
        ),
        (
            "FATAL:  the database system is in recovery mode",
            "the database system is in recovery mode",
        ),
        ('FATAL:  role "hunter2" is not permitted to log in', "is not permitted to log in"),
        ("The server did not answer in time.", "did not answer in time"),
        (
            "canceling statement due to lock timeout\nCONTEXT:  while locking tuple",
            "canceling statement due to lock timeout",
        ),
        ("FATAL:  sorry, too many clients already", "too many clients"),
        ("server does not support SSL, but SSL was required", "server does not support SSL"),
    ],
)
def test_driver_message_is_reduced_to_its_known_part(message: str, expected: str) -> None:
    assert reason(OSError(message)) == expected


def test_unknown_message_is_not_repeated() -> None:
    assert reason(OSError("hunter2")) is None
