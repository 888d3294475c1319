"""`butaca users` and `butaca tokens`: management of users and their tokens."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from butaca.commands.database import open_database
from butaca.commands.durations import Duration
from butaca.commands.one_line import one_line_errors
from butaca.commands.tables import Row, format_time, print_rows
from butaca.core.errors import TokenNotFound
from butaca.core.models import Role, Token, User
from butaca.operator_error import OperatorError

if TYPE_CHECKING:
    from butaca.core.users import UserManager

ROLE_CHOICE = click.Choice([role.lower() for role in Role], case_sensitive=False)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def users() -> None:
    """Manage the users of the API."""


@users.command()
@click.argument("name")
@click.option(
    "--role",
    type=ROLE_CHOICE,
    default=Role.USER.lower(),
    show_default=True,
    help="Role of the user; an admin can also view and clear the favorites of others.",
)
def add(name: str, role: str) -> None:
    """Add a user and print the ID.

    NAME must be unique, have 1 to 100 printable characters, and not be digits alone.
    """
    with _user_manager() as manager:
        user = manager.add(name, Role(role.upper()))
    click.echo(user.id)
    click.echo(f"To issue a token: butaca tokens issue {user.id}", err=True)


@users.command("list")
@as_json
def list_users(as_json: bool) -> None:
    """List all users, by ID."""
    with _user_manager() as manager:
        all_users = manager.all_users()
    print_rows(map(_user_row, all_users), ("id", "role", "name"), as_json=as_json)


@users.command(short_help="Change the role of a user.")
@click.argument("user")
@click.argument("role", type=ROLE_CHOICE)
def set_role(user: str, role: str) -> None:
    """Change the role of USER, given by ID or name.

    The role of a demo user cannot be changed.
    """
    with _user_manager() as manager:
        found = manager.resolve(user)
        manager.set_role(found, Role(role.upper()))
    click.echo(
        f"{found.name} now has the role {role.upper()}; all pods apply it within 5 seconds.",
        err=True,
    )


@users.command(short_help="Remove a user and all of their data.")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(user: str, yes: bool) -> None:
    """Remove USER, given by ID or name, with all tokens, favorites and ratings.

    This cannot be undone. It asks for confirmation on a terminal, and needs --yes elsewhere.
    """
    from butaca.core.users import is_demo_user

    with _user_manager() as manager:
        found = manager.resolve(user)
        if not yes:
            _confirm(f"Remove {found.name} ({found.id}) with all tokens, favorites and ratings?")
        manager.remove(found)
    click.echo(f"{found.name} is removed; all pods reject the tokens within 5 seconds.", err=True)
    if is_demo_user(found):
        click.echo("The next start with DEMO_USERS=true adds this demo user again.", err=True)


@click.group()
def tokens() -> None:
    """Manage the tokens of users."""


@tokens.command(short_help="Issue a token to a user, and print it.")
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
    with _user_manager() as manager:
        token, secret = manager.issue(manager.resolve(user), expires_in)
    click.echo(secret)
    click.echo(
        f"Token {token.id} of {token.owner.name} cannot be shown again; {_expiry(token)}.", err=True
    )


@tokens.command("list", short_help="List the tokens of a user, or all.")
@click.argument("user", required=False)
@as_json
def list_tokens(user: str | None, as_json: bool) -> None:
    """List the tokens of USER, given by ID or name, or of all users."""
    with _user_manager() as manager:
        found = manager.tokens(None if user is None else manager.resolve(user))
        rows = [_token_row(token, manager.now()) for token in found]
    columns = ("id", "user_id", "state", "created_at", "expires_at", "revoked_at", "name")
    print_rows(rows, columns, as_json=as_json)


@tokens.command(short_help="Revoke one token, or all of a user.")
@click.argument("token_id", required=False)
@click.option("--user", help="Revoke all tokens of this user, given by ID or name.")
def revoke(token_id: str | None, user: str | None) -> None:
    """Revoke a token, given by the ID that `butaca tokens list` shows, or all tokens of a user."""
    if (token_id is None) == (user is None):
        raise click.UsageError("Give either the ID of a token or --user.")
    with _user_manager() as manager:
        message = (
            _revoke_all(manager, user) if user is not None else _revoke(manager, token_id or "")
        )
    click.echo(message, err=True)


@contextmanager
def _user_manager() -> Iterator["UserManager"]:
    """Open the user management at DATABASE_URL; report errors in one line."""
    from butaca.adapters.sql import SqlAccounts, schema
    from butaca.core.users import UserManager

    with one_line_errors(), open_database() as database:
        schema.check(database)
        yield UserManager(SqlAccounts(database))


def _confirm(question: str) -> None:
    """Ask on the terminal. Raises OperatorError if there is none, Abort if the answer is no."""
    if not sys.stdin.isatty():
        raise OperatorError("There is no terminal on which to ask for confirmation; pass --yes.")
    click.confirm(question, abort=True, err=True)


def _revoke(manager: "UserManager", token_id: str) -> str:
    token = manager.revoke(_parse_id(token_id))
    return (
        f"Token {token.id} of {token.owner.name} is revoked; all pods reject it within 5 seconds."
    )


def _revoke_all(manager: "UserManager", user: str) -> str:
    owner = manager.resolve(user)
    count = manager.revoke_all(owner)
    if not count:
        return f"{owner.name} has no tokens left to revoke."
    return f"Revoked tokens of {owner.name}: {count}; all pods reject them within 5 seconds."


def _parse_id(token_id: str) -> int:
    # The text is not repeated in the error, because it may be the token itself.
    if not re.fullmatch("[0-9]{1,10}", token_id):
        raise TokenNotFound
    return int(token_id)


def _expiry(token: Token) -> str:
    return (
        f"it expires at {format_time(token.expires_at)}" if token.expires_at else "it never expires"
    )


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
