"""The tables, as of the latest migration."""

from datetime import UTC, datetime

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, even on databases without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a datetime to UTC. Raises ValueError if it is naive."""
        if value is not None and value.tzinfo is None:
            raise ValueError("the datetime must have a time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    # IDs up to 1000 are reserved, such as for the demo users. SQLite ignores `start`.
    Column("id", Integer, Identity(start=1001), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(10), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("role IN ('USER', 'ADMIN')", name="role"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

# Normalized text that is compared bytewise, for the same order on every database and locale.
FoldedText = Text().with_variant(Text(collation="C"), "postgresql")

movies = Table(
    "movies",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sort_title", FoldedText, nullable=False),
    Column("release_date", Date),
    Column("language", String(10), nullable=False),
    Column("details", Text, nullable=False),
    Column("fetched_at", UtcDateTime, nullable=False),
    # When it was last compared with TMDB. NULL means at `fetched_at`.
    Column("checked_at", UtcDateTime),
    # When TMDB was first found to have removed it.
    Column("gone_at", UtcDateTime),
)

movie_genres = Table(
    "movie_genres",
    metadata,
    Column("movie_id", ForeignKey("movies.id", ondelete="CASCADE"), primary_key=True),
    Column("genre_id", Integer, primary_key=True, autoincrement=False),
)

translations = Table(
    "translations",
    metadata,
    Column("movie_id", ForeignKey("movies.id", ondelete="CASCADE"), primary_key=True),
    Column("language", String(10), primary_key=True),
    Column("region", String(10), primary_key=True),
    Column("sort_title", FoldedText),
    Column("texts", Text, nullable=False),
)

# The movies of a user: favorites (`favorited_at`), rated movies (`half_stars`), or both. A row that
# is neither is deleted. `release_date` and `sort_title` are copied from the movie, so that a single
# index covers all columns to filter and sort a page by, except for the `favorite` filter on
# ratings.
user_movies = Table(
    "user_movies",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("movie_id", ForeignKey("movies.id"), primary_key=True),
    Column("favorited_at", UtcDateTime),
    Column("half_stars", SmallInteger),
    Column("rated_at", UtcDateTime),
    Column("corrected_at", UtcDateTime),
    Column("release_date", Date),
    Column("sort_title", FoldedText, nullable=False),
    Index(None, "movie_id"),
    CheckConstraint("half_stars BETWEEN 0 AND 10", name="half_stars"),
    CheckConstraint("(half_stars IS NULL) = (rated_at IS NULL)", name="rated_at"),
)
_columns = user_movies.c

Index(
    "ix_user_movies_favorites",
    _columns.user_id,
    _columns.release_date.desc().nulls_last(),
    _columns.half_stars.desc().nulls_last(),
    _columns.movie_id,
    _columns.favorited_at,
    _columns.sort_title,
    postgresql_where=_columns.favorited_at.is_not(None),
    sqlite_where=_columns.favorited_at.is_not(None),
)
Index(
    "ix_user_movies_ratings",
    _columns.user_id,
    _columns.rated_at.desc().nulls_last(),
    _columns.movie_id,
    _columns.half_stars,
    _columns.corrected_at,
    _columns.release_date,
    _columns.sort_title,
    postgresql_where=_columns.half_stars.is_not(None),
    sqlite_where=_columns.half_stars.is_not(None),
)
