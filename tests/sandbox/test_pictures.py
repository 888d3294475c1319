"""Posters and backdrops."""

from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from butaca.sandbox import Sandbox
from butaca.sandbox.drawing.ink import Canvas
from butaca.sandbox.drawing.motifs import MOTIFS, motif
from butaca.sandbox.drawing.pictures import Picture, picture_response, svg, wrap
from butaca.sandbox.movies.builtin import BuiltinMovies
from butaca.sandbox.movies.movies import builtin_movies
from butaca.sandbox.movies.shapes import backdrop_path, poster_path

SVG = "{http://www.w3.org/2000/svg}"
# The characters that XML 1.0 allows. Titles in recordings contain no others.
WRITABLE = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co"))


def text_of(drawn: str) -> str:
    return " ".join(str(each.text) for each in ET.fromstring(drawn).iter(f"{SVG}text"))


def get_picture(sandbox: Sandbox, path: str) -> requests.Response:
    return requests.get(sandbox.image_url + path, timeout=10)


def test_every_picture_path_returns_well_formed_svg() -> None:
    source = BuiltinMovies(builtin_movies(), inflate_totals=True)
    paths = [path(one) for one in builtin_movies() for path in (poster_path, backdrop_path)]

    for path in filter(None, paths):
        response = picture_response(source.find_picture(path), "original")
        assert ET.fromstring(response.body).tag == f"{SVG}svg"


@given(st.integers(1), st.text(WRITABLE), st.lists(st.sampled_from(sorted(MOTIFS))), st.booleans())
def test_any_title_and_genres_can_be_drawn(
    movie_id: int, title: str, genres: list[int], is_poster: bool
) -> None:
    picture = Picture(movie_id, title, "1999", tuple(genres), is_poster=is_poster)

    assert ET.fromstring(svg(picture, 342)).tag == f"{SVG}svg"


@pytest.mark.parametrize("genres", [*((one,) for one in MOTIFS), (10770,), ()])
def test_every_genre_has_a_motif(genres: tuple[int, ...]) -> None:
    assert motif(genres, Canvas(600, 900), Random(1)).startswith("<")


def test_movie_always_has_the_same_picture(sandbox: Sandbox) -> None:
    first, second = (get_picture(sandbox, "/w342/550-poster.svg") for _ in range(2))

    assert first.content == second.content


def test_poster_has_aspect_ratio_2_to_3(sandbox: Sandbox) -> None:
    root = ET.fromstring(get_picture(sandbox, "/w342/550-poster.svg").content)

    assert (root.get("width"), root.get("height")) == ("342", "513")


def test_backdrop_has_aspect_ratio_16_to_9_and_no_text(sandbox: Sandbox) -> None:
    drawn = get_picture(sandbox, "/w1280/550-backdrop.svg").text
    root = ET.fromstring(drawn)

    assert (root.get("width"), root.get("height")) == ("1280", "720")
    assert text_of(drawn) == ""


def test_poster_shows_title_and_year(sandbox: Sandbox) -> None:
    assert text_of(get_picture(sandbox, "/w342/550-poster.svg").text) == "Fight Club 1999"


def test_pictures_need_no_token_and_are_cacheable(sandbox: Sandbox) -> None:
    response = get_picture(sandbox, "/original/550-poster.svg")

    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.headers["Cache-Control"] == "public, max-age=31536000"


@pytest.mark.parametrize(
    "path",
    ["/w342/1-poster.svg", "/w341/550-poster.svg", "/w342/550.svg", "/w342/x", "/w342", "/"],
)
def test_unknown_path_or_size_returns_404(sandbox: Sandbox, path: str) -> None:
    assert get_picture(sandbox, path).status_code == 404


def test_movie_without_a_poster_has_no_poster_picture(sandbox: Sandbox, get: Any) -> None:
    assert get("/movie/848890").json()["poster_path"] is None
    assert get_picture(sandbox, "/w342/848890-poster.svg").status_code == 404


def test_long_title_wraps_between_words() -> None:
    assert wrap("The Lord of the Rings", 13) == ["The Lord of", "the Rings"]


def test_long_word_wraps_inside_the_word() -> None:
    assert wrap("Llanfairpwllgwyngyll", 13) == ["Llanfairpwllg", "wyngyll"]


def test_wide_letters_count_twice() -> None:
    assert wrap("千と千尋の神隠し", 13) == ["千と千尋の神", "隠し"]


def test_drawings_differ_between_seeds() -> None:
    for draw in MOTIFS.values():
        assert len({draw(Canvas(600, 900), Random(seed)) for seed in range(9)}) > 1
