"""Fixtures: a running sandbox, functions that call it, and a small folder of recordings."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from butaca.sandbox import Sandbox

Ask = Callable[..., requests.Response]
Dial = Callable[..., socket.socket]
Until = Callable[[Callable[[], Any]], None]

GOOD = {"Authorization": "Bearer sandbox-token"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def ask(sandbox: Sandbox) -> Ask:
    """Return a function that sends a GET below /3 of the sandbox, with a valid token."""
    return asking(sandbox)


@pytest.fixture
def ask_of() -> Callable[[Sandbox], Ask]:
    """Return a function that creates an `ask` for any sandbox."""
    return asking


def asking(sandbox: Sandbox) -> Ask:
    def ask(path: str, timeout: float = 10, **params: object) -> requests.Response:
        return requests.get(
            sandbox.url + path,
            params={name: str(value) for name, value in params.items()},
            headers=GOOD,
            timeout=timeout,
        )

    return ask


@pytest.fixture
def dial(sandbox: Sandbox) -> Iterator[Dial]:
    """Return a function that opens a raw connection and sends a GET over it."""
    opened: list[socket.socket] = []

    def dial(path: str) -> socket.socket:
        address = urlsplit(sandbox.url)
        connection = socket.create_connection((address.hostname, address.port), timeout=10)
        opened.append(connection)
        head = (
            f"GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: {GOOD['Authorization']}\r\n\r\n"
        )
        connection.sendall(head.encode())
        return connection

    yield dial
    for connection in opened:
        connection.close()


@pytest.fixture
def until() -> Until:
    """Return a function that waits for a condition, with a timeout."""

    def until(condition: Callable[[], Any]) -> None:
        for _ in range(5000):
            if condition():
                return
            Event().wait(0.002)
        pytest.fail("the condition did not become true")

    return until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of recordings: two popular pages, a movie, and single recordings."""
    pages = {1: [item(1, "Uno"), item(2, "Dos")], 2: [item(2, "Dos"), item(3, "Três", date="")]}
    for number, items in pages.items():
        page = {"page": number, "results": items, "total_pages": 53906, "total_results": 1078112}
        save(tmp_path / "popular" / f"page-{number}.json", page)
    save(tmp_path / "movie" / "1.json", {**item(1, "Uno"), "genres": [{"id": 18, "name": "Drama"}]})
    record(tmp_path, "GET /3/movie/9", item(9, "Neuf"))
    record(tmp_path, "GET /3/movie/9?language=it", item(9, "Nove"))
    record(tmp_path, "GET /3/movie/9/translations", {"id": 9, "translations": [{"name": "X"}]})
    record(tmp_path, "GET /3/movie/7", {"status_code": 34}, status=404)
    record(tmp_path, "GET /3/movie/popular?language=de", {"page": 1, "results": [item(8, "Acht")]})
    record(tmp_path, "GET /3/movie/changes?page=1", {"results": [{"id": 1}, {"id": 2}], "page": 1})
    record(tmp_path, "GET /3/configuration", {"images": {}})
    search = {"page": 1, "results": [item(7, "007")], "total_pages": 1, "total_results": 1}
    record(tmp_path, "GET /3/search/movie?query=007&page=1&include_adult=false", search)
    record(tmp_path, "GET /3/genre/movie/list", {"genres": [{"id": 18, "name": "Drama"}]})
    italian = {"genres": [{"id": 18, "name": "Dramma"}]}
    record(tmp_path, "GET /3/genre/movie/list?language=it", italian)
    return tmp_path


def item(movie_id: int, title: str, date: str = "1999-01-01") -> dict[str, Any]:
    return {
        "id": movie_id,
        "title": title,
        "original_title": title,
        "release_date": date,
        "genre_ids": [18] if movie_id > 1 else [],
        "poster_path": f"/p{movie_id}.jpg",
        "backdrop_path": None,
    }


def record(folder: Path, request: str, body: object, status: int = 200) -> None:
    name = str(len(list(folder.glob("recorded/*.meta.json"))))
    save(folder / "recorded" / f"{name}.json", body)
    save(folder / "recorded" / f"{name}.meta.json", {"request": request, "status": status})


def save(file: Path, content: object) -> None:
    file.parent.mkdir(exist_ok=True)
    # Whitespace that no encoder of Butaca writes: the sandbox must return the bytes unchanged.
    file.write_text(json.dumps(content, indent=3), encoding="utf-8")
