"""The serving database role can change rows, and nothing else."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, schema
from butaca.core.clock import utc_now
from butaca.core.models import Role, Stars
from tests.builders import make_record
from tests.deploy.manifests import ROOT
from tests.postgresql_server import pgserver_instance

ROLES = (ROOT / "deploy" / "postgresql" / "roles.sql").read_text()


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """The URLs of both roles for a database that the owner has migrated."""
    with pgserver_instance() as server:
        url = make_url(server.get_uri(driver="psycopg"))
        with closing(Database(str(url))) as superuser, superuser.writing() as connection:
            connection.execute(text(ROLES))
        urls = {
            role: url.set(username=role).render_as_string() for role in ("butaca_owner", "butaca")
        }
        with closing(Database(urls["butaca_owner"])) as owner:
            schema.migrate(owner)
        yield urls


@pytest.fixture
def serving(urls: dict[str, str]) -> Iterator[Database]:
    with closing(Database(urls["butaca"])) as database:
        yield database


def test_serving_role_can_check_the_schema(serving: Database) -> None:
    assert schema.is_current(serving)


def test_serving_role_can_read_and_write_rows(serving: Database) -> None:
    accounts, library = SqlAccounts(serving), SqlLibrary(serving)
    ana = accounts.add_user("ana", Role.USER, at=utc_now())
    token = accounts.add_token(ana, "0" * 64, at=utc_now(), expires_at=None)
    assert accounts.revoke_token(token.id, at=utc_now())
    library.save_movie(make_record(550), at=utc_now())
    library.add_favorite(ana.id, 550, at=utc_now())
    library.rate(ana.id, 550, Stars(9), at=utc_now())
    assert library.clear_favorites(ana.id) == 1
    assert library.find_rating(ana.id, 550) is not None


def test_serving_role_can_manage_users_and_tokens(serving: Database) -> None:
    accounts, library = SqlAccounts(serving), SqlLibrary(serving)
    eva = accounts.add_user("eva", Role.USER, at=utc_now())
    accounts.add_token(eva, "1" * 64, at=utc_now(), expires_at=None)
    library.save_movie(make_record(551), at=utc_now())
    library.add_favorite(eva.id, 551, at=utc_now())
    assert accounts.set_role(eva.id, Role.ADMIN)
    assert len(accounts.revoke_tokens(eva.id, at=utc_now())) == 1
    assert accounts.remove_user(eva.id)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id integer)",
        "DROP TABLE users",
        "ALTER TABLE users ADD COLUMN mine integer",
        "TRUNCATE users CASCADE",
        "CREATE ROLE mine",
        "COPY users TO PROGRAM 'true'",
    ],
)
def test_serving_role_can_only_change_rows(serving: Database, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match=r"(?i)must be owner|permission denied"),
        serving.writing() as connection,
    ):
        connection.execute(text(statement))
