"""The migrations create the tables of the stores, from an empty database and only once."""

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


def test_a_fresh_database_is_not_current(fresh: Database) -> None:
    assert not is_current(fresh)


def test_asking_whether_a_database_is_current_changes_nothing(fresh: Database) -> None:
    is_current(fresh)
    assert inspect(fresh.engine).get_table_names() == []


def test_migrating_makes_a_database_current(fresh: Database) -> None:
    migrate(fresh)
    assert is_current(fresh)
    assert set(inspect(fresh.engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_database_of_another_release_is_not_current(fresh: Database) -> None:
    migrate(fresh)
    with fresh.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    assert not is_current(fresh)


def test_what_a_release_works_with_is_its_last_migration() -> None:
    assert ScriptDirectory.from_config(schema._config()).get_heads() == [schema.CURRENT]


def test_migrating_again_changes_nothing(fresh: Database) -> None:
    migrate(fresh)
    store = stocked_library(fresh)
    migrate(fresh)
    assert is_current(fresh)
    assert store.find_rating(CONSUMER.id, 550) is not None


def test_migrations_make_the_tables_that_the_stores_name(fresh: Database) -> None:
    migrate(fresh)
    with fresh.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_migration_that_fails_leaves_nothing(fresh: Database) -> None:
    with fresh.writing() as connection:
        connection.execute(text("CREATE TABLE translations (id INTEGER)"))  # The last one made.
    with pytest.raises((OperationalError, ProgrammingError), match="translations"):
        migrate(fresh)
    assert inspect(fresh.engine).get_table_names() == ["translations"]


def test_of_two_that_migrate_at_once_both_succeed(fresh: Database) -> None:
    together = Barrier(2, timeout=10)

    def migrate_together() -> None:
        together.wait()
        migrate(fresh)

    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(migrate_together) for _ in range(2)]:
            one.result(timeout=30)
    assert is_current(fresh)


def test_of_four_pods_that_migrate_at_once_all_succeed(fresh: Database) -> None:
    url = fresh.engine.url.render_as_string(hide_password=False)
    migrating = [
        subprocess.Popen(
            [sys.executable, "-m", "butaca", "migrate"],
            env={**os.environ, "DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(4)
    ]
    told = [each.communicate(timeout=60)[0] for each in migrating]
    assert told == ["The schema is up to date.\n"] * 4
    assert [each.returncode for each in migrating] == [0] * 4
    assert is_current(fresh)


def test_whoever_waits_for_another_to_migrate_is_patient(fresh_postgresql: Database) -> None:
    url = fresh_postgresql.engine.url.render_as_string(hide_password=False)
    hurried = Database(url, limits=Limits(answer=0.2))

    @event.listens_for(hurried.engine, "connect")
    def hurry(session: Any, _record: object) -> None:
        session.execute("SET lock_timeout = '1ms'")
        session.commit()

    migrating = text(f"SELECT pg_advisory_xact_lock({schema._LOCK})")
    waits_longer = text(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"
        " AND clock_timestamp() - waitstart > interval '300 ms'"
    )
    with ThreadPoolExecutor(1) as pool:
        with fresh_postgresql.writing() as connection:
            connection.execute(migrating)
            other = pool.submit(migrate, hurried)
            while not other.done() and not connection.scalar(waits_longer):
                pass
        other.result(timeout=30)
    hurried.close()
    assert is_current(fresh_postgresql)


def test_titles_are_compared_byte_by_byte_in_every_locale(postgresql: Database) -> None:
    columns = {
        each["name"]: each["type"] for each in inspect(postgresql.engine).get_columns("movies")
    }
    assert getattr(columns["sort_title"], "collation", None) == "C"


def test_the_folder_of_the_migrations_may_have_any_name(
    fresh_sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "100%(here)s:there"
    folder.symlink_to(schema._MIGRATIONS)
    monkeypatch.setattr(schema, "_MIGRATIONS", folder)
    migrate(fresh_sqlite)
    assert is_current(fresh_sqlite)


def stocked_library(database: Database) -> SqlLibrary:
    SqlAccounts(database).grant_token(CONSUMER, "0" * 64, NOON)
    store = SqlLibrary(database)
    store.save_movie(make_record(550), NOON)
    store.save_movie(make_record(551), NOON)
    store.rate(CONSUMER.id, 550, Stars.of(3), NOON)
    return store


def refuses(database: Database, table: Table, row: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), database.writing() as connection:
        connection.execute(table.insert(), row)


@pytest.mark.parametrize("half_stars", [-1, 11])
def test_the_database_itself_refuses_stars_out_of_range(
    database: Database, half_stars: int
) -> None:
    stocked_library(database)
    row = {"user_id": 2, "movie_id": 551, "half_stars": half_stars, "rated_at": NOON}
    refuses(database, user_movies, {**row, "sort_title": ""}, "ck_user_movies_half_stars")


@pytest.mark.parametrize("role", ["KING", "admin", ""])
def test_the_database_itself_refuses_unknown_roles(database: Database, role: str) -> None:
    row = {"id": 3, "name": "somebody", "role": role, "created_at": NOON}
    refuses(database, users, row, "ck_users_role")


def test_the_database_itself_refuses_the_same_name_twice(database: Database) -> None:
    stocked_library(database)
    row = {"id": 3, "name": CONSUMER.name, "role": "USER", "created_at": NOON}
    refuses(database, users, row, r"users\.name|uq_users_name")


def test_people_without_an_id_of_choice_come_after_the_first_thousand(
    postgresql: Database,
) -> None:
    row = {"name": "somebody", "role": "USER", "created_at": NOON}
    with postgresql.writing() as connection:
        made = connection.execute(users.insert().returning(users.c.id), row).scalar_one()
    assert made == 1001
