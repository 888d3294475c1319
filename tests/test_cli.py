"""The command line: what it does, and the one line that it says when it cannot."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from butaca import __version__
from butaca.adapters.sql import Database
from butaca.adapters.sql.schema import is_current
from butaca.cli import main
from butaca.settings import Settings
from tests.processes import line_with, running


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, "sandbox_faults"):
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def butaca(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, words, env=environment)


def test_version_is_told() -> None:
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


def test_migrate_tells_in_a_line_that_the_database_is_away(tmp_path: Path) -> None:
    result = butaca("migrate", DATABASE_URL=f"sqlite:///{tmp_path / 'no' / 'folder.db'}")
    assert result.exit_code == 1
    assert result.output == "Error: The database at DATABASE_URL cannot be reached.\n"


def test_serve_tells_all_missing_settings_at_once() -> None:
    result = butaca("serve")
    assert result.exit_code == 1
    assert re.findall(r"[A-Z_]+(?=: is required)", result.output) == [
        "DATABASE_URL",
        "REDIS_URL",
        "TMDB_TOKEN",
    ]


def test_serve_refuses_a_schema_that_is_not_current(tmp_path: Path) -> None:
    result = butaca(
        "serve",
        DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}",
        REDIS_URL="redis://127.0.0.1:1/0",
        TMDB_TOKEN="a-token",
    )
    assert result.exit_code == 1
    assert result.output.endswith("not current; mend it: butaca migrate\n")


def test_serve_tells_in_a_line_that_its_port_is_taken(sqlite: Database, taken_port: int) -> None:
    result = butaca(
        "serve",
        DATABASE_URL=sqlite.engine.url.render_as_string(hide_password=False),
        REDIS_URL="redis://127.0.0.1:1/0",
        TMDB_TOKEN="a-token",
        PORT=str(taken_port),
    )
    assert result.exit_code == 1
    assert result.output.endswith(f"Port {taken_port} of 127.0.0.1: Address already in use\n")


def test_dev_tells_in_a_line_that_its_port_is_taken(taken_port: int) -> None:
    result = butaca("dev", "--port", str(taken_port))
    assert result.exit_code == 1
    assert result.output == f"Error: Port {taken_port} of 127.0.0.1: Address already in use\n"


def test_the_sandbox_tells_in_a_line_that_its_port_is_taken(taken_port: int) -> None:
    result = butaca("sandbox", "--port", str(taken_port))
    assert result.exit_code == 1
    assert result.output == f"Error: Port {taken_port} of 127.0.0.1: Address already in use\n"


def test_the_sandbox_tells_in_a_line_that_it_knows_no_such_fault() -> None:
    result = butaca("sandbox", "--port", "0", SANDBOX_FAULTS="plague")
    assert result.exit_code == 1
    assert result.output.startswith("Error: SANDBOX_FAULTS: ")
    assert "Traceback" not in result.output


def test_the_sandbox_says_where_it_is_and_ends_when_told() -> None:
    with running("sandbox", "--port", "0") as sandbox:
        assert "http://127.0.0.1:" in line_with(sandbox, "The sandbox is at")
    assert sandbox.returncode == 0


def test_the_module_is_the_command() -> None:
    with running("--version") as process:
        assert __version__ in line_with(process, "version")
