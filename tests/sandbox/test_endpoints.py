"""The responses of the sandbox under /3 without faults."""

import gzip
from datetime import date
from typing import Any

import pytest
import requests

from butaca.sandbox import Sandbox


def test_popular_answers_twenty_movies(ask: Any) -> None:
    page = ask("/movie/popular").json()

    assert page["page"] == 1
    assert len(page["results"]) == 20


def test_popular_claims_more_pages_than_may_be_asked_for(ask: Any) -> None:
    assert ask("/movie/popular").json()["total_pages"] > 500


def test_totals_differ_between_two_pages(ask: Any) -> None:
    first, second = (ask("/movie/popular", page=page).json() for page in (1, 2))

    assert first["total_results"] != second["total_results"]


def test_totals_can_be_honest(ask_of: Any) -> None:
    with Sandbox(inflate_totals=False) as honest:
        ask = ask_of(honest)
        last = ask("/movie/popular").json()["total_pages"]
        full = [ask("/movie/popular", page=page).json()["results"] for page in (last, last + 1)]

    assert full[0]
    assert not full[1]


def test_the_last_movie_of_page_one_opens_page_two(ask: Any) -> None:
    first, second = (ask("/movie/popular", page=page).json()["results"] for page in (1, 2))

    assert first[-1] == second[0]


def test_page_five_hundred_is_there_and_empty(ask: Any) -> None:
    answer = ask("/movie/popular", page=500)

    assert answer.status_code == 200
    assert answer.json()["results"] == []


@pytest.mark.parametrize("page", ["0", "501", "-1", "one", "", "1.0", "٣"])
def test_a_page_out_of_range_is_refused_with_code_22(ask: Any, page: str) -> None:
    answer = ask("/movie/popular", page=page)

    assert answer.status_code == 400
    assert answer.json()["status_code"] == 22


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
def test_titles_follow_the_language(ask: Any, language: str, title: str) -> None:
    assert ask("/movie/550", language=language).json()["title"] == title


def test_without_a_translation_there_is_the_original_title_and_no_text(ask: Any) -> None:
    movie = ask("/movie/496243", language="sv-SE").json()

    assert movie["title"] == "기생충"
    assert movie["overview"] == movie["tagline"] == ""


def test_mexican_spanish_borrows_the_texts_of_spain(ask: Any) -> None:
    spain, mexico = (ask("/movie/550", language=one).json() for one in ("es-ES", "es-MX"))

    assert spain["overview"] == mexico["overview"] != ""


def test_genres_are_named_in_spanish(ask: Any) -> None:
    genres = ask("/movie/603", language="es-MX").json()["genres"]

    assert genres == [{"id": 28, "name": "Acción"}, {"id": 878, "name": "Ciencia ficción"}]


@pytest.mark.parametrize(
    ("language", "first", "last"),
    [("en-US", "Action", "Western"), ("es-MX", "Acción", "Western"), ("fr-FR", None, None)],
)
def test_all_genres_are_listed_with_the_names_that_they_have_in_a_language(
    ask: Any, language: str, first: str | None, last: str | None
) -> None:
    genres = ask("/genre/movie/list", language=language).json()["genres"]

    assert len(genres) == 19
    assert genres[0] == {"id": 28, "name": first}
    assert genres[-1] == {"id": 37, "name": last}


def test_details_carry_their_translations_when_asked(ask: Any) -> None:
    movie = ask("/movie/550", append_to_response="images,translations").json()
    titles = {
        f"{one['iso_639_1']}-{one['iso_3166_1']}": one["data"]["title"]
        for one in movie["translations"]["translations"]
    }

    assert titles["es-MX"] == "El club de la pelea"
    assert titles["en-US"] == ""


def test_details_alone_carry_none(ask: Any) -> None:
    assert "translations" not in ask("/movie/550").json()


def test_a_title_that_is_the_original_one_is_empty_in_its_translation(ask: Any) -> None:
    entries = ask("/movie/680/translations").json()["translations"]
    spain = next(one for one in entries if one["iso_3166_1"] == "ES")

    assert spain["data"]["title"] == ""
    assert spain["data"]["overview"] != ""


def test_whoever_translated_the_title_alone_left_the_runtime_at_zero(ask: Any) -> None:
    entries = ask("/movie/238/translations").json()["translations"]
    runtimes = {one["iso_639_1"]: one["data"]["runtime"] for one in entries}

    assert runtimes["de"] == 0
    assert runtimes["es"] == 175


@pytest.mark.parametrize("query", ["lucha", "FIGHT", "fight  club", "Club de la PELEA"])
def test_search_finds_any_title_of_a_movie(ask: Any, query: str) -> None:
    found = ask("/search/movie", query=query).json()["results"]

    assert 550 in [movie["id"] for movie in found]


def test_search_does_not_mind_accents(ask: Any) -> None:
    found = ask("/search/movie", query="extraterrestre").json()["results"]
    accented = ask("/search/movie", query="Rendición").json()

    assert [movie["id"] for movie in found] == [601]
    assert accented["total_results"] == 0


