"""The static file server of the example front end."""

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
from tests.processes import running, wait_for_line

CONFIG = Config("http://127.0.0.1:8000/api/v1", "http://127.0.0.1:8001/t/p", "1234567890")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a page with a file in a subfolder; its parent contains a secret file."""
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


def fetch(page: Frontend, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


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
def test_file_is_served_with_its_media_type(
    page: Frontend, path: str, media_type: str, body: bytes
) -> None:
    response, found = fetch(page, path)
    assert (response.status, response.headers["Content-Type"], found) == (200, media_type, body)


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
def test_path_without_a_file_in_the_folder_returns_404(page: Frontend, path: str) -> None:
    response, body = fetch(page, path)
    assert (response.status, body) == (404, b"Not found.\n")


def test_absolute_file_path_returns_404(page: Frontend, folder: Path) -> None:
    response, _ = fetch(page, f"/{folder.parent / 'secret.txt'}")
    assert response.status == 404


def test_config_contains_the_api_url_and_the_initial_token(page: Frontend) -> None:
    response, body = fetch(page, "/config.json")
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"api": CONFIG.api, "token": CONFIG.token}


def test_browsers_do_not_cache_the_files(page: Frontend, folder: Path) -> None:
    fetch(page, "/app.js")
    (folder / "app.js").write_text("export const next = 1;")
    response, body = fetch(page, "/app.js")
    assert response.headers["Cache-Control"] == "no-store"
    assert body == b"export const next = 1;"


def test_security_headers_allow_only_own_files_and_the_api(
    page: Frontend,
) -> None:
    response, _ = fetch(page, "/")
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
        "connect-src 'self' http://127.0.0.1:8000; "
        "img-src 'self' http://127.0.0.1:8001 https://image.tmdb.org; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_tmdb_image_origin_is_listed_once_in_the_policy() -> None:
    assert "img-src 'self' https://image.tmdb.org;" in Config("http://127.0.0.1:8000").policy


def test_head_response_has_headers_and_no_body(page: Frontend) -> None:
    response, body = fetch(page, "/", "HEAD")
    assert (response.status, response.headers["Content-Length"], body) == (200, "15", b"")


def test_disconnects_are_not_reported_but_other_errors_are(
    page: Frontend, capfd: pytest.CaptureFixture[str]
) -> None:
    for error in (ConnectionResetError("gone"), ValueError("bug")):
        try:
            raise error
        except (OSError, ValueError):
            page.handle_error(None, ("127.0.0.1", 1))
    stderr = capfd.readouterr().err
    assert "gone" not in stderr
    assert "ValueError: bug" in stderr


def test_port_in_use_raises_operator_error(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OperatorError,
            match=f"Cannot listen on port {port} of 127.0.0.1: Address already in use",
        ):
            Frontend(folder, port, CONFIG)


def test_files_are_found_next_to_the_sources() -> None:
    folder = find_folder()
    assert folder is not None
    assert (folder / "app.js").is_file()


def test_files_of_an_installed_wheel_take_precedence(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(frontend, "FOLDERS", (folder, tmp_path))
    assert find_folder() == folder


def test_no_folder_is_found_without_the_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(frontend, "FOLDERS", (tmp_path,))
    assert find_folder() is None


def test_command_strips_trailing_slashes_from_urls() -> None:
    with running("frontend", "--port", "0", "--api", "https://butaca.example/api/v1/") as process:
        port = int(wait_for_line(process, "The front end is at").rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/config.json")
        assert json.load(connection.getresponse())["api"] == "https://butaca.example/api/v1"
        connection.close()


def test_command_serves_the_page_until_sigterm() -> None:
    with running("frontend", "--port", "0") as process:
        port = int(wait_for_line(process, "The front end is at").rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        assert b"<title>Butaca</title>" in connection.getresponse().read()
        connection.close()
    assert process.returncode == 0
