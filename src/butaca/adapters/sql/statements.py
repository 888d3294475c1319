"""Statements that differ between PostgreSQL and SQLite."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key exists; return whether it was inserted."""
    insert = _INSERTS[connection.dialect.name](table).values(row).on_conflict_do_nothing()
    return connection.scalar(insert.returning(literal(1))) is not None


def insert_or_set_if_null(
    connection: Connection, table: Table, row: Select[Any], columns: Sequence[str]
) -> bool:
    """Insert a selected row, or set these columns of the row with its primary key.

    They are set only if the first of them is null. The row is locked in any case. Return whether
    a row was inserted or updated.
    """
    insert = _INSERTS[connection.dialect.name](table)
    insert = insert.from_select(row.selected_columns.keys(), row)
    statement = insert.on_conflict_do_update(
        index_elements=table.primary_key,
        set_={name: insert.excluded[name] for name in columns},
        where=table.c[columns[0]].is_(None),
    )
    return connection.scalar(statement.returning(literal(1))) is not None


def upsert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or replace the one with its primary key."""
    insert = _INSERTS[connection.dialect.name](table).values(row)
    connection.execute(insert.on_conflict_do_update(index_elements=table.primary_key, set_=row))


def in_ids(column: ColumnElement[int], dialect: str) -> ColumnElement[bool]:
    """Return the condition that a column is in `ids`, the parameter built by `ids_parameter`.

    It is a single text parameter for any number of IDs, because psycopg takes longer to serialize
    an array than PostgreSQL takes to parse one.
    """
    ids = bindparam("ids", type_=Text)
    if dialect == "postgresql":
        return column == any_(cast(ids, ARRAY(Integer)))
    return column.in_(select(func.json_each(ids).table_valued("value").c.value))


def ids_parameter(ids: Iterable[int], dialect: str) -> dict[str, str]:
    """Return the parameter of `in_ids`: an array literal for PostgreSQL, JSON for SQLite."""
    joined = ",".join(map(str, ids))
    return {"ids": f"{{{joined}}}" if dialect == "postgresql" else f"[{joined}]"}
