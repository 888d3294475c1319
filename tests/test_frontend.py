"""The small server of the example front end: what it serves, and what it does not."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from butaca import frontend
from butaca.frontend import Config, Frontend, find_folder
from butaca.operator_error import OperatorError
from tests.processes import line_with, running

CONFIG = Config("http://127.0.0.1:8000/api/v1", "http://127.0.0.1:8001/t/p", "1234567890")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page of which one file is in a folder, beside a file that is none of it."""
    page = tmp_path / "page"
    (page / "icons").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html>")
    (page / "app.js").write_text("export {};")
    (page / "icons" / "a star.svg").write_text("<svg/>")
    (page / "OFL.txt").write_text("Free.")
    (tmp_path / "secret.txt").write_text("mine")
    return page


@pytest.fixture
def page(folder: Path) -> Iterator[Frontend]:
    with Frontend(folder, 0, CONFIG) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(page: Frontend, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.mark.parametrize(
    ("path", "media_type", "body"),
    [
        ("/", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/index.html?query=1", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/app.js", "text/javascript; charset=utf-8", b"export {};"),
        ("/icons/a%20star.svg", "image/svg+xml", b"<svg/>"),
        ("/OFL.txt", "text/plain; charset=utf-8", b"Free."),
    ],
)
def test_a_file_is_served_as_what_it_is(
    page: Frontend, path: str, media_type: str, body: bytes
) -> None:
    answer, found = ask(page, path)
    assert (answer.status, answer.headers["Content-Type"], found) == (200, media_type, body)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/icons/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//secret.txt",
        "/icons",
        "/icons/",
        "/nothing",
        "/app.js%00",
    ],
)
def test_what_is_not_in_the_folder_is_not_there(page: Frontend, path: str) -> None:
    answer, body = ask(page, path)
    assert (answer.status, body) == (404, b"Not found.\n")


def test_no_path_reaches_a_file_by_its_whole_name(page: Frontend, folder: Path) -> None:
    answer, _ = ask(page, f"/{folder.parent / 'secret.txt'}")
    assert answer.status == 404


def test_the_page_is_told_where_the_api_is_and_which_token_to_begin_with(page: Frontend) -> None:
    answer, body = ask(page, "/config.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"api": CONFIG.api, "token": CONFIG.token}


def test_nothing_is_kept_by_browsers(page: Frontend, folder: Path) -> None:
    ask(page, "/app.js")
    (folder / "app.js").write_text("export const next = 1;")
    answer, body = ask(page, "/app.js")
    assert answer.headers["Cache-Control"] == "no-store"
    assert body == b"export const next = 1;"


def test_the_page_may_run_its_own_scripts_and_call_the_api_and_nothing_else(
    page: Frontend,
) -> None:
    answer, _ = ask(page, "/")
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
        "connect-src 'self' http://127.0.0.1:8000; "
        "img-src 'self' http://127.0.0.1:8001 https://image.tmdb.org; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_tmdb_s_own_pictures_are_named_once() -> None:
    assert "img-src 'self' https://image.tmdb.org;" in Config("http://127.0.0.1:8000").policy


def test_a_head_has_the_headers_alone(page: Frontend) -> None:
    answer, body = ask(page, "/", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, "15", b"")


def test_a_browser_that_goes_away_is_no_news(
    page: Frontend, capfd: pytest.CaptureFixture[str]
) -> None:
    for error in (ConnectionResetError("gone"), ValueError("ours")):
        try:
            raise error
        except (OSError, ValueError):
            page.handle_error(None, ("127.0.0.1", 1))
    shown = capfd.readouterr().err
    assert "gone" not in shown
    assert "ValueError: ours" in shown


def test_a_taken_port_is_a_complaint(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OperatorError,
            match=f"Cannot listen on port {port} of 127.0.0.1: Address already in use",
        ):
            Frontend(folder, port, CONFIG)


def test_the_files_are_found_beside_the_sources() -> None:
    folder = find_folder()
    assert folder is not None
    assert (folder / "app.js").is_file()


def test_the_files_of_an_installed_wheel_are_found_first(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(frontend, "PLACES", (folder, tmp_path))
    assert find_folder() == folder


def test_files_that_did_not_come_along_are_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(frontend, "PLACES", (tmp_path,))
    assert find_folder() is None


def test_the_command_serves_urls_without_the_slashes_at_their_end() -> None:
    with running("frontend", "--port", "0", "--api", "https://butaca.example/api/v1/") as process:
        port = int(line_with(process, "The front end is at").rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/config.json")
        assert json.load(connection.getresponse())["api"] == "https://butaca.example/api/v1"
        connection.close()


def test_the_command_serves_the_page_until_it_is_told_to_end() -> None:
    with running("frontend", "--port", "0") as process:
        port = int(line_with(process, "The front end is at").rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        assert b"<title>Butaca</title>" in connection.getresponse().read()
        connection.close()
    assert process.returncode == 0
