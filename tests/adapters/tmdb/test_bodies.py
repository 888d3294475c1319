"""Parsing TMDB's JSON: complete, missing, unknown and invalid values."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, String

from butaca.adapters.sql.tables import translations
from butaca.adapters.tmdb.bodies import (
    MAX_CODE_LENGTH,
    changes_page,
    genre_names,
    movie_details,
    movie_page,
    movie_record,
)
from butaca.core.errors import CatalogueInvalidResponse
from butaca.core.models import (
    MAX_ID,
    Collection,
    Company,
    Country,
    Genre,
    SpokenLanguage,
    Translation,
)

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "tmdb"
recorded = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="TMDB's recorded responses are not next to this checkout"
)

ITEM: dict[str, Any] = {
    "adult": False,
    "backdrop_path": "/back.jpg",
    "genre_ids": [18, 53],
    "id": 550,
    "title": "Fight Club",
    "original_language": "en",
    "original_title": "Fight Club",
    "overview": "A ticking-time-bomb insomniac.",
    "popularity": 73.433,
    "poster_path": "/post.jpg",
    "release_date": "1999-10-15",
    "softcore": False,
    "video": False,
    "vote_average": 8.4,
    "vote_count": 31000,
}
DETAILS: dict[str, Any] = {
    **{key: value for key, value in ITEM.items() if key != "genre_ids"},
    "belongs_to_collection": {"id": 9, "name": "F", "poster_path": None, "backdrop_path": "/b"},
    "budget": 63_000_000,
    "genres": [{"id": 18, "name": "Drama"}],
    "homepage": "http://www.foxmovies.com/movies/fight-club",
    "imdb_id": "tt0137523",
    "origin_country": ["US"],
    "production_companies": [
        {"id": 508, "logo_path": None, "name": "Regency", "origin_country": "US"}
    ],
    "production_countries": [{"iso_3166_1": "US", "name": "United States of America"}],
    "revenue": 100_853_753,
    "runtime": 139,
    "spoken_languages": [{"english_name": "English", "iso_639_1": "en", "name": "English"}],
    "status": "Released",
    "tagline": "Mischief. Mayhem. Soap.",
}
TRANSLATION: dict[str, Any] = {
    "iso_3166_1": "ES",
    "iso_639_1": "es",
    "name": "Español",
    "english_name": "Spanish",
    "data": {
        "homepage": "",
        "overview": "Un joven sin ilusiones.",
        "runtime": 139,
        "tagline": "",
        "title": "El club de la lucha",
    },
}


GENRES: dict[str, Any] = {"genres": [{"id": 18, "name": "Drama"}]}


def make_page_body(*items: object, **changes: object) -> dict[str, Any]:
    page = {"page": 1, "results": list(items), "total_pages": 1, "total_results": len(items)}
    return {**page, **changes}


def make_record_body(*translations: object) -> dict[str, Any]:
    return {**DETAILS, "translations": {"translations": list(translations)}}


# --- pages ---------------------------------------------------------------------------------


def test_page_has_its_number_and_totals() -> None:
    page = movie_page(make_page_body(ITEM, page=3, total_pages=7, total_results=137))

    assert (page.page, page.page_size, page.total_pages, page.total_results) == (3, 20, 7, 137)


def test_all_fields_of_a_movie_are_parsed() -> None:
    (movie,) = movie_page(make_page_body(ITEM)).results

    parse = {name: getattr(movie, name) for name in ITEM if name != "softcore"}
    written = {name: value for name, value in ITEM.items() if name != "softcore"}
    assert parse == {**written, "genre_ids": (18, 53), "release_date": date(1999, 10, 15)}


@pytest.mark.parametrize(
    ("total_pages", "expected"), [(0, 0), (499, 499), (500, 500), (58_321, 500)]
)
def test_total_pages_is_limited_to_500(total_pages: int, expected: int) -> None:
    assert movie_page(make_page_body(total_pages=total_pages)).total_pages == expected


def test_duplicate_movies_are_removed_and_the_order_is_preserved() -> None:
    items = [{**ITEM, "id": movie_id} for movie_id in (3, 1, 3, 2, 1)]

    assert [movie.id for movie in movie_page(make_page_body(*items)).results] == [3, 1, 2]


def test_first_of_duplicate_movies_is_used() -> None:
    page = movie_page(make_page_body(ITEM, {**ITEM, "title": "Again"}))

    assert page.results[0].title == "Fight Club"


@pytest.mark.parametrize("field", ["overview", "poster_path", "backdrop_path", "release_date"])
@pytest.mark.parametrize("empty", ["", None])
def test_empty_field_of_a_movie_is_none(field: str, empty: str | None) -> None:
    (movie,) = movie_page(make_page_body({**ITEM, field: empty})).results

    assert getattr(movie, field) is None


def test_movie_in_the_2013_format_is_parsed() -> None:
    old = {
        "backdrop_path": "/back.jpg",
        "id": 550,
        "original_title": "Fight Club",
        "original_language": "en",
        "release_date": "1999-10-14",
        "poster_path": "/post.jpg",
        "popularity": 9,
        "title": "Fight Club",
        "vote_average": 7.3,
        "vote_count": 2413,
    }
    (movie,) = movie_page(make_page_body(old)).results

    assert movie.overview is None
    assert movie.genre_ids == ()


@pytest.mark.parametrize("text", ["1999", "1999-13-01", "tomorrow", "0000-00-00"])
def test_invalid_date_is_none(text: str) -> None:
    (movie,) = movie_page(make_page_body({**ITEM, "release_date": text})).results

    assert movie.release_date is None


def test_unknown_fields_are_ignored() -> None:
    (movie,) = movie_page(make_page_body({**ITEM, "smell": "soap"}, dates={"minimum": "x"})).results

    assert not hasattr(movie, "smell")


@pytest.mark.parametrize(
    "changes",
    [
        {"results": None},
        {"results": {}},
        {"results": ""},
        {"results": [None]},
        {"results": ["title"]},
        {"results": [[]]},
        {"results": [{}]},
        {"results": [{**ITEM, "id": None}]},
        {"results": [{**ITEM, "title": None, "original_title": None}]},
        {"results": [{**ITEM, "release_date": 1999}]},
        {"results": [{**ITEM, "release_date": ["1999-10-15"]}]},
        {"results": [{**ITEM, "genre_ids": 18}]},
        {"results": [{**ITEM, "overview": {"en": "x"}}]},
        {"results": [{**ITEM, "popularity": float("inf")}]},
        {"page": None},
        {"page": "first"},
        {"total_pages": float("inf")},
        {"total_results": []},
    ],
    ids=str,
)
def test_page_with_the_wrong_shape_is_invalid(changes: dict[str, object]) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_page(make_page_body(ITEM, **changes))


@pytest.mark.parametrize("missing", ["page", "results", "total_pages", "total_results"])
def test_page_with_a_missing_field_is_invalid(missing: str) -> None:
    page = make_page_body(ITEM)
    del page[missing]

    with pytest.raises(CatalogueInvalidResponse):
        movie_page(page)


# --- details and records -------------------------------------------------------------------


def test_all_fields_of_details_are_parsed() -> None:
    details = movie_details(DETAILS)

    changed = {
        "release_date": date(1999, 10, 15),
        "belongs_to_collection": Collection(9, "F", poster_path=None, backdrop_path="/b"),
        "genres": (Genre(18, "Drama"),),
        "origin_country": ("US",),
        "production_companies": (Company(508, "Regency", origin_country="US"),),
        "production_countries": (Country("US", "United States of America"),),
        "spoken_languages": (SpokenLanguage("en", "English", "English"),),
    }
    written = {name: value for name, value in DETAILS.items() if name != "softcore"}
    assert {name: getattr(details, name) for name in written} == {**written, **changed}


@pytest.mark.parametrize(
    ("field", "empty"),
    [
        *[(name, "") for name in ("overview", "tagline", "homepage", "imdb_id", "status")],
        *[(name, "") for name in ("poster_path", "backdrop_path", "release_date")],
        *[(name, None) for name in ("imdb_id", "poster_path", "belongs_to_collection")],
        ("runtime", 0),
    ],
)
def test_empty_field_of_details_is_none(field: str, empty: object) -> None:
    assert getattr(movie_details({**DETAILS, field: empty}), field) is None


def test_details_in_the_format_before_2024_are_parsed() -> None:
    old = {name: value for name, value in DETAILS.items() if name != "origin_country"}

    assert movie_details(old).origin_country == ()


@pytest.mark.parametrize("missing", ["id", "title", "original_title", "original_language"])
def test_details_without_a_required_field_are_invalid(missing: str) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_details({name: value for name, value in DETAILS.items() if name != missing})


@pytest.mark.parametrize("field", ["popularity", "vote_average", "runtime", "budget"])
def test_details_with_an_infinite_number_are_invalid(field: str) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_details({**DETAILS, field: float("inf")})


def test_record_has_details_and_translations() -> None:
    record = movie_record(make_record_body(TRANSLATION))

    assert record.details == movie_details(DETAILS)
    assert record.translations == (
        Translation(
            "es", "ES", title="El club de la lucha", overview="Un joven sin ilusiones.", runtime=139
        ),
    )


def test_empty_translation_is_parsed() -> None:
    data = {"homepage": "", "overview": "", "runtime": 0, "tagline": "", "title": ""}
    (translation,) = movie_record(make_record_body({**TRANSLATION, "data": data})).translations

    assert translation == Translation("es", "ES")


@pytest.mark.parametrize(
    "translations",
    [None, [], {}, {"translations": None}, {"translations": [{}]}, {"translations": ["es"]}],
    ids=str,
)
def test_record_without_translations_is_invalid(translations: object) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_record({**DETAILS, "translations": translations})


@pytest.mark.parametrize("missing", ["iso_639_1", "iso_3166_1", "data"])
def test_translation_without_language_region_or_data_is_invalid(missing: str) -> None:
    translation = {name: value for name, value in TRANSLATION.items() if name != missing}

    with pytest.raises(CatalogueInvalidResponse):
        movie_record(make_record_body(translation))


# --- values that no store can hold ---------------------------------------------------------

INVALID_IDS = (MAX_ID + 1, 10**30, 0, -1)


@pytest.mark.parametrize("movie_id", INVALID_IDS)
def test_page_with_a_movie_id_out_of_range_is_invalid(movie_id: int) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_page(make_page_body(ITEM, {**ITEM, "id": movie_id}))


@pytest.mark.parametrize("movie_id", INVALID_IDS)
def test_details_with_a_movie_id_out_of_range_are_invalid(movie_id: int) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_details({**DETAILS, "id": movie_id})


@pytest.mark.parametrize("genre_id", INVALID_IDS)
def test_details_with_a_genre_id_out_of_range_are_invalid(genre_id: int) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_details({**DETAILS, "genres": [{"id": genre_id, "name": "Drama"}]})


@pytest.mark.parametrize("field", ["iso_639_1", "iso_3166_1"])
@pytest.mark.parametrize("code", ["x" * (MAX_CODE_LENGTH + 1), "e\0s"], ids=repr)
def test_translation_with_a_code_that_cannot_be_stored_is_invalid(field: str, code: str) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        movie_record(make_record_body({**TRANSLATION, field: code}))


@pytest.mark.parametrize("column", [translations.c.language, translations.c.region], ids=str)
def test_maximum_code_length_is_that_of_the_column(column: Column[str]) -> None:
    assert isinstance(column.type, String)
    assert column.type.length == MAX_CODE_LENGTH


# --- any JSON ------------------------------------------------------------------------------

PARSERS: list[Callable[[Any], object]] = [movie_page, movie_details, movie_record, genre_names]
# Includes infinity, because 1e999 is valid JSON and is parsed as infinity.
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def corrupted(draw: st.DrawFn, body: Any) -> Any:
    """Return a valid body with arbitrary JSON at one place, at any depth."""
    if not isinstance(body, dict | list) or not body or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    if isinstance(body, list):
        return [draw(corrupted(body[0])), *body[1:]]
    name = draw(st.sampled_from(sorted(body)))
    return {**body, name: draw(corrupted(body[name]))}


@pytest.mark.parametrize("parse", PARSERS)
@given(body=JSON)
def test_any_json_is_parsed_or_rejected(parse: Callable[[Any], object], body: Any) -> None:
    _assert_parsed_or_rejected(parse, body)


@pytest.mark.parametrize("parse", PARSERS)
@given(
    body=corrupted(make_page_body(ITEM))
    | corrupted(make_record_body(TRANSLATION))
    | corrupted(GENRES)
)
def test_corrupted_body_is_parsed_or_rejected(parse: Callable[[Any], object], body: Any) -> None:
    _assert_parsed_or_rejected(parse, body)


def _assert_parsed_or_rejected(parse: Callable[[Any], object], body: Any) -> None:
    try:
        value = parse(body)
    except CatalogueInvalidResponse:
        return
    assert value is not None


PATHS = st.none() | st.just("") | st.from_regex(r"/[a-zA-Z0-9]{1,27}\.jpg", fullmatch=True)
ITEMS = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**31 - 1),
        "title": st.text(min_size=1, max_size=105),
        "original_title": st.text(min_size=1, max_size=105),
        "original_language": st.from_regex(r"[a-z]{2}", fullmatch=True),
        "release_date": st.just("") | st.dates().map(date.isoformat),
        "popularity": st.floats(0, 1e5),
        "vote_average": st.floats(0, 10) | st.integers(0, 10),
        "vote_count": st.integers(0, 100_000),
        "poster_path": PATHS,
        "backdrop_path": PATHS,
    },
    optional={
        "overview": st.text(max_size=1000),
        "genre_ids": st.lists(st.integers(1, 20_000), max_size=7),
        "adult": st.booleans(),
        "softcore": st.booleans(),
        "video": st.booleans(),
    },
)


@given(st.lists(ITEMS, max_size=20), st.integers(1, 500), st.integers(0, 60_000))
def test_any_valid_page_is_parsed(items: list[dict[str, Any]], number: int, total: int) -> None:
    page = movie_page(make_page_body(*items, page=number, total_pages=total))

    items_by_id = {item["id"]: item for item in reversed(items)}
    assert [movie.id for movie in page.results] == list(dict.fromkeys(i["id"] for i in items))
    for movie in page.results:
        item = items_by_id[movie.id]
        assert (movie.title, movie.vote_count) == (item["title"], item["vote_count"])
        assert movie.overview == (item.get("overview") or None)
        assert movie.poster_path == (item["poster_path"] or None)
        assert (movie.release_date or "") == (
            item["release_date"] and date.fromisoformat(item["release_date"])
        )


# --- recorded responses --------------------------------------------------------------------


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@recorded
@pytest.mark.parametrize("pattern", ["popular/*.json", "recorded/*popular*e-?*.json"])
def test_recorded_pages_are_parsed(pattern: str) -> None:
    bodies = [load(path) for path in RECORDINGS.glob(pattern) if ".meta" not in path.name]

    pages = [movie_page(body) for body in bodies]

    assert pages
    assert [[movie.id for movie in page.results] for page in pages] == [
        [item["id"] for item in body["results"]] for body in bodies
    ]


@recorded
def test_recorded_searches_are_parsed() -> None:
    paths = [path for path in RECORDINGS.glob("recorded/search*") if ".meta" not in path.name]

    pages = [movie_page(load(path)) for path in paths]

    assert len(pages) == 2
    assert all(page.results for page in pages)


@recorded
def test_recorded_details_are_parsed() -> None:
    bodies = [load(path) for path in RECORDINGS.glob("movie/*.json")]

    movies = [movie_details(body) for body in bodies]

    assert len(movies) > 400
    for movie, body in zip(movies, bodies, strict=True):
        assert (movie.id, movie.title) == (body["id"], body["title"])
        assert movie.runtime == (body["runtime"] or None)
        assert str(movie.release_date or "") == body["release_date"]


@recorded
def test_recorded_translations_are_parsed() -> None:
    folder = RECORDINGS / "recorded"
    translations = load(folder / "movie_47964_translations.json")

    record = movie_record({**load(folder / "movie_47964.json"), "translations": {**translations}})

    assert len(record.translations) == len(translations["translations"]) > 20
    assert {each.title for each in record.translations if each.language == "de"} >= {
        "Stirb langsam - Ein guter Tag zum Sterben"
    }


def test_movie_without_a_title_has_its_original_title() -> None:
    untitled = {**ITEM, "title": "", "original_title": "Relatos salvajes"}

    (movie,) = movie_page(make_page_body(untitled)).results

    assert movie.title == "Relatos salvajes"


# --- changes -------------------------------------------------------------------------------


def test_changes_are_parsed_as_ids() -> None:
    body = make_page_body(
        {"id": 7, "adult": False, "softcore": True}, {"id": 5, "adult": None}, {"id": 6}
    )

    assert changes_page(body).results == (7, 5, 6)


@pytest.mark.parametrize("total_pages", [1, 500, 733])
def test_total_pages_of_changes_is_not_limited(total_pages: int) -> None:
    assert changes_page(make_page_body(total_pages=total_pages)).total_pages == total_pages


@pytest.mark.parametrize("item", [{}, {"id": None}, {"id": "many"}])
def test_change_without_an_id_is_invalid(item: dict[str, Any]) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        changes_page(make_page_body(item))


def test_genres_are_names_by_id_in_order() -> None:
    body = {"genres": [{"id": 28, "name": "Acció"}, {"id": 18, "name": "Drama", "x": 1}]}
    assert list(genre_names(body).items()) == [(28, "Acció"), (18, "Drama")]


@pytest.mark.parametrize("empty", [None, ""])
def test_genre_without_a_name_is_none(empty: str | None) -> None:
    assert genre_names({"genres": [{"id": 18, "name": empty}]}) == {18: None}


@pytest.mark.parametrize("item", [{}, {"id": 18}, {"name": "Drama"}, {"id": "x", "name": "Drama"}])
def test_genre_with_the_wrong_shape_is_invalid(item: dict[str, Any]) -> None:
    with pytest.raises(CatalogueInvalidResponse):
        genre_names({"genres": [item]})
