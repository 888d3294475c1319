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
from butaca.sandbox.drawing.pictures import Picture, lines, picture_answer, svg
from butaca.sandbox.films.builtin import BuiltinMovies
from butaca.sandbox.films.movies import builtin_movies
from butaca.sandbox.films.shapes import backdrop_path, poster_path

SVG = "{http://www.w3.org/2000/svg}"
# What XML 1.0 can hold; a title out of a JSON file of recordings holds nothing else.
WRITABLE = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co"))


def words(drawn: str) -> str:
    return " ".join(str(one.text) for one in ET.fromstring(drawn).iter(f"{SVG}text"))


def get(sandbox: Sandbox, path: str) -> requests.Response:
    return requests.get(sandbox.image_url + path, timeout=10)


def test_every_path_of_a_movie_leads_to_a_well_formed_picture() -> None:
    source = BuiltinMovies(builtin_movies(), inflate_totals=True)
    paths = [path(one) for one in builtin_movies() for path in (poster_path, backdrop_path)]

    for path in filter(None, paths):
        answer = picture_answer(source.find_picture(path), "original")
        assert ET.fromstring(answer.body).tag == f"{SVG}svg"


@given(st.integers(1), st.text(WRITABLE), st.lists(st.sampled_from(sorted(MOTIFS))), st.booleans())
def test_any_title_and_any_genres_can_be_drawn(
    movie_id: int, title: str, genres: list[int], is_poster: bool
) -> None:
    picture = Picture(movie_id, title, "1999", tuple(genres), is_poster=is_poster)

    assert ET.fromstring(svg(picture, 342)).tag == f"{SVG}svg"


@pytest.mark.parametrize("genres", [*((one,) for one in MOTIFS), (10770,), ()])
def test_every_genre_has_a_drawing(genres: tuple[int, ...]) -> None:
    assert motif(genres, Canvas(600, 900), Random(1)).startswith("<")


def test_the_same_movie_always_gets_the_same_picture(sandbox: Sandbox) -> None:
    first, second = (get(sandbox, "/w342/550-poster.svg") for _ in range(2))

    assert first.content == second.content


def test_a_poster_is_two_to_three(sandbox: Sandbox) -> None:
    root = ET.fromstring(get(sandbox, "/w342/550-poster.svg").content)

    assert (root.get("width"), root.get("height")) == ("342", "513")


def test_a_backdrop_is_sixteen_to_nine_and_wordless(sandbox: Sandbox) -> None:
    drawn = get(sandbox, "/w1280/550-backdrop.svg").text
    root = ET.fromstring(drawn)

    assert (root.get("width"), root.get("height")) == ("1280", "720")
    assert words(drawn) == ""


def test_a_poster_tells_title_and_year(sandbox: Sandbox) -> None:
    assert words(get(sandbox, "/w342/550-poster.svg").text) == "Fight Club 1999"


def test_pictures_need_no_token_and_may_be_kept(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/original/550-poster.svg")

    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000"


@pytest.mark.parametrize(
    "path",
    ["/w342/1-poster.svg", "/w341/550-poster.svg", "/w342/550.svg", "/w342/x", "/w342", "/"],
)
def test_other_paths_and_sizes_are_404(sandbox: Sandbox, path: str) -> None:
    assert get(sandbox, path).status_code == 404


def test_a_movie_without_a_poster_has_no_picture_of_one(sandbox: Sandbox, ask: Any) -> None:
    assert ask("/movie/848890").json()["poster_path"] is None
    assert get(sandbox, "/w342/848890-poster.svg").status_code == 404


def test_long_titles_break_between_words() -> None:
    assert lines("The Lord of the Rings", 13) == ["The Lord of", "the Rings"]


def test_words_too_long_for_a_line_break_inside() -> None:
    assert lines("Llanfairpwllgwyngyll", 13) == ["Llanfairpwllg", "wyngyll"]


def test_wide_letters_take_two_places() -> None:
    assert lines("千と千尋の神隠し", 13) == ["千と千尋の神", "隠し"]


def test_drawings_differ_from_movie_to_movie() -> None:
    for draw in MOTIFS.values():
        assert len({draw(Canvas(600, 900), Random(seed)) for seed in range(9)}) > 1
