"""Cached JSON is copied into the right places, whatever its texts contain."""

import json
from datetime import UTC, datetime

import pytest

from butaca.core.models import Favorite, Mark, Page, Stars
from butaca.web import outputs
from butaca.web.serialization import JsonTemplate, Serializer
from tests.builders import NOON, make_details, make_movie, make_page

PLACEHOLDER_LIKE_TEXTS = ('"me":null', '"movie":{}', '\\"me\\":null', '{"movie":{}}')


@pytest.fixture
def serializer() -> Serializer:
    return Serializer("https://image.example")


def test_placeholders_are_filled_in_order() -> None:
    template = JsonTemplate(b'[{"a":1,"it":null},{"it":null}]', b"it", b"null")
    assert template.fill([b"1", b"[2]"]) == b'[{"a":1,"it":1},{"it":[2]}]'


def test_body_without_placeholders_is_unchanged() -> None:
    assert JsonTemplate(b'{"results":[]}', b"it", b"null").fill([]) == b'{"results":[]}'


@pytest.mark.parametrize("values", [[], [b"1", b"2"]])
def test_wrong_number_of_values_is_an_error(values: list[bytes]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - Python chooses the text
        JsonTemplate(b'{"it":null}', b"it", b"null").fill(values)


@pytest.mark.parametrize("text", PLACEHOLDER_LIKE_TEXTS)
def test_text_that_looks_like_a_placeholder_is_not_replaced(
    serializer: Serializer, text: str
) -> None:
    page = make_page(make_movie(1, title=text), make_movie(2, overview=text))
    marks = {2: Mark(favorite=True, rating=Stars.of(4.5))}
    body = serializer.movie_template(outputs.MoviePage, page).render(marks)
    first, second = json.loads(body)["results"]
    assert (first["title"], first["me"]) == (text, {"favorite": False, "rating": None})
    assert (second["overview"], second["me"]) == (text, {"favorite": True, "rating": 4.5})


@pytest.mark.parametrize("text", PLACEHOLDER_LIKE_TEXTS)
def test_favorite_with_a_placeholder_like_title_is_intact(
    serializer: Serializer, text: str
) -> None:
    movies = [make_details(1, title=text), make_details(2)]
    entries = tuple(Favorite(movie, None, NOON, "en-US") for movie in movies)
    body = outputs.FavoritePage.of(Page(entries, 1, 1, 20, 2))
    results = json.loads(serializer.serialize_with_movies(body, movies))["results"]
    assert [result["movie"]["title"] for result in results] == [movie.title for movie in movies]
    assert [result["movie"]["id"] for result in results] == [1, 2]


def test_movie_template_is_cached(serializer: Serializer) -> None:
    page = make_page(make_movie(1))
    first, second = (serializer.movie_template(outputs.MoviePage, page) for _ in range(2))
    assert first is second


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC), "2026-01-02T03:04:05.000060Z"),
    ],
)
def test_timestamp_is_serialized_as_rfc_3339(
    serializer: Serializer, at: datetime, expected: str
) -> None:
    body = outputs.Favorite.of(Favorite(make_details(), None, at, "en-US"))
    assert json.loads(serializer.serialize(body))["favorited_at"] == expected
