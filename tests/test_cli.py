"""The command line: what its commands do, and that each error is one line."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from butaca import __version__
from butaca.adapters.sql import Database
from butaca.adapters.sql.schema import is_current
from butaca.cli import main
from butaca.settings import Settings
from tests.processes import STOP_TIMEOUT, running, start_process, wait_for_line


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, "sandbox_faults"):
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


CANNOT_OPEN = "The database at DATABASE_URL cannot be reached: unable to open database file."


def butaca(*args: str, **environment: str) -> Result:
    return CliRunner().invoke(main, args, env=environment)


def test_version_option_prints_the_version() -> None:
    assert butaca("--version").output.strip().endswith(__version__)


def test_openapi_prints_the_contract() -> None:
    assert butaca("openapi").output.startswith("openapi: 3.1.0\n")


def test_migrate_brings_an_empty_database_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    result = butaca("migrate", DATABASE_URL=url)
    database = Database(url)
    assert result.exit_code == 0
    assert is_current(database)
    database.close()


def test_migrate_check_reports_whether_the_schema_is_current(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    (tmp_path / "new.db").touch()
    result = butaca("migrate", "--check", DATABASE_URL=url)
    assert result.exit_code == 1
    assert result.output == (
        "Error: The schema of the database is not current; run: butaca migrate\n"
    )
    butaca("migrate", DATABASE_URL=url)
    assert butaca("migrate", "--check", DATABASE_URL=url).exit_code == 0


def test_migrate_check_creates_no_file(tmp_path: Path) -> None:
    result = butaca("migrate", "--check", DATABASE_URL=f"sqlite:///{tmp_path / 'mistyped.db'}")
    assert result.exit_code == 1
    assert result.output == (
        "Error: The file at DATABASE_URL does not exist; create it with: butaca migrate\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_migrate_reports_an_unreachable_database_in_one_line(tmp_path: Path) -> None:
    result = butaca("migrate", DATABASE_URL=f"sqlite:///{tmp_path / 'no' / 'folder.db'}")
    assert result.exit_code == 1
    assert result.output == f"Error: {CANNOT_OPEN}\n"


def test_migrate_prints_its_error_and_logs_nothing(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path / 'no' / 'folder.db'}"}
    with running("migrate", environment=environment) as process:
        out, err = process.communicate(timeout=STOP_TIMEOUT)
    assert (out, err) == ("", f"Error: {CANNOT_OPEN}\n")


def test_migrate_reports_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Fix your hearts or die." * 100)
    result = butaca("migrate", DATABASE_URL=f"sqlite:///{tmp_path / 'note.txt'}")
    assert result.exit_code == 1
    assert result.output == (
        "Error: The database at DATABASE_URL returned an error: file is not a database\n"
    )


@pytest.mark.parametrize(
    "args",
    [
        ["--bogus"],
        ["bogus"],
        ["dev", "--bogus"],
        ["dev", "--port", "many"],
        ["dev", "--port"],
        ["dev", "twice"],
        ["users", "bogus"],
        ["users", "add"],
        ["users", "add", "ana", "--role", "boss"],
    ],
    ids=" ".join,
)
def test_invalid_arguments_are_reported_in_one_line(args: list[str]) -> None:
    result = butaca(*args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch("Error: .+\n", result.stderr)


def commands_of(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield name, command
        if isinstance(command, click.Group):
            yield from commands_of(command)


@pytest.mark.parametrize(("name", "command"), [*commands_of(main)])
def test_command_summary_is_short_and_not_truncated(name: str, command: click.Command) -> None:
    summary = command.get_short_help_str(limit=45)
    assert len(summary) <= 45
    assert not summary.endswith("...")


def test_running_without_arguments_lists_the_commands() -> None:
    assert "tokens" in butaca().output


def test_serve_reports_all_missing_settings_together() -> None:
    result = butaca("serve")
    assert result.exit_code == 1
    assert re.findall(r"[A-Z_]+(?=: is required)", result.output) == [
        "DATABASE_URL",
        "TMDB_TOKEN",
        "REDIS_URL",
    ]


def test_serve_rejects_an_outdated_schema(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    result = butaca(
        "serve",
        DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}",
        REDIS_URL="redis://127.0.0.1:1/0",
        TMDB_TOKEN="a-token",
    )
    assert result.exit_code == 1
    assert result.output.endswith("not current; run: butaca migrate\n")


def test_serve_reports_a_port_in_use(sqlite: Database, taken_port: int) -> None:
    result = butaca(
        "serve",
        DATABASE_URL=sqlite.engine.url.render_as_string(hide_password=False),
        REDIS_URL="redis://127.0.0.1:1/0",
        TMDB_TOKEN="a-token",
        PORT=str(taken_port),
    )
    assert result.exit_code == 1
    assert result.output.endswith(
        f"Cannot listen on port {taken_port} of 127.0.0.1: Address already in use\n"
    )


def test_dev_reports_a_port_in_use_and_suggests_another(taken_port: int) -> None:
    result = butaca("dev", "--port", str(taken_port))
    assert result.exit_code == 1
    assert (
        result.output
        == f"Error: Cannot listen on port {taken_port} of 127.0.0.1: Address already in use. "
        "Choose another with --port; 0 selects a free one: make run ARGS='--port 0'\n"
    )


def test_dev_suggests_no_other_port_for_an_unusable_host() -> None:
    result = butaca("dev", "--port", "0", HOST="192.0.2.1")
    assert result.exit_code == 1
    assert re.fullmatch("Error: Cannot listen on port 0 of 192.0.2.1: [^.]+\n", result.output)


def test_sandbox_reports_a_port_in_use(taken_port: int) -> None:
    result = butaca("sandbox", "--port", str(taken_port))
    assert result.exit_code == 1
    assert (
        result.output
        == f"Error: Cannot listen on port {taken_port} of 127.0.0.1: Address already in use\n"
    )


def test_sandbox_listens_on_the_given_host_and_port(taken_port: int) -> None:
    with running("sandbox", "--host", "127.0.0.2", "--port", str(taken_port)) as sandbox:
        assert f"http://127.0.0.2:{taken_port}" in wait_for_line(sandbox, "The sandbox is at")


def test_sandbox_reports_an_unknown_fault_without_a_traceback() -> None:
    result = butaca("sandbox", "--port", "0", SANDBOX_FAULTS="plague")
    assert result.exit_code == 1
    assert result.output.startswith("Error: SANDBOX_FAULTS: ")
    assert "Traceback" not in result.output


def test_sandbox_prints_its_url_and_exits_on_sigterm() -> None:
    with running("sandbox", "--port", "0") as sandbox:
        assert "http://127.0.0.1:" in wait_for_line(sandbox, "The sandbox is at")
        assert "TMDB_TOKEN=sandbox-token" in wait_for_line(sandbox, "export TMDB_BASE_URL=http://")
    assert sandbox.returncode == 0


def test_python_module_runs_the_command_line() -> None:
    with start_process("--version", environment=os.environ) as process:
        assert __version__ in wait_for_line(process, "version")


@pytest.mark.parametrize("option", ["--api", "--images"])
def test_frontend_reports_an_invalid_url_in_one_line(option: str) -> None:
    result = butaca("frontend", "--port", "0", option, "butaca.example")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: Invalid value for '{option}': 'butaca.example' is not a URL such as "
        "https://butaca.example.\n"
    )


def test_frontend_reports_missing_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("butaca.frontend.FOLDERS", ())
    result = butaca("frontend", "--port", "0")
    assert result.exit_code == 1
    assert result.output == "Error: The files of the front end are not installed.\n"
