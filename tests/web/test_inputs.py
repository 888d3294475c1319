"""Invalid input is rejected with the right status, and nothing is written."""

import re
from copy import deepcopy
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.builders import make_record
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.web.helpers import API, BODIES, CALLS, Call, add_sample_data

POPULAR = f"{API}/movies/popular"
SEARCH = f"{API}/movies/search"
GENRES = f"{API}/movies/genres"
MOVIE = f"{API}/movies/550"
FAVORITES = f"{API}/me/favorites"
FAVORITE = f"{FAVORITES}/550"
RATINGS = f"{API}/me/ratings"
RATING = f"{RATINGS}/550"
USER_FAVORITES = f"{API}/users/2/favorites"

LISTS = (FAVORITES, RATINGS, USER_FAVORITES)
PAGINATED = (POPULAR, SEARCH, *LISTS)
LOCALIZED = (*PAGINATED, GENRES, MOVIE, FAVORITE, RATING)
READABLE = (*LOCALIZED, f"{API}/me")


MESSAGE = re.compile(
    r"Must be .+\.|Required\.|Unknown (parameter|field)\.|A parameter must be given only once\.|"
    r"Stars are a number from 0 to 5 .+\.|Sort by .+\.|A sort key may be named once\.|"
    r"The body must be a JSON object\."
)
"""The messages that errors can have. Pydantic's own messages are not among them."""


def field_errors(response: TestResponse) -> set[tuple[str, str]]:
    assert response.status_code == 422
    assert response.json is not None
    for error in response.json["errors"]:
        assert MESSAGE.fullmatch(error["message"]), error["message"]
    return {(error["location"], error["field"]) for error in response.json["errors"]}


def get(client: ContractClient, path: str, query: str) -> TestResponse:
    return client.get(f"{path}?query=x&{query}" if path == SEARCH else f"{path}?{query}")


BAD_PAGES = [
    "0",
    "-1",
    "+1",
    "abc",
    "1.0",
    "1_0",
    "1e1",
    "0x1",
    "",
    "%20",
    "1%20",
    "%001",
    "1%00",
    "%D9%A3",
    "%C2%B2",
    "%FF",
    "true",
    "null",
    "9" * 30,
    "9" * 5000,
]


def rejected_values(client: ContractClient, path: str, name: str, values: list[str]) -> list[str]:
    """Return the values that cause exactly one error, which is for this parameter."""
    errors = {value: field_errors(get(client, path, f"{name}={value}")) for value in values}
    return [value for value in values if errors[value] == {("query", name)}]


@pytest.mark.parametrize("path", PAGINATED)
def test_page_number_must_be_a_positive_integer(path: str, admin: ContractClient) -> None:
    assert rejected_values(admin, path, "page", BAD_PAGES) == BAD_PAGES


