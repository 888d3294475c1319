"""The responses of the sandbox under /3 without faults."""

import gzip
from datetime import date
from typing import Any

import pytest
import requests

from butaca.sandbox import Fault, Sandbox


def test_popular_returns_twenty_movies(get: Any) -> None:
    page = get("/movie/popular").json()

    assert page["page"] == 1
    assert len(page["results"]) == 20


def test_popular_reports_more_pages_than_can_be_requested(get: Any) -> None:
    assert get("/movie/popular").json()["total_pages"] > 500


def test_totals_differ_between_pages(get: Any) -> None:
    first, second = (get("/movie/popular", page=page).json() for page in (1, 2))

    assert first["total_results"] != second["total_results"]


def test_totals_are_exact_without_inflation(get_from: Any) -> None:
    with Sandbox(inflate_totals=False) as exact:
        get = get_from(exact)
        last = get("/movie/popular").json()["total_pages"]
        full = [get("/movie/popular", page=page).json()["results"] for page in (last, last + 1)]

    assert full[0]
    assert not full[1]


def test_last_movie_of_page_1_is_first_on_page_2(get: Any) -> None:
    first, second = (get("/movie/popular", page=page).json()["results"] for page in (1, 2))

    assert first[-1] == second[0]


def test_page_500_is_empty(get: Any) -> None:
    response = get("/movie/popular", page=500)

    assert response.status_code == 200
    assert response.json()["results"] == []


@pytest.mark.parametrize("page", ["0", "501", "-1", "one", "", "1.0", "٣"])
def test_page_out_of_range_returns_400_code_22(get: Any, page: str) -> None:
    response = get("/movie/popular", page=page)

    assert response.status_code == 400
    assert response.json()["status_code"] == 22


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("en-US", "Fight Club"),
        ("es-ES", "El club de la lucha"),
        ("es", "El club de la lucha"),
        ("es-MX", "El club de la pelea"),
        ("sv-SE", "Fight Club"),
    ],
)
def test_title_is_in_the_requested_language(get: Any, language: str, title: str) -> None:
    assert get("/movie/550", language=language).json()["title"] == title


def test_untranslated_movie_has_its_original_title_and_no_texts(get: Any) -> None:
    movie = get("/movie/496243", language="sv-SE").json()

    assert movie["title"] == "기생충"
    assert movie["overview"] == movie["tagline"] == ""


def test_mexican_spanish_falls_back_to_texts_from_spain(get: Any) -> None:
    spain, mexico = (get("/movie/550", language=one).json() for one in ("es-ES", "es-MX"))

    assert spain["overview"] == mexico["overview"] != ""


def test_genre_names_are_in_spanish(get: Any) -> None:
    genres = get("/movie/603", language="es-MX").json()["genres"]

    assert genres == [{"id": 28, "name": "Acción"}, {"id": 878, "name": "Ciencia ficción"}]


@pytest.mark.parametrize(
    ("language", "first", "last"),
    [("en-US", "Action", "Western"), ("es-MX", "Acción", "Western"), ("fr-FR", None, None)],
)
def test_genre_list_has_names_in_the_requested_language(
    get: Any, language: str, first: str | None, last: str | None
) -> None:
    genres = get("/genre/movie/list", language=language).json()["genres"]

    assert len(genres) == 19
    assert genres[0] == {"id": 28, "name": first}
    assert genres[-1] == {"id": 37, "name": last}


def test_details_include_translations_on_request(get: Any) -> None:
    movie = get("/movie/550", append_to_response="images,translations").json()
    titles = {
        f"{one['iso_639_1']}-{one['iso_3166_1']}": one["data"]["title"]
        for one in movie["translations"]["translations"]
    }

    assert titles["es-MX"] == "El club de la pelea"
    assert titles["en-US"] == ""


def test_details_omit_translations_by_default(get: Any) -> None:
    assert "translations" not in get("/movie/550").json()


def test_translated_title_is_empty_if_it_equals_the_original(get: Any) -> None:
    entries = get("/movie/680/translations").json()["translations"]
    spain = next(one for one in entries if one["iso_3166_1"] == "ES")

    assert spain["data"]["title"] == ""
    assert spain["data"]["overview"] != ""


def test_translation_of_the_title_alone_has_runtime_zero(get: Any) -> None:
    entries = get("/movie/238/translations").json()["translations"]
    runtimes = {one["iso_639_1"]: one["data"]["runtime"] for one in entries}

    assert runtimes["de"] == 0
    assert runtimes["es"] == 175


@pytest.mark.parametrize("query", ["lucha", "FIGHT", "fight  club", "Club de la PELEA"])
def test_search_matches_any_title_of_a_movie(get: Any, query: str) -> None:
    found = get("/search/movie", query=query).json()["results"]

    assert 550 in [movie["id"] for movie in found]


def test_search_ignores_accents(get: Any) -> None:
    found = get("/search/movie", query="extraterrestre").json()["results"]
    accented = get("/search/movie", query="Rendición").json()

    assert [movie["id"] for movie in found] == [601]
    assert accented["total_results"] == 0


def test_search_filters_by_year(get: Any) -> None:
    found = get("/search/movie", query="the", year=1999).json()["results"]

    assert found
    assert {movie["release_date"][:4] for movie in found} == {"1999"}


