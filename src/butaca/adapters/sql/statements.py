"""The two statements that PostgreSQL and SQLite share without a common name."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, literal
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is taken; tell whether it was inserted."""
    insert = _INSERTS[connection.dialect.name](table).values(row).on_conflict_do_nothing()
    return connection.scalar(insert.returning(literal(1))) is not None


def upsert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or replace the one that has its primary key."""
    insert = _INSERTS[connection.dialect.name](table).values(row)
    connection.execute(insert.on_conflict_do_update(index_elements=table.primary_key, set_=row))
