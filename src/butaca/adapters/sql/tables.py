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


class Moment(TypeDecorator[datetime]):
    """An aware datetime in UTC, even on databases without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a datetime to UTC. Raises ValueError if it is naive."""
        if value is not None and value.tzinfo is None:
            raise ValueError("the datetime must have a time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the datetime as aware."""
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
    # On PostgreSQL, IDs up to 1000 are reserved for those that we choose, such as the demo users'.
    Column("id", Integer, Identity(start=1001), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(10), nullable=False),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("role IN ('USER', 'ADMIN')", name="role"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
)

# Normalized text, compared bytewise: the order is the same on every database and in every locale.
Folded = Text().with_variant(Text(collation="C"), "postgresql")

movies = Table(
    "movies",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sort_title", Folded, nullable=False),
    Column("release_date", Date),
    Column("language", String(10), nullable=False),
    Column("details", Text, nullable=False),
    Column("fetched_at", Moment, nullable=False),
    # When it was last found to match TMDB, or to be gone; NULL: when it was fetched.
    Column("checked_at", Moment),
    # Since when TMDB has been known not to have it.
    Column("gone_at", Moment),
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
    Column("sort_title", Folded),
    Column("texts", Text, nullable=False),
)

# The movies of a user: favorites (`favorited_at`), rated movies (`half_stars`), or both. A row that
# is neither is deleted. `release_date` and `sort_title` are copied from the movie, so that a single
# index covers everything by which a page is selected and sorted, but for the `favorite` filter on
# ratings.
user_movies = Table(
    "user_movies",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("movie_id", ForeignKey("movies.id"), primary_key=True),
    Column("favorited_at", Moment),
    Column("half_stars", SmallInteger),
    Column("rated_at", Moment),
    Column("corrected_at", Moment),
    Column("release_date", Date),
    Column("sort_title", Folded, nullable=False),
    Index(None, "movie_id"),
    CheckConstraint("half_stars BETWEEN 0 AND 10", name="half_stars"),
    CheckConstraint("(half_stars IS NULL) = (rated_at IS NULL)", name="rated_at"),
)
_mine = user_movies.c

Index(
    "ix_user_movies_favorites",
    _mine.user_id,
    _mine.release_date.desc().nulls_last(),
    _mine.half_stars.desc().nulls_last(),
    _mine.movie_id,
    _mine.favorited_at,
    _mine.sort_title,
    postgresql_where=_mine.favorited_at.is_not(None),
    sqlite_where=_mine.favorited_at.is_not(None),
)
Index(
    "ix_user_movies_ratings",
    _mine.user_id,
    _mine.rated_at.desc().nulls_last(),
    _mine.movie_id,
    _mine.half_stars,
    _mine.corrected_at,
    _mine.release_date,
    _mine.sort_title,
    postgresql_where=_mine.half_stars.is_not(None),
    sqlite_where=_mine.half_stars.is_not(None),
)