def test_search_without_matches_returns_one_empty_page(get: Any) -> None:
    expected = {"page": 1, "results": [], "total_pages": 1, "total_results": 0}

    assert get("/search/movie", query="xyzzy").json() == expected
    assert get("/search/movie").json() == expected


@pytest.mark.parametrize(
    "path",
    [
        "/movie/999999999",
        "/movie/0",
        "/movie/abc",
        "/movie/550/nothing",
        "/genre/movie",
        "/genre/tv/list",
        "/movie/99999999999",
        "/tv",
    ],
)
def test_unknown_path_returns_404_code_34(get: Any, path: str) -> None:
    response = get(path)

    assert response.status_code == 404
    assert response.json() == {
        "success": False,
        "status_code": 34,
        "status_message": "The resource you requested could not be found.",
    }


def test_translations_of_an_unknown_movie_return_404(get: Any) -> None:
    assert get("/movie/999999999/translations").status_code == 404


def test_changes_are_one_page_of_ids(get: Any) -> None:
    changes = get("/movie/changes").json()

    assert changes["results"][0] == {"id": 157336, "adult": False, "softcore": False}
    assert len(changes["results"]) == changes["total_results"]


def test_changes_have_100_ids_per_page(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("deleted", ids=tuple(range(1, 101))))

    first, second = (get("/movie/changes", page=page).json() for page in (1, 2))

    assert [change["id"] for change in first["results"]] == list(range(1, 101))
    assert second["results"][0]["id"] == 157336
    assert first["total_pages"] == second["total_pages"] == 2


def test_changes_accept_a_range_of_14_days(get: Any) -> None:
    assert get("/movie/changes", start_date="2026-01-01", end_date="2026-01-15").ok


@pytest.mark.parametrize("end", [date(2026, 1, 16), date(2025, 12, 31)])
def test_changes_reject_an_invalid_date_range(get: Any, end: date) -> None:
    response = get("/movie/changes", start_date="2026-01-01", end_date=end)

    assert (response.status_code, response.json()["status_code"]) == (422, 20)


def test_changes_reject_a_malformed_date(get: Any) -> None:
    response = get("/movie/changes", start_date="yesterday")

    assert (response.status_code, response.json()["status_code"]) == (400, 23)


def test_configuration_lists_the_picture_sizes(get: Any) -> None:
    images = get("/configuration").json()["images"]

    assert images["poster_sizes"] == ["w92", "w154", "w185", "w342", "w500", "w780", "original"]
    assert images["backdrop_sizes"] == ["w300", "w780", "w1280", "original"]


def test_valid_token_is_accepted(get: Any) -> None:
    response = get("/authentication")

    assert response.status_code == 200
    assert response.json()["status_code"] == 1


@pytest.mark.parametrize("header", [None, "Bearer wrong", "sandbox-token", "bearer sandbox-token"])
def test_invalid_token_returns_401_code_7(sandbox: Sandbox, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    response = requests.get(f"{sandbox.url}/authentication", headers=headers, timeout=10)

    assert (response.status_code, response.json()["status_code"]) == (401, 7)


def test_api_key_in_the_query_is_rejected(sandbox: Sandbox) -> None:
    params = {"api_key": "sandbox-token"}
    response = requests.get(f"{sandbox.url}/movie/550", params=params, timeout=10)

    assert response.status_code == 401


def test_token_is_configurable() -> None:
    with Sandbox(token="another") as sandbox:
        headers = {"Authorization": "Bearer another"}
        response = requests.get(f"{sandbox.url}/movie/550", headers=headers, timeout=10)

    assert response.status_code == 200


def test_delete_returns_404(sandbox: Sandbox) -> None:
    headers = {"Authorization": "Bearer sandbox-token"}

    assert (
        requests.delete(f"{sandbox.url}/movie/550", headers=headers, timeout=10).status_code == 404
    )


def test_responses_have_a_weak_etag_and_a_max_age(get: Any) -> None:
    headers = get("/movie/550").headers

    assert headers["ETag"].startswith('W/"')
    assert 600 <= int(headers["Cache-Control"].removeprefix("public, max-age=")) <= 28_800


def test_error_responses_have_no_etag_and_no_max_age(get: Any) -> None:
    headers = get("/movie/0").headers

    assert "ETag" not in headers
    assert "Cache-Control" not in headers


def test_responses_are_gzipped(get: Any) -> None:
    assert get("/movie/550").headers["Content-Encoding"] == "gzip"


def test_responses_are_not_gzipped_if_the_client_rejects_gzip(sandbox: Sandbox) -> None:
    headers = {"Authorization": "Bearer sandbox-token", "Accept-Encoding": "identity"}
    response = requests.get(f"{sandbox.url}/movie/550", headers=headers, timeout=10, stream=True)

    with response:
        body = response.raw.read(decode_content=False)

    assert body.startswith(b"{")
    assert not body.startswith(gzip.compress(b"")[:2])


def test_connection_is_reused(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer sandbox-token"
        responses = [session.get(f"{sandbox.url}/movie/550", timeout=10) for _ in range(3)]

    assert {response.headers.get("Connection") for response in responses} == {None}
    assert sandbox.calls.total == 3


def test_latency_does_not_change_the_response(get_from: Any) -> None:
    with Sandbox(latency=0.001) as slow, Sandbox() as fast:
        assert get_from(slow)("/movie/550").content == get_from(fast)("/movie/550").content
