"""A folder of recorded responses instead of the sandbox's own movies."""

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
def test_the_bytes_of_a_file_come_as_they_are(folder: Path, ask: Any, path: str, file: str) -> None:
    assert ask(path).content == (folder / file).read_bytes()


def test_a_page_that_was_not_recorded_is_empty_with_the_same_totals(ask: Any) -> None:
    expected = {"page": 400, "results": [], "total_pages": 53906, "total_results": 1078112}

    assert ask("/movie/popular", page=400).json() == expected


def test_a_page_behind_the_last_is_refused_all_the_same(ask: Any) -> None:
    assert ask("/movie/popular", page=501).status_code == 400


def test_a_recorded_404_is_a_404(ask: Any) -> None:
    answer = ask("/movie/7", append_to_response="translations")

    assert answer.status_code == 404
    assert answer.json() == {"status_code": 34}


@pytest.mark.parametrize("path", ["/movie/5", "/movie/5/translations"])
def test_a_movie_that_was_not_recorded_is_404(ask: Any, path: str) -> None:
    assert ask(path).status_code == 404


def test_recorded_translations_are_appended(ask: Any) -> None:
    movie = ask("/movie/9", append_to_response="translations").json()

    assert movie["title"] == "Neuf"
    assert movie["translations"] == {"translations": [{"name": "X"}]}


def test_without_recorded_translations_there_are_none(ask: Any) -> None:
    movie = ask("/movie/1", append_to_response="translations").json()

    assert movie["translations"] == {"translations": []}


def test_search_looks_among_the_popular_movies(ask: Any) -> None:
    found = ask("/search/movie", query="tres").json()

    assert [movie["id"] for movie in found["results"]] == [3]


def test_search_narrows_down_by_year(ask: Any) -> None:
    assert ask("/search/movie", query="dos", year=1999).json()["total_results"] == 1
    assert ask("/search/movie", query="dos", year=2000).json()["total_results"] == 0


def test_deleted_movies_are_among_the_recorded_changes(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("deleted", ids=(2, 5)))
    changes = ask("/movie/changes").json()["results"]

    assert [one["id"] for one in changes] == [2, 5, 1]
    assert [one.get("adult", 0) for one in changes] == [None, None, 0]


def test_changes_that_were_not_recorded_are_an_empty_page(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("deleted", ids=(2,)))

    assert ask("/movie/changes", page=2).json()["results"] == []


def test_pictures_are_drawn_from_the_titles(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.image_url}/w342/p1.jpg", timeout=10)

    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert ET.fromstring(answer.content)[0].text == "Uno"


def test_an_empty_folder_answers_what_it_can(tmp_path: Path, ask_of: Any) -> None:
    with Sandbox(data=str(tmp_path)) as empty:
        ask = ask_of(empty)

        assert ask("/movie/popular").json()["results"] == []
        assert "poster_sizes" in ask("/configuration").json()["images"]
        assert ask("/movie/changes").json()["total_results"] == 0
        genres = ask("/genre/movie/list", language="es").json()["genres"]
        assert genres[0] == {"id": 28, "name": "Acción"}


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="not a directory of recorded responses"):
        Sandbox(data=tmp_path / "nowhere")
