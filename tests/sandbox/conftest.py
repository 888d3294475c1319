"""Fixtures: a running sandbox, functions that call it, and a small folder of recordings."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from butaca.sandbox import Sandbox

Get = Callable[..., requests.Response]
RawGet = Callable[..., socket.socket]

HEADERS = {"Authorization": "Bearer sandbox-token"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def get(sandbox: Sandbox) -> Get:
    """Return a function that sends a GET below /3 of the sandbox, with a valid token."""
    return make_get(sandbox)


@pytest.fixture
def get_from() -> Callable[[Sandbox], Get]:
    """Return a function that creates `get` for any sandbox."""
    return make_get


def make_get(sandbox: Sandbox) -> Get:
    def get(path: str, timeout: float = 10, **params: object) -> requests.Response:
        return requests.get(
            sandbox.url + path,
            params={name: str(value) for name, value in params.items()},
            headers=HEADERS,
            timeout=timeout,
        )

    return get


@pytest.fixture
def send_raw_get(sandbox: Sandbox) -> Iterator[RawGet]:
    """Return a function that sends a GET over a new socket, and returns the socket."""
    opened: list[socket.socket] = []

    def send_raw_get(path: str) -> socket.socket:
        address = urlsplit(sandbox.url)
        connection = socket.create_connection((address.hostname, address.port), timeout=10)
        opened.append(connection)
        authorization = HEADERS["Authorization"]
        head = f"GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: {authorization}\r\n\r\n"
        connection.sendall(head.encode())
        return connection

    yield send_raw_get
    for connection in opened:
        connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of recordings: two popular pages, a movie, and single recordings."""
    pages = {
        1: [make_item(1, "Uno"), make_item(2, "Dos")],
        2: [make_item(2, "Dos"), make_item(3, "Três", date="")],
    }
    for number, items in pages.items():
        page = {"page": number, "results": items, "total_pages": 53906, "total_results": 1078112}
        write_json(tmp_path / "popular" / f"page-{number}.json", page)
    write_json(
        tmp_path / "movie" / "1.json",
        {**make_item(1, "Uno"), "genres": [{"id": 18, "name": "Drama"}]},
    )
    record(tmp_path, "GET /3/movie/9", make_item(9, "Neuf"))
    record(tmp_path, "GET /3/movie/9?language=it", make_item(9, "Nove"))
    record(tmp_path, "GET /3/movie/9/translations", {"id": 9, "translations": [{"name": "X"}]})
    record(tmp_path, "GET /3/movie/7", {"status_code": 34}, status=404)
    record(
        tmp_path, "GET /3/movie/popular?language=de", {"page": 1, "results": [make_item(8, "Acht")]}
    )
    record(tmp_path, "GET /3/movie/changes?page=1", {"results": [{"id": 1}, {"id": 2}], "page": 1})
    record(tmp_path, "GET /3/configuration", {"images": {}})
    search = {"page": 1, "results": [make_item(7, "007")], "total_pages": 1, "total_results": 1}
    record(tmp_path, "GET /3/search/movie?query=007&page=1&include_adult=false", search)
    record(tmp_path, "GET /3/genre/movie/list", {"genres": [{"id": 18, "name": "Drama"}]})
    italian = {"genres": [{"id": 18, "name": "Dramma"}]}
    record(tmp_path, "GET /3/genre/movie/list?language=it", italian)
    return tmp_path


def make_item(movie_id: int, title: str, date: str = "1999-01-01") -> dict[str, Any]:
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
    write_json(folder / "recorded" / f"{name}.json", body)
    write_json(folder / "recorded" / f"{name}.meta.json", {"request": request, "status": status})


def write_json(file: Path, content: object) -> None:
    file.parent.mkdir(exist_ok=True)
    # Whitespace that no encoder of Butaca writes: the sandbox must return the bytes unchanged.
    file.write_text(json.dumps(content, indent=3), encoding="utf-8")
