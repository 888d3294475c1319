"""Why a database is away is told in a few words of its driver, and never with a secret."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from butaca.adapters.sql import Database, Limits
from butaca.adapters.sql.reasons import reason
from butaca.core.errors import LibraryUnavailable


def why(url: str) -> str | None:
    """Return why the database at a URL is away."""
    with closing(Database(url)) as database, pytest.raises(LibraryUnavailable) as failure:
        database.ping()
    return reason(failure.value)


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]


@pytest.fixture
def url(postgresql_url: str) -> URL:
    return make_url(postgresql_url)


def test_a_connection_that_is_refused_is_told(port: int) -> None:
    assert why(f"postgresql+psycopg://me:hunter2@127.0.0.1:{port}/butaca") == "connection refused"


def test_a_database_that_is_not_there_is_told_without_its_name(url: URL) -> None:
    told = why(url.set(database="hunter2").render_as_string(hide_password=False))
    assert told == "database does not exist"


def test_a_role_that_is_not_there_is_told_without_its_name(url: URL) -> None:
    told = why(url.set(username="hunter2").render_as_string(hide_password=False))
    assert told in {"role does not exist", "password authentication failed"}


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    assert why(f"sqlite:///{tmp_path / 'hunter2' / 'butaca.db'}") == "unable to open database file"


def test_a_file_that_another_writes_is_told(sqlite: Database) -> None:
    url = sqlite.engine.url.render_as_string(hide_password=False)
    with (
        closing(Database(url, limits=Limits(statement=0))) as hurried,
        sqlite.writing(),
        pytest.raises(LibraryUnavailable) as failure,
        hurried.writing(),
    ):
        pass
    assert reason(failure.value) == "database is locked"


@pytest.mark.parametrize(
    ("said", "told"),
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
def test_what_a_driver_says_is_cut_to_what_is_known(said: str, told: str) -> None:
    assert reason(OSError(said)) == told


def test_what_is_not_known_is_not_repeated() -> None:
    assert reason(OSError("hunter2")) is None