def test_search_narrows_down_by_year(ask: Any) -> None:
    found = ask("/search/movie", query="the", year=1999).json()["results"]

    assert found
    assert {movie["release_date"][:4] for movie in found} == {"1999"}


def test_a_search_that_finds_nothing_is_one_empty_page(ask: Any) -> None:
    expected = {"page": 1, "results": [], "total_pages": 1, "total_results": 0}

    assert ask("/search/movie", query="xyzzy").json() == expected
    assert ask("/search/movie").json() == expected


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
def test_what_is_not_there_is_404_code_34(ask: Any, path: str) -> None:
    answer = ask(path)

    assert answer.status_code == 404
    assert answer.json() == {
        "success": False,
        "status_code": 34,
        "status_message": "The resource you requested could not be found.",
    }


def test_translations_of_nothing_are_404(ask: Any) -> None:
    assert ask("/movie/999999999/translations").status_code == 404


def test_changes_are_ids_in_pages_of_a_hundred(ask: Any) -> None:
    changes = ask("/movie/changes").json()

    assert changes["results"][0] == {"id": 157336, "adult": False, "softcore": False}
    assert len(changes["results"]) == changes["total_results"]


def test_changes_take_a_fortnight(ask: Any) -> None:
    assert ask("/movie/changes", start_date="2026-01-01", end_date="2026-01-15").ok


@pytest.mark.parametrize("end", [date(2026, 1, 16), date(2025, 12, 31)])
def test_changes_over_more_than_a_fortnight_are_refused(ask: Any, end: date) -> None:
    answer = ask("/movie/changes", start_date="2026-01-01", end_date=end)

    assert (answer.status_code, answer.json()["status_code"]) == (422, 20)


def test_changes_since_no_date_are_refused(ask: Any) -> None:
    answer = ask("/movie/changes", start_date="yesterday")

    assert (answer.status_code, answer.json()["status_code"]) == (400, 23)


def test_the_configuration_tells_the_sizes(ask: Any) -> None:
    images = ask("/configuration").json()["images"]

    assert images["poster_sizes"] == ["w92", "w154", "w185", "w342", "w500", "w780", "original"]
    assert images["backdrop_sizes"] == ["w300", "w780", "w1280", "original"]


def test_a_good_token_is_authenticated(ask: Any) -> None:
    answer = ask("/authentication")

    assert answer.status_code == 200
    assert answer.json()["status_code"] == 1


@pytest.mark.parametrize("header", [None, "Bearer wrong", "sandbox-token", "bearer sandbox-token"])
def test_any_other_token_is_401_code_7(sandbox: Sandbox, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.get(f"{sandbox.url}/authentication", headers=headers, timeout=10)

    assert (answer.status_code, answer.json()["status_code"]) == (401, 7)


def test_a_key_in_the_query_is_not_accepted(sandbox: Sandbox) -> None:
    params = {"api_key": "sandbox-token"}
    answer = requests.get(f"{sandbox.url}/movie/550", params=params, timeout=10)

    assert answer.status_code == 401


def test_the_token_can_be_chosen() -> None:
    with Sandbox(token="another") as sandbox:
        headers = {"Authorization": "Bearer another"}
        answer = requests.get(f"{sandbox.url}/movie/550", headers=headers, timeout=10)

    assert answer.status_code == 200


def test_nothing_can_be_written(sandbox: Sandbox) -> None:
    headers = {"Authorization": "Bearer sandbox-token"}

    assert (
        requests.delete(f"{sandbox.url}/movie/550", headers=headers, timeout=10).status_code == 404
    )


def test_answers_carry_a_weak_etag_and_a_max_age(ask: Any) -> None:
    headers = ask("/movie/550").headers

    assert headers["ETag"].startswith('W/"')
    assert 600 <= int(headers["Cache-Control"].removeprefix("public, max-age=")) <= 28_800


def test_refusals_carry_neither(ask: Any) -> None:
    headers = ask("/movie/0").headers

    assert "ETag" not in headers
    assert "Cache-Control" not in headers


def test_answers_come_in_gzip_and_say_so(ask: Any) -> None:
    assert ask("/movie/550").headers["Content-Encoding"] == "gzip"


def test_answers_come_plain_to_who_does_not_take_gzip(sandbox: Sandbox) -> None:
    headers = {"Authorization": "Bearer sandbox-token", "Accept-Encoding": "identity"}
    answer = requests.get(f"{sandbox.url}/movie/550", headers=headers, timeout=10, stream=True)

    with answer:
        body = answer.raw.read(decode_content=False)

    assert body.startswith(b"{")
    assert not body.startswith(gzip.compress(b"")[:2])


def test_one_connection_carries_many_calls(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer sandbox-token"
        answers = [session.get(f"{sandbox.url}/movie/550", timeout=10) for _ in range(3)]

    assert {answer.headers.get("Connection") for answer in answers} == {None}
    assert sandbox.calls.total == 3


def test_latency_does_not_change_the_answer(ask_of: Any) -> None:
    with Sandbox(latency=0.001) as slow, Sandbox() as fast:
        assert ask_of(slow)("/movie/550").content == ask_of(fast)("/movie/550").content
