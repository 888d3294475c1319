"""Users and tokens on the command line: the output, and the one line of each error."""

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

MOMENT = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"

Butaca = Callable[..., Result]


@pytest.fixture
def butaca(database: Database) -> Butaca:
    """The command line, with a database of either kind."""
    url = database.engine.url.render_as_string(hide_password=False)

    def run(*words: str, stdin: io.BytesIO | None = None) -> Result:
        return CliRunner().invoke(main, words, input=stdin, env={"DATABASE_URL": url})

    return run


class Terminal(io.BytesIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(SqlAccounts(database))


def printed(result: Result) -> str:
    """Return what a command that succeeded printed on stdout, which is one line."""
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    return line


def complaint(result: Result) -> str:
    """Return what a command that failed said: one line, and nothing on stdout."""
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def test_adding_somebody_prints_their_id(butaca: Butaca, accounts: Accounts) -> None:
    assert printed(butaca("users", "add", "ana")) == "1001"
    assert accounts.user(1001) == User(1001, "ana", Role.USER)


@pytest.mark.parametrize("role", ["admin", "ADMIN"])
def test_somebody_is_added_with_a_role(butaca: Butaca, accounts: Accounts, role: str) -> None:
    user_id = int(printed(butaca("users", "add", "oscar", "--role", role)))
    assert accounts.user(user_id).role is Role.ADMIN


def test_a_name_that_is_taken_is_refused(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    assert complaint(butaca("users", "add", "ana")) == "That name is already taken."


@pytest.mark.parametrize("name", ["", "12", "a\nb", "a" * 101])
def test_what_is_no_name_is_refused(butaca: Butaca, name: str) -> None:
    assert complaint(butaca("users", "add", name)).startswith("A name must be ")


def test_everybody_is_listed_in_a_table(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    butaca("users", "add", "Óscar Pérez", "--role", "admin")
    assert butaca("users", "list").stdout.splitlines() == [
        "ID    ROLE   NAME",
        "1001  USER   ana",
        "1002  ADMIN  Óscar Pérez",
    ]


def test_everybody_is_listed_as_json(butaca: Butaca) -> None:
    butaca("users", "add", "Óscar")
    listed = json.loads(butaca("users", "list", "--json").stdout)
    assert listed == [{"id": 1001, "role": "USER", "name": "Óscar"}]


def test_nobody_is_an_empty_list(butaca: Butaca) -> None:
    assert butaca("users", "list").stdout == "ID  ROLE  NAME\n"
    assert json.loads(butaca("users", "list", "--json").stdout) == []


@pytest.mark.parametrize("user", ["ana", "1001"])
@pytest.mark.parametrize("role", ["admin", "ADMIN"])
def test_somebody_is_given_another_role(
    butaca: Butaca, accounts: Accounts, user: str, role: str
) -> None:
    butaca("users", "add", "ana")
    changed = butaca("users", "set-role", user, role)
    audit, told = changed.stderr.splitlines()
    assert (changed.exit_code, changed.stdout) == (0, "")
    assert json.loads(audit)["event"] == "user.role_set"
    assert told == "ana now has the role ADMIN; all pods apply it within 5 seconds."
    assert accounts.user(1001).role is Role.ADMIN


def test_the_role_of_a_demo_user_stays_as_it_is(butaca: Butaca, accounts: Accounts) -> None:
    accounts.enable_demo_users()
    told = complaint(butaca("users", "set-role", "consumer", "admin"))
    assert told == "The role of a demo user cannot be changed."


@pytest.mark.parametrize("user", ["ana", "1001"])
def test_somebody_is_removed_and_their_tokens_let_nobody_in(
    butaca: Butaca, accounts: Accounts, user: str
) -> None:
    butaca("users", "add", "ana")
    secret = printed(butaca("tokens", "issue", "ana"))
    removed = butaca("users", "remove", user, "--yes")
    audit, told = removed.stderr.splitlines()
    assert (removed.exit_code, removed.stdout) == (0, "")
    assert json.loads(audit)["event"] == "user.removed"
    assert told == "ana is removed; all pods refuse the tokens within 5 seconds."
    with pytest.raises(TokenRejected):
        accounts.identify(secret)


def test_on_a_terminal_somebody_is_removed_after_a_yes(butaca: Butaca, accounts: Accounts) -> None:
    butaca("users", "add", "ana")
    removed = butaca("users", "remove", "ana", stdin=Terminal(b"y\n"))
    question = "Remove ana (1001) with all tokens, favorites and ratings? [y/N]: "
    assert (removed.exit_code, removed.stdout) == (0, "")
    assert removed.stderr.startswith(question)
    with pytest.raises(UserNotFound):
        accounts.user(1001)


@pytest.mark.parametrize("typed", [b"n\n", b"\n", b""])
def test_on_a_terminal_nobody_is_removed_without_a_yes(
    butaca: Butaca, accounts: Accounts, typed: bytes
) -> None:
    butaca("users", "add", "ana")
    assert butaca("users", "remove", "ana", stdin=Terminal(typed)).exit_code == 1
    assert accounts.user(1001).name == "ana"


def test_without_a_terminal_nobody_is_removed_unless_it_is_said_so(
    butaca: Butaca, accounts: Accounts
) -> None:
    butaca("users", "add", "ana")
    told = complaint(butaca("users", "remove", "ana"))
    assert told == "There is no terminal on which to ask for confirmation; pass --yes."
    assert accounts.user(1001).name == "ana"


def test_of_a_demo_user_it_is_told_how_they_would_come_back(
    butaca: Butaca, accounts: Accounts
) -> None:
    accounts.enable_demo_users()
    *_, hint = butaca("users", "remove", "consumer", "--yes").stderr.splitlines()
    assert hint == "The next start with DEMO_USERS=true adds this demo user again."


@pytest.mark.parametrize("words", [["remove", "--yes"], ["set-role", "ADMIN"]], ids=" ".join)
@pytest.mark.parametrize("user", ["ana", "1001", "9" * 30])
def test_who_is_not_there_is_neither_removed_nor_promoted(
    butaca: Butaca, words: list[str], user: str
) -> None:
    command, *others = words
    told = complaint(butaca("users", command, user, *others))
    assert told == "There is no user with that ID or name."


@pytest.mark.parametrize("user", ["ana", "1001"])
def test_a_token_is_printed_alone_and_lets_its_owner_in(
    butaca: Butaca, accounts: Accounts, user: str
) -> None:
    butaca("users", "add", "ana")
    assert accounts.identify(printed(butaca("tokens", "issue", user))).name == "ana"


def test_what_is_told_of_a_token_is_not_the_token(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    issued = butaca("tokens", "issue", "ana", "--expires-in", "90d")
    audit, hint = issued.stderr.splitlines()
    assert json.loads(audit)["event"] == "token.issued"
    assert re.fullmatch(rf"Token 1 of ana cannot be shown again; it expires at {MOMENT}\.", hint)
    assert printed(issued) not in issued.stderr


def test_a_token_without_an_end_says_so(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    assert butaca("tokens", "issue", "ana").stderr.endswith("; it never expires.\n")


def test_tokens_are_listed_in_a_table_without_themselves(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    secret = printed(butaca("tokens", "issue", "ana", "--expires-in", "90d"))
    butaca("tokens", "revoke", "1")
    butaca("tokens", "issue", "ana")
    listed = butaca("tokens", "list").stdout
    head, first, second = listed.splitlines()
    columns = ["ID", "USER_ID", "STATE", "CREATED_AT", "EXPIRES_AT", "REVOKED_AT", "NAME"]
    assert head.split() == columns
    assert re.fullmatch(rf"1   1001     revoked  {MOMENT}  {MOMENT}  {MOMENT}  ana", first)
    assert re.fullmatch(rf"2   1001     valid    {MOMENT}  - +- +ana", second)
    assert secret not in listed
    assert digest(secret) not in listed


def test_tokens_are_listed_as_json(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    butaca("tokens", "issue", "ana")
    (token,) = json.loads(butaca("tokens", "list", "--json").stdout)
    assert re.fullmatch(MOMENT, token.pop("created_at"))
    assert token == {
        "id": 1,
        "user_id": 1001,
        "state": "valid",
        "expires_at": None,
        "revoked_at": None,
        "name": "ana",
    }


def test_somebodys_tokens_are_listed_alone(butaca: Butaca) -> None:
    for name in ("ana", "oscar"):
        butaca("users", "add", name)
        butaca("tokens", "issue", name)
    listed = json.loads(butaca("tokens", "list", "oscar", "--json").stdout)
    assert [token["name"] for token in listed] == ["oscar"]


def test_a_token_that_is_revoked_lets_nobody_in(butaca: Butaca, accounts: Accounts) -> None:
    butaca("users", "add", "ana")
    secret = printed(butaca("tokens", "issue", "ana"))
    revoked = butaca("tokens", "revoke", "1")
    assert (revoked.exit_code, revoked.stdout) == (0, "")
    with pytest.raises(TokenRejected):
        accounts.identify(secret)


def test_a_token_is_revoked_once(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    butaca("tokens", "issue", "ana")
    butaca("tokens", "revoke", "1")
    assert complaint(butaca("tokens", "revoke", "1")) == "That token has already been revoked."


@pytest.mark.parametrize("user", ["ana", "1001"])
def test_all_tokens_of_somebody_are_revoked(butaca: Butaca, accounts: Accounts, user: str) -> None:
    butaca("users", "add", "ana")
    secrets = [printed(butaca("tokens", "issue", "ana")) for _ in range(2)]
    revoked = butaca("tokens", "revoke", "--user", user)
    *audit, told = revoked.stderr.splitlines()
    assert (revoked.exit_code, revoked.stdout) == (0, "")
    assert [json.loads(line)["token_id"] for line in audit] == [1, 2]
    assert told == "Revoked tokens of ana: 2; all pods refuse them within 5 seconds."
    for secret in secrets:
        with pytest.raises(TokenRejected):
            accounts.identify(secret)


def test_whose_tokens_are_all_revoked_keeps_no_token_to_revoke(butaca: Butaca) -> None:
    butaca("users", "add", "ana")
    again = butaca("tokens", "revoke", "--user", "ana")
    assert (again.exit_code, again.output) == (0, "ana has no tokens left to revoke.\n")


@pytest.mark.parametrize("words", [[], ["1", "--user", "ana"]], ids=str)
def test_either_a_token_or_a_user_is_named(butaca: Butaca, words: list[str]) -> None:
    told = complaint(butaca("tokens", "revoke", *words))
    assert told == "Give either the ID of a token or --user."


@pytest.mark.parametrize("token_id", ["1", "0", "4294967296", "9" * 30, "ana", "butaca_secret"])
def test_what_is_no_token_cannot_be_revoked_and_is_not_repeated(
    butaca: Butaca, token_id: str
) -> None:
    assert complaint(butaca("tokens", "revoke", token_id)) == "There is no token with that ID."


@pytest.mark.parametrize("user", ["ana", "1001", "9" * 30, "butaca_secret"])
@pytest.mark.parametrize("words", [["issue"], ["list"], ["revoke", "--user"]], ids=" ".join)
def test_nobody_has_tokens_who_is_not_there(butaca: Butaca, words: list[str], user: str) -> None:
    told = complaint(butaca("tokens", *words, user))
    assert told == "There is no user with that ID or name."


@pytest.mark.parametrize(
    ("expires_in", "reason"),
    [
        ("tomorrow", "Invalid value for '--expires-in': 'tomorrow' is not a duration such as "),
        ("0d", "Invalid value for '--expires-in': '0d' is not a duration such as "),
        ("99999999w", "The lifetime of a token must be "),
    ],
)
def test_a_bad_duration_issues_no_token(
    butaca: Butaca, accounts: Accounts, expires_in: str, reason: str
) -> None:
    butaca("users", "add", "ana")
    told = complaint(butaca("tokens", "issue", "ana", "--expires-in", expires_in))
    assert told.startswith(reason)
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


def of_no_use(words: list[str], url: str) -> str:
    return complaint(CliRunner().invoke(main, words, env={"DATABASE_URL": url}))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_schema_that_is_not_current_is_told_with_what_mends_it(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "empty.db").touch()
    told = of_no_use(words, f"sqlite:///{tmp_path / 'empty.db'}")
    assert told == "The schema of the database is not current; run: butaca migrate"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_file_that_is_not_there_is_told_and_not_made(words: list[str], tmp_path: Path) -> None:
    told = of_no_use(words, f"sqlite:///{tmp_path / 'mistyped.db'}")
    assert told == "The file at DATABASE_URL does not exist; create it with: butaca migrate"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_database_that_is_away_is_told(words: list[str]) -> None:
    told = of_no_use(words, "postgresql+psycopg://somebody:secret@127.0.0.1:1/butaca")
    assert told == "The database at DATABASE_URL cannot be reached: connection refused."


def test_a_database_that_nobody_named_is_told() -> None:
    told = of_no_use(["users", "list"], "")
    assert told.startswith("DATABASE_URL: is required, such as postgresql://")
    assert told.endswith("`butaca dev`: export DATABASE_URL=sqlite:///.butaca/butaca.db")


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Fix your hearts or die." * 100)
    told = of_no_use(["users", "list"], f"sqlite:///{tmp_path / 'note.txt'}")
    assert told == "The database at DATABASE_URL returned an error: file is not a database"
