"""JSON that is serialized once is copied into the right places, whatever its texts contain."""

import json
from datetime import UTC, datetime

import pytest

from butaca.core.models import Favorite, Mark, Page, Stars
from butaca.web import outputs
from butaca.web.writing import JsonTemplate, Writer
from tests.builders import NOON, make_details, make_movie, make_page

TRICKS = ('"me":null', '"movie":{}', '\\"me\\":null', '{"movie":{}}')


@pytest.fixture
def writer() -> Writer:
    return Writer("https://image.example")


def test_gaps_are_filled_in_their_order() -> None:
    gapped = JsonTemplate(b'[{"a":1,"it":null},{"it":null}]', b"it", b"null")
    assert gapped.fill([b"1", b"[2]"]) == b'[{"a":1,"it":1},{"it":[2]}]'


def test_a_text_without_gaps_stays_as_it_is() -> None:
    assert JsonTemplate(b'{"results":[]}', b"it", b"null").fill([]) == b'{"results":[]}'


@pytest.mark.parametrize("values", [[], [b"1", b"2"]])
def test_there_is_one_value_for_each_gap(values: list[bytes]) -> None:
    with pytest.raises(ValueError, match="zip"):
        JsonTemplate(b'{"it":null}', b"it", b"null").fill(values)


@pytest.mark.parametrize("trick", TRICKS)
def test_a_title_that_looks_like_a_gap_is_none(writer: Writer, trick: str) -> None:
    page = make_page(make_movie(1, title=trick), make_movie(2, overview=trick))
    marks = {2: Mark(favorite=True, rating=Stars.of(4.5))}
    text = writer.unmarked(outputs.MoviePage, page).mark(marks)
    first, second = json.loads(text)["results"]
    assert (first["title"], first["me"]) == (trick, {"favorite": False, "rating": None})
    assert (second["overview"], second["me"]) == (trick, {"favorite": True, "rating": 4.5})


@pytest.mark.parametrize("trick", TRICKS)
def test_a_favorite_whose_title_looks_like_a_gap_is_whole(writer: Writer, trick: str) -> None:
    movies = [make_details(1, title=trick), make_details(2)]
    entries = tuple(Favorite(movie, None, NOON, "en-US") for movie in movies)
    body = outputs.FavoritePage.of(Page(entries, 1, 1, 20, 2))
    found = json.loads(writer.write_with_movies(body, movies))["results"]
    assert [each["movie"]["title"] for each in found] == [movie.title for movie in movies]
    assert [each["movie"]["id"] for each in found] == [1, 2]


def test_a_page_is_written_once_for_all(writer: Writer) -> None:
    page = make_page(make_movie(1))
    assert writer.unmarked(outputs.MoviePage, page) is writer.unmarked(outputs.MoviePage, page)


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC), "2026-01-02T03:04:05.000060Z"),
    ],
)
def test_a_moment_is_written_in_utc(writer: Writer, at: datetime, written: str) -> None:
    body = outputs.Favorite.of(Favorite(make_details(), None, at, "en-US"))
    assert json.loads(writer.write(body))["favorited_at"] == written
