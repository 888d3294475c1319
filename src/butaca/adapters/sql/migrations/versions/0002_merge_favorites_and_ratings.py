"""Merge favorites and ratings into one table with all columns to filter and sort by."""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BATCH_SIZE = 500
MAX_TITLE_LENGTH = 200

_movies = sa.table("movies", sa.column("id"), sa.column("details"))
_genres = sa.table("movie_genres", sa.column("movie_id"), sa.column("genre_id"))
_translations = sa.table(
    "translations",
    *(sa.column(name) for name in ("movie_id", "language", "region", "texts", "sort_title")),
)

_COPY_FAVORITES = """
INSERT INTO user_movies (user_id, movie_id, favorited_at, half_stars, rated_at, corrected_at,
    release_date, sort_title)
SELECT f.user_id, f.movie_id, f.favorited_at, r.half_stars, r.rated_at, r.corrected_at,
    m.release_date, m.sort_title
FROM favorites f
JOIN movies m ON m.id = f.movie_id
LEFT JOIN ratings r ON r.user_id = f.user_id AND r.movie_id = f.movie_id
"""

_COPY_OTHER_RATINGS = """
INSERT INTO user_movies (user_id, movie_id, half_stars, rated_at, corrected_at,
    release_date, sort_title)
SELECT r.user_id, r.movie_id, r.half_stars, r.rated_at, r.corrected_at,
    m.release_date, m.sort_title
FROM ratings r
JOIN movies m ON m.id = r.movie_id
LEFT JOIN favorites f ON f.user_id = r.user_id AND f.movie_id = r.movie_id
WHERE f.user_id IS NULL
"""


def upgrade() -> None:
    """Merge favorites and ratings; add columns and a table to search movies by."""
    _extend_movies()
    _copy_genres()
    _fold_translated_titles()
    _create_user_movies()
    op.execute(_COPY_FAVORITES)
    op.execute(_COPY_OTHER_RATINGS)
    _index_user_movies()
    op.drop_table("favorites")
    op.drop_table("ratings")


def _folded_text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _extend_movies() -> None:
    for name in ("gone_at", "checked_at"):
        op.add_column("movies", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE movies SET sort_title = substr(sort_title, 1, 200)")
    op.add_column("translations", sa.Column("sort_title", _folded_text(), nullable=True))
    op.create_table(
        "movie_genres",
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("genre_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["movie_id"], ["movies.id"], name=op.f("fk_movie_genres_movie_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("movie_id", "genre_id", name=op.f("pk_movie_genres")),
    )


def _copy_genres() -> None:
    for rows in _batches(_movies.c.id, _movies.c.details):
        genres = {
            (row.id, genre["id"]) for row in rows for genre in json.loads(row.details)["genres"]
        }
        if genres:
            genre_rows = [{"movie_id": movie, "genre_id": genre} for movie, genre in genres]
            op.get_bind().execute(_genres.insert(), genre_rows)


def _fold_translated_titles() -> None:
    t = _translations.c
    for movies in _batches(_movies.c.id):
        is_in_batch = t.movie_id.in_([movie.id for movie in movies])
        rows = op.get_bind().execute(sa.select(_translations).where(is_in_batch)).all()
        titles = [
            {"m": row.movie_id, "l": row.language, "r": row.region, "title": _folded(title)}
            for row in rows
            if (title := json.loads(row.texts).get("title"))
        ]
        if titles:
            is_row = (
                (t.movie_id == sa.bindparam("m"))
                & (t.language == sa.bindparam("l"))
                & (t.region == sa.bindparam("r"))
            )
            fold = _translations.update().where(is_row).values(sort_title=sa.bindparam("title"))
            op.get_bind().execute(fold, titles)


def _folded(title: str) -> str:
    """Return a title without case and accents, as the release with this migration folds it."""
    letters = unicodedata.normalize("NFKD", title).casefold()
    folded = "".join(c for c in letters if not unicodedata.combining(c) and c != "\0")
    return folded[:MAX_TITLE_LENGTH]


def _batches(*columns: sa.ColumnElement[Any]) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield some columns of all movies, in batches."""
    last = -1
    statement = sa.select(*columns).order_by(_movies.c.id).limit(BATCH_SIZE)
    while rows := op.get_bind().execute(statement.where(_movies.c.id > last)).all():
        yield rows
        last = rows[-1].id


def _create_user_movies() -> None:
    op.create_table(
        "user_movies",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("favorited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("half_stars", sa.SmallInteger(), nullable=True),
        sa.Column("rated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("corrected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release_date", sa.Date(), nullable=True),
        sa.Column("sort_title", _folded_text(), nullable=False),
        sa.CheckConstraint("half_stars BETWEEN 0 AND 10", name=op.f("ck_user_movies_half_stars")),
        sa.CheckConstraint(
            "(half_stars IS NULL) = (rated_at IS NULL)", name=op.f("ck_user_movies_rated_at")
        ),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], name=op.f("fk_user_movies_movie_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_movies_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "movie_id", name=op.f("pk_user_movies")),
    )


def _index_user_movies() -> None:
    op.create_index(op.f("ix_user_movies_movie_id"), "user_movies", ["movie_id"])
    # SQLite sorts NULL last in descending order anyway, and does not allow NULLS LAST in an index.
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    desc = "DESC NULLS LAST" if is_postgresql else "DESC"
    favorites = f"user_id, release_date {desc}, half_stars {desc}, movie_id, favorited_at"
    ratings = f"user_id, rated_at {desc}, movie_id, half_stars, corrected_at, release_date"
    for name, columns, required_column in (
        ("favorites", favorites, "favorited_at"),
        ("ratings", ratings, "half_stars"),
    ):
        op.execute(
            f"CREATE INDEX ix_user_movies_{name} ON user_movies ({columns}, sort_title)"
            f" WHERE {required_column} IS NOT NULL"
        )
