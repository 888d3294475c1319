"""Users and tokens in SQL. Only the SHA-256 of a token is stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    delete,
    func,
    insert,
    select,
    update,
)

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.statements import insert_new
from butaca.adapters.sql.tables import tokens, user_movies, users
from butaca.core.errors import NameTaken
from butaca.core.models import Role, Token, User
from butaca.core.ports import Bearer

LAST_RESERVED_ID = 1000
"""IDs up to this one are reserved, such as those of the demo users; higher ones are generated."""


class SqlAccounts:
    """The users and tokens in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return the owner of a token, even if it is revoked or expired."""
        with self._database.reading() as connection:
            row = connection.execute(_select_tokens(tokens.c.sha256 == token_sha256)).one_or_none()
        return None if row is None else _to_bearer(row)

    def find_user(self, user_id: int) -> User | None:
        """Return a user by ID."""
        with self._database.reading() as connection:
            return _find_user(connection, users.c.id == user_id)

    def find_user_by_name(self, name: str) -> User | None:
        """Return the user with exactly this name."""
        with self._database.reading() as connection:
            return _find_user(connection, users.c.name == name)

    def all_users(self) -> tuple[User, ...]:
        """Return all users, ordered by ID."""
        with self._database.reading() as connection:
            return tuple(map(_to_user, connection.execute(select(users).order_by(users.c.id))))

    def add_user(self, name: str, role: Role, at: datetime) -> User:
        """Store a new user with an ID above 1000. Raises NameTaken."""
        values = {"name": name, "role": role, "created_at": at}
        with self._database.writing() as connection:
            if not insert_new(connection, users, {**_new_id(connection), **values}):
                raise NameTaken
            return _to_user(connection.execute(select(users).where(users.c.name == name)).one())

    def set_role(self, user_id: int, role: Role) -> bool:
        """Change the role of a user; return whether the user exists."""
        statement = update(users).where(users.c.id == user_id).values(role=role)
        with self._database.writing() as connection:
            return connection.execute(statement).rowcount > 0

    def remove_user(self, user_id: int) -> bool:
        """Delete a user with all tokens, favorites and ratings; return whether the user existed."""
        rows = select(user_movies.c.movie_id).where(user_movies.c.user_id == user_id)
        with self._database.writing() as connection:
            # Lock in the same order as `SqlLibrary.clear_favorites`, to avoid a deadlock.
            connection.execute(rows.order_by(user_movies.c.movie_id).with_for_update()).all()
            # The foreign keys of the other tables cascade.
            if not connection.execute(delete(users).where(users.c.id == user_id)).rowcount:
                return False
            _retire_id(connection, user_id)
        return True

    def add_token(
        self, owner: User, token_sha256: str, at: datetime, expires_at: datetime | None
    ) -> Token:
        """Store a token of a user, created at `at`, that expires at `expires_at` or never."""
        row = {
            "user_id": owner.id,
            "sha256": token_sha256,
            "created_at": at,
            "expires_at": expires_at,
        }
        with self._database.writing() as connection:
            token_id = connection.scalar(insert(tokens).returning(tokens.c.id), row)
            return _to_token(connection.execute(_select_tokens(tokens.c.id == token_id)).one())

    def find_token(self, token_id: int) -> Token | None:
        """Return a token by ID, even if it is revoked or expired."""
        with self._database.reading() as connection:
            row = connection.execute(_select_tokens(tokens.c.id == token_id)).one_or_none()
        return None if row is None else _to_token(row)

    def tokens(self, user_id: int | None = None) -> tuple[Token, ...]:
        """Return the tokens of one user or of all users, ordered by ID."""
        conditions = () if user_id is None else (tokens.c.user_id == user_id,)
        statement = _select_tokens(*conditions).order_by(tokens.c.id)
        with self._database.reading() as connection:
            return tuple(map(_to_token, connection.execute(statement)))

    def grant_token(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store a user with a token, or make that token valid again."""
        user_row = {"id": user.id, "name": user.name, "role": user.role, "created_at": at}
        token_row = {"user_id": user.id, "sha256": token_sha256, "created_at": at}
        with self._database.writing() as connection:
            insert_new(connection, users, user_row)
            if _find_user(connection, users.c.id == user.id) != user:
                return False
            insert_new(connection, tokens, token_row)
            is_owned = (tokens.c.sha256 == token_sha256) & (tokens.c.user_id == user.id)
            statement = update(tokens).where(is_owned).values(revoked_at=None)
            return connection.execute(statement).rowcount > 0

    def revoke_by_digest(self, token_sha256: str, at: datetime) -> bool:
        """Revoke a token; return whether it existed and was not revoked before."""
        return self._revoke(tokens.c.sha256 == token_sha256, at)

    def revoke_token(self, token_id: int, at: datetime) -> bool:
        """Revoke a token; return whether it existed and was not revoked before."""
        return self._revoke(tokens.c.id == token_id, at)

    def revoke_tokens(self, user_id: int, at: datetime) -> tuple[int, ...]:
        """Revoke all tokens of a user; return the IDs of those not revoked before, in order."""
        statement = _revocation(tokens.c.user_id == user_id, at).returning(tokens.c.id)
        with self._database.writing() as connection:
            return tuple(sorted(connection.scalars(statement)))

    def _revoke(self, condition: ColumnElement[bool], at: datetime) -> bool:
        with self._database.writing() as connection:
            return connection.execute(_revocation(condition, at)).rowcount > 0


def _new_id(connection: Connection) -> dict[str, Any]:
    if connection.dialect.name != "sqlite":
        return {}  # The identity column generates one above the reserved IDs.
    # SQLite has no identity columns. Its writers are serialized, so this does not race.
    return {"id": max(LAST_RESERVED_ID, _last_id(connection), _last_retired_id(connection)) + 1}


def _last_id(connection: Connection) -> int:
    return connection.scalar(select(func.max(users.c.id))) or 0


def _last_retired_id(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _retire_id(connection: Connection, user_id: int) -> None:
    """Ensure that the ID is never reused: pods may have cached the removed user under it."""
    if connection.dialect.name != "sqlite":
        return  # An identity column never generates a value twice.
    # `user_version` is an integer in the file header, free for applications to use, and
    # transactional.
    last = max(user_id, _last_retired_id(connection))
    connection.exec_driver_sql(f"PRAGMA user_version = {last}")


def _select_tokens(*conditions: ColumnElement[bool]) -> Select[Any]:
    with_owners = tokens.join(users, users.c.id == tokens.c.user_id)
    return select(tokens, users.c.name, users.c.role).select_from(with_owners).where(*conditions)


def _find_user(connection: Connection, condition: ColumnElement[bool]) -> User | None:
    row = connection.execute(select(users).where(condition)).one_or_none()
    return None if row is None else _to_user(row)


def _to_user(row: Any) -> User:
    return User(row.id, row.name, Role(row.role))


def _to_owner(row: Any) -> User:
    return User(row.user_id, row.name, Role(row.role))


def _to_bearer(row: Any) -> Bearer:
    return Bearer(_to_owner(row), row.sha256, row.expires_at, row.revoked_at)


def _to_token(row: Any) -> Token:
    return Token(row.id, _to_owner(row), row.created_at, row.expires_at, row.revoked_at)


def _revocation(condition: ColumnElement[bool], at: datetime) -> Update:
    return update(tokens).where(condition, tokens.c.revoked_at.is_(None)).values(revoked_at=at)
