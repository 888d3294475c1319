"""Users and tokens on the command line: output and one-line errors."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from butaca.adapters.sql import Database, SqlAccounts
from butaca.cli import main
from butaca.core.accounts import Accounts, digest
from butaca.core.errors import TokenRejected, UserNotFound
from butaca.core.models import Role, User

TIME_PATTERN = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"

Butaca = Callable[..., Result]


@pytest.fixture
def butaca(database: Database) -> Butaca:
    """Run the command line with a database."""
    url = database.engine.url.render_as_string(hide_password=False)

    def run(*arguments: str, stdin: io.BytesIO | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=stdin, env={"DATABASE_URL": url})

    return run


class Terminal(io.BytesIO):
    """Input typed on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(SqlAccounts(database))


def printed(result: Result) -> str:
    """Return the single line that a successful command printed on stdout."""
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    return line


def error_line(result: Result) -> str:
    """Return the single line that a failed command printed on stderr; stdout is empty."""
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def test_add_user_prints_the_id(butaca: Butaca, accounts: Accounts) -> None:
    assert printed(butaca("users", "add", "ana")) == "1001"
    assert accounts.user(1001) == User(1001, "ana", Role.USER)


@pytest.mark.parametrize("role", ["admin", "ADMIN"])
def test_add_user_sets_the_given_role(butaca: Butaca, accounts: Accounts, role: str) -> None:
    user_id = int(printed(butaca("users", "add", "oscar", "--role", role)))
    assert accounts.user(user_id).role is Role.ADMIN


def test_duplicate_name_is_rejected(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    assert error_line(butaca("users", "add", "ana")) == "That name is already taken."


@pytest.mark.parametrize("name", ["", "12", "a\nb", "a" * 101])
def test_invalid_name_is_rejected(butaca: Butaca, name: str) -> None:
    assert error_line(butaca("users", "add", name)).startswith("A name must be ")


def test_users_are_listed_in_a_table(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    butaca("users", "add", "Óscar Pérez", "--role", "admin")
    assert butaca("users", "list").stdout.splitlines() == [
        "ID    ROLE   NAME",
        "1001  USER   ana",
        "1002  ADMIN  Óscar Pérez",
    ]


def test_users_are_listed_as_json(butaca: Butaca) -> None:
    butaca("users", "add", "Óscar")
    listed = json.loads(butaca("users", "list", "--json").stdout)
    assert listed == [{"id": 1001, "role": "USER", "name": "Óscar"}]


def test_list_without_users_is_empty(butaca: Butaca) -> None:
    assert butaca("users", "list").stdout == "ID  ROLE  NAME\n"
    assert json.loads(butaca("users", "list", "--json").stdout) == []


@pytest.mark.parametrize("user", ["ana", "1001"])
@pytest.mark.parametrize("role", ["admin", "ADMIN"])
def test_set_role_changes_the_role(
    butaca: Butaca, accounts: Accounts, user: str, role: str
) -> None:
    butaca("users", "add", "ana")
    changed = butaca("users", "set-role", user, role)
    audit, message = changed.stderr.splitlines()
    assert (changed.exit_code, changed.stdout) == (0, "")
    assert json.loads(audit)["event"] == "user.role_set"
    assert message == "ana now has the role ADMIN; all pods apply it within 5 seconds."
    assert accounts.user(1001).role is Role.ADMIN


def test_role_of_a_demo_user_cannot_be_changed(butaca: Butaca, accounts: Accounts) -> None:
    accounts.enable_demo_users()
    message = error_line(butaca("users", "set-role", "consumer", "admin"))
    assert message == "The role of a demo user cannot be changed."


@pytest.mark.parametrize("user", ["ana", "1001"])
def test_removed_users_tokens_are_rejected(butaca: Butaca, accounts: Accounts, user: str) -> None:
    butaca("users", "add", "ana")
    secret = printed(butaca("tokens", "issue", "ana"))
    removed = butaca("users", "remove", user, "--yes")
    audit, message = removed.stderr.splitlines()
    assert (removed.exit_code, removed.stdout) == (0, "")
    assert json.loads(audit)["event"] == "user.removed"
    assert message == "ana is removed; all pods reject the tokens within 5 seconds."
    with pytest.raises(TokenRejected):
        accounts.identify(secret)


def test_user_is_removed_after_confirmation_on_a_terminal(
    butaca: Butaca, accounts: Accounts
) -> None:
    butaca("users", "add", "ana")
    removed = butaca("users", "remove", "ana", stdin=Terminal(b"y\n"))
    question = "Remove ana (1001) with all tokens, favorites and ratings? [y/N]: "
    assert (removed.exit_code, removed.stdout) == (0, "")
    assert removed.stderr.startswith(question)
    with pytest.raises(UserNotFound):
        accounts.user(1001)


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b""])
def test_user_is_not_removed_without_confirmation_on_a_terminal(
    butaca: Butaca, accounts: Accounts, answer: bytes
) -> None:
    butaca("users", "add", "ana")
    assert butaca("users", "remove", "ana", stdin=Terminal(answer)).exit_code == 1
    assert accounts.user(1001).name == "ana"


