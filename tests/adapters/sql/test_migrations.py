"""Migrations preserve the data of earlier releases."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import TextClause, select, text

from butaca.adapters.sql import Database, SqlLibrary, schema
from butaca.adapters.sql.rows import movie_row, translation_rows
from butaca.adapters.sql.schema import migrate
from butaca.adapters.sql.tables import user_movies
from butaca.core.listing import FAVORITE_KEYS, Filter, ListQuery, sort_order
from butaca.core.models import Genre, Rating, Stars
from tests.builders import CONSUMER, NOON, make_record, make_translation

ME, LATER = CONSUMER.id, NOON + timedelta(hours=1)
MIGRATIONS = sorted(Path(schema.__file__).parent.glob("migrations/versions/*.py"))
RECORDS = (
    make_record(1, make_translation("es", "ES", title="Él"), genres=(Genre(18, "Drama"),)),
    make_record(2, title="T" * 300, genres=()),
    make_record(3, make_translation("es", "ES", title=None)),
)


def migrate_to(database: Database, revision: str) -> None:
    with database.writing() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def create_0001_database(database: Database) -> None:
    """Create a database of the first release.

    Movie 1 is favorited and rated, 2 is favorited, and 3 is rated.
    """
    migrate_to(database, "0001")
    with database.writing() as connection:
        for record in RECORDS:
            row = {**movie_row(record, NOON), "sort_title": record.details.title.lower()}
            connection.execute(
                _with_values(
                    "INSERT INTO movies VALUES"
                    " (:id, :sort_title, :release_date, :language, :details, :fetched_at)",
                    row,
                )
            )
            for translation in translation_rows(record):
                connection.execute(
                    _with_values(
                        "INSERT INTO translations VALUES (:movie_id, :language, :region, :texts)",
                        translation,
                    )
                )
        for statement in (
            "INSERT INTO users VALUES (2, 'consumer', 'USER', :noon)",
            "INSERT INTO favorites VALUES (2, 1, :noon), (2, 2, :later)",
            "INSERT INTO ratings VALUES (2, 1, 9, :noon, :later), (2, 3, 0, :later, NULL)",
        ):
            connection.execute(_with_values(statement, {"noon": NOON, "later": LATER}))


def _with_values(statement: str, values: Mapping[str, object]) -> TextClause:
    """Return a statement with typed values, which SQLAlchemy converts like those of columns."""
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    return text(statement).bindparams(**used)


def test_favorites_and_ratings_survive_the_merge(fresh: Database) -> None:
    create_0001_database(fresh)
    migrate(fresh)
    store = SqlLibrary(fresh)

    page = store.favorites(ME, ListQuery(sort_order("favorited_at", FAVORITE_KEYS)))

    favorites = [(each.movie, each.rating, each.favorited_at) for each in page.results]
    assert favorites == [(RECORDS[0].details, Stars(9), NOON), (RECORDS[1].details, None, LATER)]
    assert store.find_rating(ME, 1) == Rating(RECORDS[0].details, Stars(9), NOON, LATER)
    assert store.find_rating(ME, 3) == Rating(RECORDS[2].details, Stars(0), LATER, None)


def test_filter_and_sort_columns_are_populated(fresh: Database) -> None:
    create_0001_database(fresh)
    migrate(fresh)
    store = SqlLibrary(fresh)

    def favorite_ids(**filters: object) -> list[int]:
        query = ListQuery((), language="es", filter=Filter(**filters))  # type: ignore[arg-type]
        return [each.movie.id for each in store.favorites(ME, query).results]

    assert favorite_ids(genre=18) == [1]
    assert favorite_ids(title="el") == [1]
    assert favorite_ids(title="t" * 200) == [2]
    with fresh.reading() as connection:
        assert max(map(len, connection.scalars(select(user_movies.c.sort_title)))) == 200


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem[:4])
def test_migrations_do_not_depend_on_application_code(migration: Path) -> None:
    assert "butaca" not in migration.read_text(encoding="utf-8")


def test_first_schema_without_rows_is_migrated(fresh: Database) -> None:
    migrate_to(fresh, "0001")
    migrate(fresh)
    assert schema.is_current(fresh)
