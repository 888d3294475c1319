"""The sandbox's JSON has the same keys as TMDB's, and no other types."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from butaca.sandbox.movies.movies import builtin_movies
from butaca.sandbox.movies.shapes import details, list_item, translations

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT.parent / "shared" / "tmdb"
LIST_KEYS = """
adult backdrop_path genre_ids id title original_language original_title overview popularity
poster_path release_date softcore video vote_average vote_count
"""
DETAIL_KEYS = """
adult backdrop_path belongs_to_collection budget genres homepage id imdb_id origin_country
original_language original_title overview popularity poster_path production_companies
production_countries release_date revenue runtime softcore spoken_languages status tagline title
video vote_average vote_count
"""

recorded = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings next to the project")


def load(pattern: str) -> list[Any]:
    return [json.loads(file.read_bytes()) for file in sorted(RECORDINGS.glob(pattern))]


def shape(value: Any) -> Any:
    """Return the name of a value's type; all numbers count as one type."""
    return {bool: "bool", int: "number", float: "number"}.get(type(value), type(value).__name__)


def shapes(values: Iterable[Any], path: str = "") -> set[tuple[str, str]]:
    """Return every (path, type) in the values, including nested ones."""
    found: set[tuple[str, str]] = set()
    for value in values:
        found.add((path, shape(value)))
        if isinstance(value, dict):
            for name, one in value.items():
                found |= shapes([one], f"{path}/{name}")
        if isinstance(value, list):
            found |= shapes(value, f"{path}[]")
    return found


def test_list_item_has_tmdbs_keys_in_order() -> None:
    assert all(list(list_item(one, "en-US")) == LIST_KEYS.split() for one in builtin_movies())


def test_details_have_tmdbs_keys_in_order() -> None:
    assert all(list(details(one, "es-MX")) == DETAIL_KEYS.split() for one in builtin_movies())


@recorded
def test_list_items_match_the_recorded_shape() -> None:
    pages = load("recorded/movie_popular_*[!a].json") + load("popular/*.json")
    theirs = [item for page in pages if "results" in page for item in page["results"]]
    ours = [list_item(one, "es-MX") for one in builtin_movies()]

    assert set(theirs[0]) == set(ours[0])
    assert shapes(ours) <= shapes(theirs)


@recorded
def test_details_match_the_recorded_shape() -> None:
    theirs = [*load("recorded/movie_47964.json"), *load("movie/*.json")]
    ours = [details(one, "es-MX") for one in builtin_movies()]

    assert list(theirs[0]) == list(ours[0])
    assert shapes(ours) <= shapes(theirs)


@recorded
def test_translations_match_the_recorded_shape() -> None:
    theirs = load("recorded/movie_47964_translations.json")[0]["translations"]
    ours = [entry for one in builtin_movies() for entry in translations(one)]

    assert shapes(ours) == shapes(theirs)


@recorded
def test_errors_equal_the_recorded_errors(get: Any) -> None:
    assert get("/movie/0").json() == load("recorded/movie_999999999.json")[0]
    assert get("/movie/popular", page=501).json() == load("errors/400-code22-page-501.json")[0]


@recorded
def test_changes_and_configuration_match_the_recorded_shape(get: Any) -> None:
    for path, pattern in (("/movie/changes", "changes_page-1"), ("/configuration", "")):
        theirs = load(
            f"recorded/movie_{pattern}.json" if pattern else "recorded/configuration.json"
        )
        assert shapes([get(path).json()]) == shapes(theirs)


@recorded
def test_no_text_is_copied_from_tmdb() -> None:
    theirs = {one.get(field) for one in load("movie/*.json") for field in ("overview", "tagline")}
    ours = {
        texts[field]
        for movie in builtin_movies()
        for texts in movie.texts.values()
        for field in ("overview", "tagline")
    }

    assert ours & theirs <= {""}
