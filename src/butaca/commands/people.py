"""`butaca users` and `butaca tokens`: management of users and their tokens."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from butaca.commands.database import chosen_database
from butaca.commands.durations import Duration
from butaca.commands.one_line import one_line
from butaca.commands.tables import Row, moment, show
from butaca.core.errors import TokenNotFound
from butaca.core.models import Role, Token, User

if TYPE_CHECKING:
    from butaca.core.people import People

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def users() -> None:
    """Manage the users of the API."""


@users.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.lower() for role in Role], case_sensitive=False),
    default=Role.USER.lower(),
    show_default=True,
    help="Role of the user; an admin can also view and clear the favorites of others.",
)
def add(name: str, role: str) -> None:
    """Add a user and print the ID.

    NAME must be unique, have 1 to 100 printable characters, and not be digits alone.
    """
    with _people() as people:
        user = people.add(name, Role(role.upper()))
    click.echo(user.id)
    click.echo(f"To issue a token: butaca tokens issue {user.id}", err=True)


@users.command("list")
@as_json
def list_users(as_json: bool) -> None:
    """List all users, by ID."""
    with _people() as people:
        everybody = people.everybody()
    show(map(_user_row, everybody), ("id", "role", "name"), as_json=as_json)


@click.group()
def tokens() -> None:
    """Manage the tokens of users."""


@tokens.command()
@click.argument("user")
@click.option(
    "--expires-in",
    type=Duration(),
    help="Lifetime of the token, such as 90d, 12h or 30m. By default, it never expires.",
)
def issue(user: str, expires_in: timedelta | None) -> None:
    """Issue a token to USER, given by ID or name, and print it.

    The token cannot be shown again, because only its SHA-256 is stored.
    """
    with _people() as people:
        token, secret = people.issue(people.who(user), expires_in)
    click.echo(secret)
    click.echo(
        f"Token {token.id} of {token.owner.name} cannot be shown again; {_until(token)}.", err=True
    )


@tokens.command("list")
@click.argument("user", required=False)
@as_json
def list_tokens(user: str | None, as_json: bool) -> None:
    """List the tokens of USER, given by ID or name, or of all users."""
    with _people() as people:
        found = people.tokens(None if user is None else people.who(user))
        rows = [_token_row(token, people.now()) for token in found]
    columns = ("id", "user_id", "state", "created_at", "expires_at", "revoked_at", "name")
    show(rows, columns, as_json=as_json)


@tokens.command()
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """Revoke a token, given by the ID that `butaca tokens list` shows."""
    with _people() as people:
        token = people.revoke(_number(token_id))
    click.echo(
        f"Token {token.id} of {token.owner.name} is revoked; all pods refuse it within 5 seconds.",
        err=True,
    )


@contextmanager
def _people() -> Iterator["People"]:
    """Open the user management at DATABASE_URL; report errors in one line."""
    from butaca.adapters.sql import SqlAccounts, schema
    from butaca.core.people import People

    with one_line(), chosen_database() as database:
        schema.check(database)
        yield People(SqlAccounts(database))


def _number(token_id: str) -> int:
    # The text is not repeated in the error, because it may be the token itself.
    if not re.fullmatch("[0-9]{1,10}", token_id):
        raise TokenNotFound
    return int(token_id)


def _until(token: Token) -> str:
    return f"it expires at {moment(token.expires_at)}" if token.expires_at else "it never expires"


def _user_row(user: User) -> Row:
    return {"id": user.id, "role": user.role, "name": user.name}


def _token_row(token: Token, now: datetime) -> Row:
    return {
        "id": token.id,
        "user_id": token.owner.id,
        "state": token.state(now),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "name": token.owner.name,
    }
