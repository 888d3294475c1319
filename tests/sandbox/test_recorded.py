"""A sandbox that serves a folder of recorded responses instead of the built-in movies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests

from butaca.sandbox import Fault, Sandbox


@pytest.fixture
def sandbox(folder: Path) -> Iterator[Sandbox]:
    with Sandbox(data=folder) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/movie/popular", "popular/page-1.json"),
        ("/movie/popular?page=2&language=en-US", "popular/page-2.json"),
        ("/movie/popular?page=2&language=fr", "popular/page-2.json"),
        ("/movie/1", "movie/1.json"),
        ("/movie/1?language=es", "movie/1.json"),
        ("/movie/9?language=en-US", "recorded/0.json"),
        ("/movie/9?language=it", "recorded/1.json"),
        ("/movie/9?language=fr", "recorded/0.json"),
        ("/movie/9/translations", "recorded/2.json"),
        ("/movie/popular?language=de", "recorded/4.json"),
        ("/movie/changes?start_date=2026-01-01", "recorded/5.json"),
        ("/configuration", "recorded/6.json"),
        ("/genre/movie/list", "recorded/8.json"),
        ("/genre/movie/list?language=en-US", "recorded/8.json"),
        ("/genre/movie/list?language=it", "recorded/9.json"),
        ("/genre/movie/list?language=fr", "recorded/8.json"),
        ("/search/movie?query=007&language=en-US", "recorded/7.json"),
    ],
)
def test_recorded_file_is_served_byte_for_byte(
    folder: Path, get: Any, path: str, file: str
) -> None:
    assert get(path).content == (folder / file).read_bytes()


def test_unrecorded_page_is_empty_with_the_recorded_totals(get: Any) -> None:
    expected = {"page": 400, "results": [], "total_pages": 53906, "total_results": 1078112}

    assert get("/movie/popular", page=400).json() == expected


def test_page_over_500_returns_400(get: Any) -> None:
    assert get("/movie/popular", page=501).status_code == 400


def test_recorded_404_is_returned(get: Any) -> None:
    response = get("/movie/7", append_to_response="translations")

    assert response.status_code == 404
    assert response.json() == {"status_code": 34}


@pytest.mark.parametrize("path", ["/movie/5", "/movie/5/translations"])
def test_unrecorded_movie_returns_404(get: Any, path: str) -> None:
    assert get(path).status_code == 404


def test_recorded_translations_are_appended_to_details(get: Any) -> None:
    movie = get("/movie/9", append_to_response="translations").json()

    assert movie["title"] == "Neuf"
    assert movie["translations"] == {"translations": [{"name": "X"}]}


def test_translations_are_empty_if_not_recorded(get: Any) -> None:
    movie = get("/movie/1", append_to_response="translations").json()

    assert movie["translations"] == {"translations": []}


def test_search_covers_the_popular_movies(get: Any) -> None:
    found = get("/search/movie", query="tres").json()

    assert [movie["id"] for movie in found["results"]] == [3]


def test_search_filters_by_year(get: Any) -> None:
    assert get("/search/movie", query="dos", year=1999).json()["total_results"] == 1
    assert get("/search/movie", query="dos", year=2000).json()["total_results"] == 0


def test_deleted_movies_precede_the_recorded_changes(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("deleted", ids=(2, 5)))
    changes = get("/movie/changes").json()["results"]

    assert [one["id"] for one in changes] == [2, 5, 1]
    assert [one.get("adult", 0) for one in changes] == [None, None, 0]


def test_unrecorded_changes_are_an_empty_page(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("deleted", ids=(2,)))

    assert get("/movie/changes", page=2).json()["results"] == []


def test_picture_is_drawn_from_the_title(sandbox: Sandbox) -> None:
    response = requests.get(f"{sandbox.image_url}/w342/p1.jpg", timeout=10)

    assert response.headers["Content-Type"] == "image/svg+xml"
    assert ET.fromstring(response.content)[0].text == "Uno"


def test_empty_folder_falls_back_to_defaults(tmp_path: Path, get_from: Any) -> None:
    with Sandbox(data=str(tmp_path)) as empty:
        get = get_from(empty)

        assert get("/movie/popular").json()["results"] == []
        assert "poster_sizes" in get("/configuration").json()["images"]
        assert get("/movie/changes").json()["total_results"] == 0
        genres = get("/genre/movie/list", language="es").json()["genres"]
        assert genres[0] == {"id": 28, "name": "Acción"}


def test_missing_folder_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="not a directory of recorded responses"):
        Sandbox(data=tmp_path / "nowhere")