@pytest.mark.parametrize("path", [POPULAR, SEARCH])
def test_catalogue_page_number_must_not_exceed_500(
    path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    assert field_errors(get(consumer, path, "page=501")) == {("query", "page")}
    assert backend.catalogue.calls == []


@pytest.mark.parametrize("path", LISTS)
def test_user_list_page_number_must_not_exceed_one_million(
    path: str, admin: ContractClient
) -> None:
    assert admin.get(f"{path}?page=1000000").status_code == 200
    assert field_errors(admin.get(f"{path}?page=1000001")) == {("query", "page")}


@pytest.mark.parametrize("path", LISTS)
def test_page_size_must_be_from_1_to_100(path: str, admin: ContractClient) -> None:
    bad = ["101", *BAD_PAGES]

    assert rejected_values(admin, path, "page_size", bad) == bad


BAD_LANGUAGES = [
    "",
    "e",
    "spa",
    "ES",
    "es_AR",
    "es-ar",
    "ES-AR",
    "es-",
    "-AR",
    "es-ARG",
    "es-419",
    "es-AR-x",
    "es-AR,en",
    "es%00",
    "es%0A",
    "%20es",
    "%C3%A9s",
    "*",
    "none",
]


@pytest.mark.parametrize("path", LOCALIZED)
def test_language_must_be_xx_or_xx_yy(path: str, admin: ContractClient) -> None:
    assert rejected_values(admin, path, "language", BAD_LANGUAGES) == BAD_LANGUAGES


@pytest.mark.parametrize("path", [POPULAR, SEARCH])
def test_region_must_be_two_uppercase_letters(path: str, consumer: ContractClient) -> None:
    bad = ["", "A", "ar", "Ar", "ARG", "A1", "AR%0A", "AR%00", "%C3%91A"]

    assert rejected_values(consumer, path, "region", bad) == bad


def test_year_must_be_from_1870_to_2100(consumer: ContractClient) -> None:
    bad = ["", "abc", "1869", "2101", "-1999", "1999.0", "1_999", "99", "%D9%A1999", "9" * 30]

    assert rejected_values(consumer, SEARCH, "year", bad) == bad


@pytest.mark.parametrize("year", ["1870", "2100"])
def test_first_and_last_year_are_accepted(year: str, consumer: ContractClient) -> None:
    assert get(consumer, SEARCH, f"year={year}").status_code == 200


@pytest.mark.parametrize("path", [POPULAR, SEARCH, MOVIE])
def test_include_must_be_me(path: str, consumer: ContractClient) -> None:
    bad = ["", "ME", "you", "me,me", "me%20", "me%00", "true"]

    assert rejected_values(consumer, path, "include", bad) == bad


@pytest.mark.parametrize(
    "text",
    ["", "+", "%20%20%20", "x" * 201, "%00", "a%00b", "a%0Ab", "a%09", "%7F", "%1B[31m"],
)
def test_search_text_must_be_printable_and_not_blank(
    text: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    assert field_errors(consumer.get(f"{SEARCH}?query={text}")) == {("query", "query")}
    assert backend.catalogue.calls == []


def test_search_requires_a_query(consumer: ContractClient) -> None:
    assert field_errors(consumer.get(SEARCH)) == {("query", "query")}


BAD_SORTS = [
    "",
    "-",
    ",",
    "junk",
    "title,",
    ",title",
    "title,,rating",
    "--title",
    "+title",
    "%2Btitle",
    "title+desc",
    "Title",
    "title,title",
    "title,-title",
    "rating,title,rating",
    "title%00",
    "title%0A",
    "id",
    "password",
    "title;drop",
]


BAD_BOOLEANS = ["", "yes", "1", "TRUE", "True", "null", "true%00", "true,false"]
BAD_FILTERS = {
    "min_rating": ["", "5.5", "-1", "4.3", "4.50", "1e0", "+4", "%D9%A3", "nan", "true", "4.", "6"],
    "genre": ["", "-1", "drama", "18,35", "1.0", str(2**31), "9" * 5000],
    "year_from": ["", "1869", "2101", "99", "1999-01-01", "-1999", "9" * 5000],
    "year_to": ["", "1869", "2101", "99", "1999-01-01", "-1999", "9" * 5000],
    "q": [
        "",
        "+",
        "%20%20",
        "x" * 201,
        "%00",
        "a%00b",
        "a%0Ab",
        "%7F",
        "%CC%81",
        "%CC%81+%CC%88",
        "%C2%B4",
    ],
}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("name", "bad"), BAD_FILTERS.items(), ids=BAD_FILTERS.keys())
def test_invalid_filter_is_rejected(
    path: str, name: str, bad: list[str], admin: ContractClient
) -> None:
    assert rejected_values(admin, path, name, bad) == bad


@pytest.mark.parametrize(
    ("path", "name"), [(FAVORITES, "rated"), (USER_FAVORITES, "rated"), (RATINGS, "favorite")]
)
def test_boolean_filter_must_be_true_or_false(path: str, name: str, admin: ContractClient) -> None:
    assert rejected_values(admin, path, name, BAD_BOOLEANS) == BAD_BOOLEANS


@pytest.mark.parametrize(("path", "name"), [(FAVORITES, "favorite"), (RATINGS, "rated")])
def test_favorites_have_no_favorite_filter_and_ratings_no_rated_filter(
    path: str, name: str, consumer: ContractClient
) -> None:
    assert field_errors(consumer.get(f"{path}?{name}=true")) == {("query", name)}


@pytest.mark.parametrize("text", ["%CC%81a", "%C3%A9", "%CD%85", "%E2%84%A2", "%F0%9F%8E%AC"])
def test_title_filter_accepts_text_with_more_than_accents(
    text: str, consumer: ContractClient
) -> None:
    assert consumer.get(f"{FAVORITES}?q={text}").status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_sort_keys_must_be_known_and_unique(path: str, admin: ContractClient) -> None:
    assert rejected_values(admin, path, "sort", BAD_SORTS) == BAD_SORTS


@pytest.mark.parametrize(("path", "key"), [(FAVORITES, "rated_at"), (RATINGS, "favorited_at")])
def test_list_cannot_be_sorted_by_a_key_of_the_other_list(
    path: str, key: str, consumer: ContractClient
) -> None:
    assert field_errors(consumer.get(f"{path}?sort={key}")) == {("query", "sort")}


@pytest.mark.parametrize("path", READABLE)
@pytest.mark.parametrize(
    "name", ["x", "Page", "user_id", "api_key", "", "page%00", "%FF", "sort[]"]
)
def test_unknown_parameter_is_rejected(path: str, name: str, admin: ContractClient) -> None:
    assert len(field_errors(get(admin, path, f"{name}=1"))) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("POST", FAVORITES), ("PUT", RATING), ("PATCH", RATING)]
)
def test_write_with_a_body_accepts_no_parameters(
    method: str, path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = consumer.open(
        f"{path}?language=es", method=method, json={"stars": 1, "movie_id": 13}
    )

    assert field_errors(response) == {("query", "language")}
    assert backend.store == before


@pytest.mark.parametrize("path", [FAVORITE, RATING, USER_FAVORITES])
def test_delete_accepts_no_parameters(
    path: str, backend: FakeBackend, admin: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = admin.delete(f"{path}?sort=title")

    assert field_errors(response) == {("query", "sort")}
    assert backend.store == before


@pytest.mark.parametrize("path", LOCALIZED)
def test_repeated_parameter_is_rejected(path: str, admin: ContractClient) -> None:
    response = get(admin, path, "language=es&language=es")

    assert field_errors(response) == {("query", "language")}


def test_all_invalid_parameters_are_reported_together(consumer: ContractClient) -> None:
    response = consumer.get(f"{FAVORITES}?page=0&page_size=0&language=x&sort=junk")

    assert field_errors(response) == {
        ("query", name) for name in ("page", "page_size", "language", "sort")
    }


def test_all_unknown_parameters_are_reported_together(consumer: ContractClient) -> None:
    assert field_errors(consumer.get(f"{FAVORITES}?a=1&b=2")) == {("query", "a"), ("query", "b")}


def test_error_message_does_not_echo_the_sent_value(consumer: ContractClient) -> None:
    response = consumer.get(f"{FAVORITES}?sort=secret-of-mine")

    assert response.json is not None
    assert response.json["errors"] == [
        {
            "location": "query",
            "field": "sort",
            "message": "Sort by release_date, rating, title, favorited_at, "
            "each with an optional '-' for descending.",
        }
    ]
    assert b"secret-of-mine" not in response.data


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        (POPULAR, "page=501", "Must be a whole number from 1 to 500."),
        (POPULAR, "language=en-us", "Must be a language code such as `es` or `es-AR`."),
        (POPULAR, "region=ar", "Must be a country code such as `AR`."),
        (POPULAR, "include=you", "Must be `me`."),
        (POPULAR, "pages=1", "Unknown parameter."),
        (SEARCH, "year=99", "Must be a whole number from 1870 to 2100."),
        (FAVORITES, "rated=yes", "Must be `true` or `false`."),
        (FAVORITES, "min_rating=6", "Stars are a number from 0 to 5 in steps of 0.5."),
        (f"{API}/me/export", "format=xml", "Must be `json` or `csv`."),
        (
            FAVORITES,
            "q=%20",
            "Must be 1 to 200 characters, not only spaces or accents, and without control "
            "characters.",
        ),
    ],
)
def test_query_error_message_describes_valid_values(
    path: str, query: str, message: str, consumer: ContractClient
) -> None:
    response = get(consumer, path, query)

    assert response.json is not None
    assert [error["message"] for error in response.json["errors"]] == [message]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ([], "body", "The body must be a JSON object."),
        ({}, "movie_id", "Required."),
        ({"movie_id": "1"}, "movie_id", "Must be a whole number from 0 to 2147483647."),
        ({"movie_id": 1, "note": "x"}, "note", "Unknown field."),
    ],
)
def test_body_error_message_describes_valid_values(
    body: object, field: str, message: str, consumer: ContractClient
) -> None:
    response = consumer.post(FAVORITES, json=body)

    assert response.json is not None
    assert response.json["errors"] == [{"location": "body", "field": field, "message": message}]