def test_removal_without_a_terminal_requires_yes(butaca: Butaca, accounts: Accounts) -> None:
    butaca("users", "add", "ana")
    message = error_line(butaca("users", "remove", "ana"))
    assert message == "There is no terminal on which to ask for confirmation; pass --yes."
    assert accounts.user(1001).name == "ana"


def test_removing_a_demo_user_prints_how_it_is_added_again(
    butaca: Butaca, accounts: Accounts
) -> None:
    accounts.enable_demo_users()
    *_, hint = butaca("users", "remove", "consumer", "--yes").stderr.splitlines()
    assert hint == "The next start with DEMO_USERS=true adds this demo user again."


@pytest.mark.parametrize("arguments", [["remove", "--yes"], ["set-role", "ADMIN"]], ids=" ".join)
@pytest.mark.parametrize("user", ["ana", "1001", "9" * 30])
def test_unknown_user_cannot_be_removed_or_given_a_role(
    butaca: Butaca, arguments: list[str], user: str
) -> None:
    command, *others = arguments
    message = error_line(butaca("users", command, user, *others))
    assert message == "There is no user with that ID or name."


@pytest.mark.parametrize("user", ["ana", "1001"])
def test_issue_prints_only_a_valid_token(butaca: Butaca, accounts: Accounts, user: str) -> None:
    butaca("users", "add", "ana")
    assert accounts.identify(printed(butaca("tokens", "issue", user))).name == "ana"


