"""Migrations create the tables that the stores use, and can be repeated and run concurrently."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Table, event, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from butaca.adapters.sql import Database, Limits, SqlAccounts, SqlLibrary, schema
from butaca.adapters.sql.schema import is_current, migrate
from butaca.adapters.sql.tables import metadata, user_movies, users
from butaca.core.models import Stars
from tests.builders import CONSUMER, NOON, make_record
from tests.waiting import wait_until


def test_empty_database_is_not_current(fresh: Database) -> None:
    assert not is_current(fresh)


def test_checking_the_schema_changes_nothing(fresh: Database) -> None:
    is_current(fresh)
    assert inspect(fresh.engine).get_table_names() == []


def test_migration_makes_the_schema_current(fresh: Database) -> None:
    migrate(fresh)
    assert is_current(fresh)
    assert set(inspect(fresh.engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_schema_of_another_release_is_not_current(fresh: Database) -> None:
    migrate(fresh)
    with fresh.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    assert not is_current(fresh)


def test_required_revision_is_the_latest_migration() -> None:
    assert ScriptDirectory.from_config(schema._config()).get_heads() == [schema.CURRENT_REVISION]


def test_repeated_migration_preserves_data(fresh: Database) -> None:
    migrate(fresh)
    store = library_with_rating(fresh)
    migrate(fresh)
    assert is_current(fresh)
    assert store.find_rating(CONSUMER.id, 550) is not None


def test_migrations_match_the_table_definitions(fresh: Database) -> None:
    migrate(fresh)
    with fresh.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_failed_migration_is_rolled_back(fresh: Database) -> None:
    with fresh.writing() as connection:
        connection.execute(text("CREATE TABLE translations (id INTEGER)"))  # The last one created.
    with pytest.raises((OperationalError, ProgrammingError), match="translations"):
        migrate(fresh)
    assert inspect(fresh.engine).get_table_names() == ["translations"]


def test_two_concurrent_migrations_succeed(fresh: Database) -> None:
    barrier = Barrier(2, timeout=10)

    def migrate_concurrently() -> None:
        barrier.wait()
        migrate(fresh)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(migrate_concurrently) for _ in range(2)]:
            future.result(timeout=30)
    assert is_current(fresh)


def test_four_pods_can_migrate_concurrently(fresh: Database) -> None:
    url = fresh.engine.url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "butaca", "migrate"],
            env={**os.environ, "DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(4)
    ]
    outputs = [each.communicate(timeout=60)[0] for each in processes]
    assert outputs == ["The schema is up to date.\n"] * 4
    assert [each.returncode for each in processes] == [0] * 4
    assert is_current(fresh)


def test_waiting_for_another_migration_has_no_timeout(fresh_postgresql: Database) -> None:
    url = fresh_postgresql.engine.url.render_as_string(hide_password=False)
    database_with_short_timeout = Database(url, limits=Limits(response_timeout=0.2))

    @event.listens_for(database_with_short_timeout.engine, "connect")
    def set_lock_timeout(session: Any, _record: object) -> None:
        session.execute("SET lock_timeout = '1ms'")
        session.commit()

    lock = text(f"SELECT pg_advisory_xact_lock({schema._LOCK_ID})")
    has_waited_300_ms = text(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"
        " AND clock_timestamp() - waitstart > interval '300 ms'"
    )
    with ThreadPoolExecutor(1) as pool:
        with fresh_postgresql.writing() as connection:
            connection.execute(lock)
            waiting = pool.submit(migrate, database_with_short_timeout)
            wait_until(lambda: waiting.done() or connection.scalar(has_waited_300_ms))
        waiting.result(timeout=30)
    database_with_short_timeout.close()
    assert is_current(fresh_postgresql)


def test_titles_have_bytewise_collation(postgresql: Database) -> None:
    columns = {
        each["name"]: each["type"] for each in inspect(postgresql.engine).get_columns("movies")
    }
    assert getattr(columns["sort_title"], "collation", None) == "C"


def test_migrations_folder_may_have_special_characters(
    fresh_sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "100%(here)s:there"
    folder.symlink_to(schema._MIGRATIONS)
    monkeypatch.setattr(schema, "_MIGRATIONS", folder)
    migrate(fresh_sqlite)
    assert is_current(fresh_sqlite)


def library_with_rating(database: Database) -> SqlLibrary:
    SqlAccounts(database).grant_token(CONSUMER, "0" * 64, NOON)
    store = SqlLibrary(database)
    store.save_movie(make_record(550), NOON)
    store.save_movie(make_record(551), NOON)
    store.rate(CONSUMER.id, 550, Stars.of(3), NOON)
    return store


def assert_rejects(database: Database, table: Table, row: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), database.writing() as connection:
        connection.execute(table.insert(), row)


@pytest.mark.parametrize("half_stars", [-1, 11])
def test_database_rejects_stars_out_of_range(database: Database, half_stars: int) -> None:
    library_with_rating(database)
    row = {"user_id": 2, "movie_id": 551, "half_stars": half_stars, "rated_at": NOON}
    assert_rejects(database, user_movies, {**row, "sort_title": ""}, "ck_user_movies_half_stars")


@pytest.mark.parametrize("role", ["KING", "admin", ""])
def test_database_rejects_unknown_roles(database: Database, role: str) -> None:
    row = {"id": 3, "name": "ana", "role": role, "created_at": NOON}
    assert_rejects(database, users, row, "ck_users_role")


def test_database_rejects_duplicate_names(database: Database) -> None:
    library_with_rating(database)
    row = {"id": 3, "name": CONSUMER.name, "role": "USER", "created_at": NOON}
    assert_rejects(database, users, row, r"users\.name|uq_users_name")


def test_generated_user_ids_start_at_1001(
    postgresql: Database,
) -> None:
    row = {"name": "ana", "role": "USER", "created_at": NOON}
    with postgresql.writing() as connection:
        user_id = connection.execute(users.insert().returning(users.c.id), row).scalar_one()
    assert user_id == 1001
