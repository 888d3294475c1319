"""Empty databases, before their first migration."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from butaca.adapters.sql import Database


@pytest.fixture
def fresh_sqlite(tmp_path: Path) -> Iterator[Database]:
    """A SQLite file without tables."""
    database = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    database.create()
    yield database
    database.close()


@pytest.fixture
def fresh_postgresql(postgresql_url: str) -> Iterator[Database]:
    """A PostgreSQL database without tables, on the server that all tests share."""
    name = f"butaca_{uuid4().hex}"
    server = create_engine(postgresql_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(postgresql_url).set(database=name)
    database = Database(url.render_as_string(hide_password=False))
    yield database
    database.close()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["fresh_sqlite", "fresh_postgresql"])
def fresh(request: pytest.FixtureRequest) -> Database:
    """A database without tables, one for each supported engine."""
    database: Database = request.getfixturevalue(request.param)
    return database