def test_token_is_not_printed_on_stderr(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    issued = butaca("tokens", "issue", "ana", "--expires-in", "90d")
    audit, hint = issued.stderr.splitlines()
    assert json.loads(audit)["event"] == "token.issued"
    assert re.fullmatch(
        rf"Token 1 of ana cannot be shown again; it expires at {TIME_PATTERN}\.", hint
    )
    assert printed(issued) not in issued.stderr


def test_issue_reports_that_a_token_never_expires(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    assert butaca("tokens", "issue", "ana").stderr.endswith("; it never expires.\n")


def test_tokens_are_listed_in_a_table_without_secrets(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    secret = printed(butaca("tokens", "issue", "ana", "--expires-in", "90d"))
    butaca("tokens", "revoke", "1")
    butaca("tokens", "issue", "ana")
    listed = butaca("tokens", "list").stdout
    header, first, second = listed.splitlines()
    columns = ["ID", "USER_ID", "STATE", "CREATED_AT", "EXPIRES_AT", "REVOKED_AT", "NAME"]
    assert header.split() == columns
    assert re.fullmatch(
        rf"1   1001     revoked  {TIME_PATTERN}  {TIME_PATTERN}  {TIME_PATTERN}  ana", first
    )
    assert re.fullmatch(rf"2   1001     valid    {TIME_PATTERN}  - +- +ana", second)
    assert secret not in listed
    assert digest(secret) not in listed


def test_tokens_are_listed_as_json(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    butaca("tokens", "issue", "ana")
    (token,) = json.loads(butaca("tokens", "list", "--json").stdout)
    assert re.fullmatch(TIME_PATTERN, token.pop("created_at"))
    assert token == {
        "id": 1,
        "user_id": 1001,
        "state": "valid",
        "expires_at": None,
        "revoked_at": None,
        "name": "ana",
    }


def test_tokens_can_be_listed_by_user(butaca: Butaca) -> None:
    for name in ("ana", "oscar"):
        butaca("users", "add", name)
        butaca("tokens", "issue", name)
    listed = json.loads(butaca("tokens", "list", "oscar", "--json").stdout)
    assert [token["name"] for token in listed] == ["oscar"]


def test_revoked_token_is_rejected(butaca: Butaca, accounts: Accounts) -> None:
    butaca("users", "add", "ana")
    secret = printed(butaca("tokens", "issue", "ana"))
    revoked = butaca("tokens", "revoke", "1")
    assert (revoked.exit_code, revoked.stdout) == (0, "")
    with pytest.raises(TokenRejected):
        accounts.identify(secret)


def test_token_cannot_be_revoked_twice(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    butaca("tokens", "issue", "ana")
    butaca("tokens", "revoke", "1")
    assert error_line(butaca("tokens", "revoke", "1")) == "That token has already been revoked."


@pytest.mark.parametrize("user", ["ana", "1001"])
def test_all_tokens_of_a_user_can_be_revoked(butaca: Butaca, accounts: Accounts, user: str) -> None:
    butaca("users", "add", "ana")
    secrets = [printed(butaca("tokens", "issue", "ana")) for _ in range(2)]
    revoked = butaca("tokens", "revoke", "--user", user)
    *audit, message = revoked.stderr.splitlines()
    assert (revoked.exit_code, revoked.stdout) == (0, "")
    assert [json.loads(line)["token_id"] for line in audit] == [1, 2]
    assert message == "Revoked tokens of ana: 2; all pods reject them within 5 seconds."
    for secret in secrets:
        with pytest.raises(TokenRejected):
            accounts.identify(secret)


def test_revoking_all_tokens_again_revokes_nothing(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    again = butaca("tokens", "revoke", "--user", "ana")
    assert (again.exit_code, again.output) == (0, "ana has no tokens left to revoke.\n")


@pytest.mark.parametrize("arguments", [[], ["1", "--user", "ana"]], ids=str)
def test_revoke_requires_either_a_token_or_a_user(butaca: Butaca, arguments: list[str]) -> None:
    message = error_line(butaca("tokens", "revoke", *arguments))
    assert message == "Give either the ID of a token or --user."


@pytest.mark.parametrize("token_id", ["1", "0", "4294967296", "9" * 30, "ana", "butaca_secret"])
def test_invalid_token_id_is_rejected_and_not_repeated(butaca: Butaca, token_id: str) -> None:
    assert error_line(butaca("tokens", "revoke", token_id)) == "There is no token with that ID."


@pytest.mark.parametrize("user", ["ana", "1001", "9" * 30, "butaca_secret"])
@pytest.mark.parametrize("arguments", [["issue"], ["list"], ["revoke", "--user"]], ids=" ".join)
def test_token_commands_report_an_unknown_user(
    butaca: Butaca, arguments: list[str], user: str
) -> None:
    message = error_line(butaca("tokens", *arguments, user))
    assert message == "There is no user with that ID or name."


@pytest.mark.parametrize(
    ("expires_in", "reason"),
    [
        ("tomorrow", "Invalid value for '--expires-in': 'tomorrow' is not a duration such as "),
        ("0d", "Invalid value for '--expires-in': '0d' is not a duration such as "),
        ("99999999w", "The lifetime of a token must be "),
    ],
)
def test_invalid_duration_issues_no_token(
    butaca: Butaca, accounts: Accounts, expires_in: str, reason: str
) -> None:
    butaca("users", "add", "ana")
    message = error_line(butaca("tokens", "issue", "ana", "--expires-in", expires_in))
    assert message.startswith(reason)
    assert json.loads(butaca("tokens", "list", "--json").stdout) == []


COMMANDS = [
    ["users", "add", "ana"],
    ["users", "list"],
    ["users", "set-role", "1", "admin"],
    ["users", "remove", "1", "--yes"],
    ["tokens", "issue", "1"],
    ["tokens", "list"],
    ["tokens", "revoke", "1"],
    ["tokens", "revoke", "--user", "1"],
]


def error_line_at(arguments: list[str], url: str) -> str:
    return error_line(CliRunner().invoke(main, arguments, env={"DATABASE_URL": url}))


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_outdated_schema_is_reported_with_the_command_to_run(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "empty.db").touch()
    message = error_line_at(arguments, f"sqlite:///{tmp_path / 'empty.db'}")
    assert message == "The schema of the database is not current; run: butaca migrate"


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_missing_sqlite_file_is_reported_and_not_created(
    arguments: list[str], tmp_path: Path
) -> None:
    message = error_line_at(arguments, f"sqlite:///{tmp_path / 'mistyped.db'}")
    assert message == "The file at DATABASE_URL does not exist; create it with: butaca migrate"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_unreachable_database_is_reported(arguments: list[str]) -> None:
    message = error_line_at(arguments, "postgresql+psycopg://me:secret@127.0.0.1:1/butaca")
    assert message == "The database at DATABASE_URL cannot be reached: connection refused."


def test_missing_database_url_is_reported_with_an_example() -> None:
    message = error_line_at(["users", "list"], "")
    assert message.startswith("DATABASE_URL: is required, such as postgresql://")
    assert message.endswith("`butaca dev`: export DATABASE_URL=sqlite:///.butaca/butaca.db")


def test_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Fix your hearts or die." * 100)
    message = error_line_at(["users", "list"], f"sqlite:///{tmp_path / 'note.txt'}")
    assert message == "The database at DATABASE_URL returned an error: file is not a database"
