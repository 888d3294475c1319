"""Everything that the README mentions exists, and its commands work."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from butaca.adapters.sql import Database, SqlAccounts
from butaca.commands import tokens, users
from butaca.core.accounts import digest
from butaca.settings import Settings
from tests.processes import running, wait_for_line

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \|", re.MULTILINE)


def test_every_setting_is_documented_once() -> None:
    documented = [name.lower() for name, _ in ROW.findall(README)]
    assert sorted(documented) == sorted(Settings.model_fields)


@pytest.mark.parametrize(("name", "documented"), ROW.findall(README))
def test_documented_default_is_the_real_one(name: str, documented: str) -> None:
    field = Settings.model_fields[name.lower()]
    match field.default:
        case _ if field.is_required():
            assert documented == "required"
        case []:
            assert documented == "none"
        case None:
            assert documented == "half of `THREADS`"
        case default:
            assert documented.strip("`") == str(default).lower() or documented == f"`{default}`"


def test_every_curl_command_of_the_tour_works(tmp_path: Path) -> None:
    tour = [line for line in README.splitlines() if line.startswith("curl ")]
    with running("dev", "--port", "0", folder=tmp_path) as process:
        api = wait_for_line(process, "Butaca is at").split()[-1].removesuffix("/docs")
        sandbox = wait_for_line(process, "TMDB").split()[-1].removesuffix("/3")
        wait_for_line(process, "Ctrl-C")
        for line in tour:
            command = line.replace("http://127.0.0.1:8001", sandbox).replace(
                "http://127.0.0.1:8000", api
            )
            command = command.replace("curl -s", "curl --silent --show-error --fail-with-body", 1)
            subprocess.run(command, shell=True, check=True, capture_output=True, timeout=20)
    assert len(tour) >= 10


def test_quick_start_commands_work(tmp_path: Path) -> None:
    section = README.partition("## Quick start\n")[2].partition("\n## ")[0]
    (pasted,) = re.findall(r"```sh\n(export DATABASE_URL.+?)```", section, re.DOTALL)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    with running("dev", "--port", "0", folder=tmp_path) as process:
        wait_for_line(process, "Ctrl-C")
        result = subprocess.run(
            pasted, shell=True, check=True, capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
    assert "consumer" in result.stdout


def test_every_users_and_tokens_command_works(sqlite: Database) -> None:
    section = README.partition("### Users and tokens\n")[2].partition("\n### ")[0]
    (pasted,) = re.findall(r"```sh\n(.+?)```", section, re.DOTALL)
    shell = f'butaca() {{ "{sys.executable}" -m butaca "$@"; }}; set -eu\n{pasted}\necho "$TOKEN"'
    url = sqlite.engine.url.render_as_string(hide_password=False)
    result = subprocess.run(
        ["sh", "-c", shell],
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.startswith("1001\n1002\n")
    assert "revoked" in result.stdout
    token = result.stdout.splitlines()[-1]
    (pattern,) = re.findall(r"`(butaca_\[.+?)`", section)
    assert re.fullmatch(pattern, token)
    bearer = SqlAccounts(sqlite).find_bearer(digest(token))
    assert bearer is not None
    assert bearer.user.name == "ana"
    commands = [f"{group.name} {name}" for group in (users, tokens) for name in group.commands]
    assert len(commands) == 7
    for command in commands:
        assert f"butaca {command} " in pasted.replace("\n", " ")


def test_every_mentioned_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= targets