BAD_IDS = [
    "abc",
    "-1",
    "+1",
    "1.0",
    "1_0",
    "1e3",
    "0x10",
    "%20",
    "1%20",
    "%00",
    "1%00",
    "1%0A",
    "%D9%A3",
    "%C2%B2",
    "%FF",
    str(2**31),
    "9" * 10,
    "9" * 30,
    "9" * 5000,
    "null",
    "550;drop",
]


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", f"{API}/movies/ID", "movie_id"),
        ("GET", f"{FAVORITES}/ID", "movie_id"),
        ("DELETE", f"{FAVORITES}/ID", "movie_id"),
        ("GET", f"{RATINGS}/ID", "movie_id"),
        ("PUT", f"{RATINGS}/ID", "movie_id"),
        ("PATCH", f"{RATINGS}/ID", "movie_id"),
        ("DELETE", f"{RATINGS}/ID", "movie_id"),
        ("GET", f"{API}/users/ID/favorites", "user_id"),
        ("DELETE", f"{API}/users/ID/favorites", "user_id"),
    ],
)
def test_path_id_must_be_an_integer_that_fits_the_database(
    method: str, path: str, field: str, backend: FakeBackend, admin: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    errors = {
        bad: field_errors(admin.open(path.replace("ID", bad), method=method, json={"stars": 1}))
        for bad in BAD_IDS
    }

    assert errors == {bad: {("path", field)} for bad in BAD_IDS}
    assert backend.store == before
    assert backend.catalogue.calls == []


BAD_STARS = {
    "true": "true",
    "false": "false",
    "text": '"3"',
    "empty-text": '""',
    "null": "null",
    "nan": "NaN",
    "infinity": "Infinity",
    "minus-infinity": "-Infinity",
    "off-step": "4.3",
    "slightly-off-step": "4.500000001",
    "barely-off-step": "4.500000000000001",
    "tiny": "5e-324",
    "negative": "-1",
    "half-step-below-minimum": "-0.5",
    "six": "6",
    "half-step-above-maximum": "5.5",
    "huge": "1e308",
    "beyond-floats": "1e400",
    "400-digits": "9" * 400,
    "list": "[]",
    "list-of-one": "[3]",
    "object": "{}",
}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("stars", BAD_STARS.values(), ids=BAD_STARS)
def test_stars_must_be_from_0_to_5_in_half_steps(
    method: str, stars: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = consumer.open(
        RATING, method=method, data=f'{{"stars": {stars}}}', content_type="application/json"
    )

    assert field_errors(response) == {("body", "stars")}
    assert backend.store == before


BAD_MOVIE_IDS = {
    "true": "true",
    "text": '"550"',
    "fraction": "5.5",
    "negative": "-1",
    "beyond-32-bit": str(2**31),
    "beyond-64-bit": str(10**30),
    "beyond-floats": "1e400",
    "nan": "NaN",
    "null": "null",
    "list": "[550]",
    "object": '{"id": 550}',
}


@pytest.mark.parametrize("movie_id", BAD_MOVIE_IDS.values(), ids=BAD_MOVIE_IDS)
def test_movie_id_in_a_body_must_be_an_integer(
    movie_id: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = consumer.post(
        FAVORITES, data=f'{{"movie_id": {movie_id}}}', content_type="application/json"
    )

    assert field_errors(response) == {("body", "movie_id")}
    assert backend.store == before
    assert backend.catalogue.calls == []


WRITES = [call for call in CALLS if call.method in BODIES]
UNKNOWN_FIELDS = [
    {"user_id": 1},
    {"title": "Mine"},
    {"release_date": "2099-01-01"},
    {"__class__": "x"},
]


@pytest.mark.parametrize("call", WRITES, ids=str)
@pytest.mark.parametrize("extra", UNKNOWN_FIELDS, ids=lambda extra: str(*extra))
def test_unknown_body_field_is_rejected(
    call: Call, extra: dict[str, Any], backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(consumer, json={**BODIES[call.method], **extra})

    assert field_errors(response) == {("body", *extra)}
    assert backend.store == before


@pytest.mark.parametrize("call", WRITES, ids=str)
@pytest.mark.parametrize("body", ["{}", "null"])
def test_missing_body_field_is_rejected(
    call: Call, body: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(consumer, json=None, data=body, content_type="application/json")

    assert field_errors(response) == {("body", *BODIES[call.method])}
    assert backend.store == before


@pytest.mark.parametrize("call", WRITES, ids=str)
@pytest.mark.parametrize("body", ["[]", "[550]", "3", '"stars"', "true", "NaN"])
def test_body_must_be_a_json_object(
    call: Call, body: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(consumer, json=None, data=body, content_type="application/json")

    assert field_errors(response) == {("body", "body")}
    assert backend.store == before


NOT_JSON = {
    "empty": b"",
    "spaces": b"   ",
    "text": b"stars=3",
    "truncated": b'{"stars": 3',
    "single-quotes": b"{'stars': 3}",
    "trailing-comma": b'{"stars": 3,}',
    "comment": b'{"stars": 3} // three',
    "two-documents": b'{"stars": 3}{"stars": 4}',
    "leading-zero": b'{"stars": 03}',
    "bare-nan": b"nan",
    "latin-1": b'{"stars": 3, "\xe9": 1}',
    "bad-utf-8": b'{"stars": 3, "\xff\xfe": 1}',
    "lone-surrogate": b'{"stars": 3, "\\ud800": 1}',
    "byte-order-mark": b'\xef\xbb\xbf{"stars": 3}',
    "utf-16": '{"stars": 3}'.encode("utf-16"),
    "nul": b"\x00",
    "deep-lists": b"[" * 16_000,
    "deep-objects": b'{"stars":' * 1_700,
    "deep-and-closed": b"[" * 8_000 + b"]" * 8_000,
}


@pytest.mark.parametrize("call", WRITES, ids=str)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_malformed_json_body_is_rejected(
    call: Call, body: bytes, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(consumer, json=None, data=body, content_type="application/json")

    assert response.status_code == 400
    assert response.json is not None
    assert response.json["detail"] == "The request body is not valid JSON, or is incomplete."
    assert "errors" not in response.json
    assert backend.store == before


def test_last_of_two_duplicate_body_fields_wins(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550))

    response = consumer.put(
        RATING, data='{"stars": 1, "stars": 5}', content_type="application/json"
    )

    assert response.json is not None
    assert response.json["stars"] == 5


def test_negative_zero_stars_become_zero(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.add(make_record(550))

    response = consumer.put(RATING, data='{"stars": -0.0}', content_type="application/json")

    assert response.status_code == 201
    assert b'"stars":0.0' in response.data
