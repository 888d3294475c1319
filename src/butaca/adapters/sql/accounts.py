"""People and tokens in SQL. Of a token only its SHA-256 is here."""

from datetime import datetime

from sqlalchemy import Connection, Update, select, update

from butaca.adapters.sql.database import Database
from butaca.adapters.sql.statements import insert_new
from butaca.adapters.sql.tables import tokens, users
from butaca.core.models import Role, User
from butaca.core.ports import Bearer


class SqlAccounts:
    """The people who may call, in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        """Return whom a token speaks for, revoked and expired ones included."""
        wanted = (
            select(tokens, users.c.name, users.c.role)
            .join(users, users.c.id == tokens.c.user_id)
            .where(tokens.c.sha256 == token_sha256)
        )
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            return None
        return Bearer(
            user=User(row.user_id, row.name, Role(row.role)),
            token_sha256=row.sha256,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )

    def find_user(self, user_id: int) -> User | None:
        """Return somebody by ID."""
        with self._database.reading() as connection:
            return _user(connection, user_id)

    def let_in(self, user: User, token_sha256: str, at: datetime) -> bool:
        """Store somebody with a token, or make that token valid again."""
        person = {"id": user.id, "name": user.name, "role": user.role, "created_at": at}
        token = {"user_id": user.id, "sha256": token_sha256, "created_at": at}
        with self._database.writing() as connection:
            insert_new(connection, users, person)
            if _user(connection, user.id) != user:
                return False
            insert_new(connection, tokens, token)
            theirs = _token(token_sha256).where(tokens.c.user_id == user.id)
            return connection.execute(theirs.values(revoked_at=None)).rowcount > 0

    def revoke(self, token_sha256: str, at: datetime) -> bool:
        """Tell whether there was a valid token to revoke."""
        valid = _token(token_sha256).where(tokens.c.revoked_at.is_(None))
        with self._database.writing() as connection:
            return connection.execute(valid.values(revoked_at=at)).rowcount > 0


def _user(connection: Connection, user_id: int) -> User | None:
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return None if row is None else User(row.id, row.name, Role(row.role))


def _token(token_sha256: str) -> Update:
    return update(tokens).where(tokens.c.sha256 == token_sha256)
