"""The tables, as the newest migration leaves them."""

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
    """An aware moment in UTC, on databases that know of time zones and on those that do not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive moments; write the others in UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return moments aware."""
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
    # On PostgreSQL the first thousand are for IDs that somebody chose, such as the demo users'.
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

movies = Table(
    "movies",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Folded, and compared byte by byte: the same order on every database and in every locale.
    Column("sort_title", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False),
    Column("release_date", Date),
    Column("language", String(10), nullable=False),
    Column("details", Text, nullable=False),
    Column("fetched_at", Moment, nullable=False),
)

translations = Table(
    "translations",
    metadata,
    Column("movie_id", ForeignKey("movies.id", ondelete="CASCADE"), primary_key=True),
    Column("language", String(10), primary_key=True),
    Column("region", String(10), primary_key=True),
    Column("texts", Text, nullable=False),
)

favorites = Table(
    "favorites",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("movie_id", ForeignKey("movies.id"), primary_key=True),
    Column("favorited_at", Moment, nullable=False),
    Index(None, "movie_id"),
)

ratings = Table(
    "ratings",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("movie_id", ForeignKey("movies.id"), primary_key=True),
    Column("half_stars", SmallInteger, nullable=False),
    Column("rated_at", Moment, nullable=False),
    Column("corrected_at", Moment),
    Index(None, "movie_id"),
    CheckConstraint("half_stars BETWEEN 0 AND 10", name="half_stars"),
)
