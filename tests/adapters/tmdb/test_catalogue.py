"""The TMDB catalogue: its requests, and the meaning of a 404."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from butaca.adapters.tmdb import TmdbCatalogue, TmdbHttp
from butaca.core.errors import CatalogueInvalidResponse, MovieNotFound
from butaca.core.models import Freshness, Genre, Source
from butaca.core.ports import PopularQuery, SearchQuery
from butaca.sandbox import Fault, Sandbox
from tests.adapters.tmdb.raw_server import OK, RawServer


@pytest.fixture
def catalogue(client: TmdbHttp) -> TmdbCatalogue:
    return TmdbCatalogue(client, default_language="pt-BR")


def sent_request(sandbox: Sandbox) -> tuple[str, dict[str, str]]:
    """Return the path and the parameters of the only request."""
    ((target, times),) = sandbox.calls.targets.items()
    assert times == 1
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def test_popular_sends_language_page_and_region(sandbox: Sandbox, catalogue: TmdbCatalogue) -> None:
    catalogue.popular(PopularQuery(language="es-ES", page=3, region="MX"))

    assert sent_request(sandbox) == (
        "/3/movie/popular",
        {"language": "es-ES", "page": "3", "region": "MX"},
    )


def test_popular_omits_the_region_if_none_is_given(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    catalogue.popular(PopularQuery(language="en-US"))

    assert sent_request(sandbox) == ("/3/movie/popular", {"language": "en-US", "page": "1"})


def test_search_sends_all_parameters_and_excludes_adult_movies(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    query = SearchQuery("¿qué & cómo?", language="es-ES", page=2, region="ES", year=1999)

    catalogue.search(query)

    assert sent_request(sandbox) == (
        "/3/search/movie",
        {
            "query": "¿qué & cómo?",
            "include_adult": "false",
            "language": "es-ES",
            "page": "2",
            "region": "ES",
            "year": "1999",
        },
    )


def test_search_omits_region_and_year_if_none_is_given(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    catalogue.search(SearchQuery("matrix", language="en-US"))

    _, params = sent_request(sandbox)
    assert params.keys() == {"query", "include_adult", "language", "page"}


def test_details_send_only_the_language(sandbox: Sandbox, catalogue: TmdbCatalogue) -> None:
    catalogue.details(550, language="es-ES")

    assert sent_request(sandbox) == ("/3/movie/550", {"language": "es-ES"})


def test_record_is_one_request_including_translations(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    catalogue.record(550)

    assert sent_request(sandbox) == (
        "/3/movie/550",
        {"language": "pt-BR", "append_to_response": "translations"},
    )


def test_changes_send_the_dates_and_the_page(sandbox: Sandbox, catalogue: TmdbCatalogue) -> None:
    catalogue.changes(date(2026, 4, 30), date(2026, 5, 14), page=2)

    assert sent_request(sandbox) == (
        "/3/movie/changes",
        {"start_date": "2026-04-30", "end_date": "2026-05-14", "page": "2"},
    )


def test_changes_include_the_ids_of_deleted_movies(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    sandbox.inject(Fault("deleted", ids=(550,)))

    page = catalogue.changes(date(2026, 4, 30), date(2026, 5, 14))

    assert page.results[:3] == (550, 157336, 496243)
    assert (page.page, page.page_size, page.total_pages) == (1, 100, 1)
    assert page.total_results == len(page.results)


def test_genres_send_the_language(sandbox: Sandbox, catalogue: TmdbCatalogue) -> None:
    catalogue.genres("es-ES")

    assert sent_request(sandbox) == ("/3/genre/movie/list", {"language": "es-ES"})


def test_genres_are_in_the_order_of_tmdb(catalogue: TmdbCatalogue) -> None:
    genres = catalogue.genres("es-ES").value

    assert genres[:2] == (Genre(28, "Acción"), Genre(12, "Aventura"))
    assert len(genres) == 19


def test_genres_without_a_translated_name_have_their_english_name(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    genres = catalogue.genres("ca-ES").value

    assert genres == catalogue.genres("en-US").value
    assert sandbox.calls.targets == {
        "/3/genre/movie/list?language=ca-ES": 1,
        "/3/genre/movie/list?language=en-US": 2,
    }


class FakeGenreClient:
    """A client that returns the names of genres by ID, in some languages."""

    def __init__(self, **names: dict[int, str | None]) -> None:
        self._names = names

    def get(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        names = self._names[params["language"][:2]].items()
        return {"genres": [{"id": genre_id, "name": name} for genre_id, name in names]}


def fetch_genres(**names: dict[int, str | None]) -> tuple[Genre, ...]:
    return TmdbCatalogue(FakeGenreClient(**names)).genres("ca-ES").value  # type: ignore[arg-type]


def test_translated_genre_name_is_not_replaced() -> None:
    genres = fetch_genres(ca={28: "Acció", 18: None}, en={28: "Action", 18: "Drama"})

    assert genres == (Genre(28, "Acció"), Genre(18, "Drama"))


def test_genre_without_any_name_is_omitted() -> None:
    assert fetch_genres(ca={28: "Acció", 1: None}, en={28: "Action", 1: ""}) == (
        Genre(28, "Acció"),
    )


def test_response_of_tmdb_is_a_cache_miss(catalogue: TmdbCatalogue) -> None:
    fetched = catalogue.popular(PopularQuery(language="en-US"))

    assert fetched.freshness == Freshness(Source.MISS, stored=False)


MOVIE_REQUESTS: list[Callable[[TmdbCatalogue], object]] = [
    lambda catalogue: catalogue.details(550, "en-US"),
    lambda catalogue: catalogue.record(550),
]
LIST_REQUESTS: list[Callable[[TmdbCatalogue], object]] = [
    lambda catalogue: catalogue.popular(PopularQuery("en-US")),
    lambda catalogue: catalogue.search(SearchQuery("matrix", "en-US")),
    lambda catalogue: catalogue.changes(date(2026, 4, 30), date(2026, 5, 14)),
    lambda catalogue: catalogue.genres("en-US"),
]


@pytest.mark.parametrize("send", MOVIE_REQUESTS, ids=["details", "record"])
def test_404_for_a_movie_is_movie_not_found(
    sandbox: Sandbox, catalogue: TmdbCatalogue, send: Callable[[TmdbCatalogue], object]
) -> None:
    sandbox.inject(Fault("deleted", ids=(550,)))

    with pytest.raises(MovieNotFound):
        send(catalogue)


@pytest.mark.parametrize("send", LIST_REQUESTS, ids=["popular", "search", "changes", "genres"])
def test_404_for_a_list_is_invalid(
    sandbox: Sandbox, catalogue: TmdbCatalogue, send: Callable[[TmdbCatalogue], object]
) -> None:
    sandbox.inject(Fault("404"))

    with pytest.raises(CatalogueInvalidResponse) as caught:
        send(catalogue)

    assert caught.value.upstream_status == 404


@pytest.mark.parametrize(
    "send",
    MOVIE_REQUESTS + LIST_REQUESTS,
    ids=["details", "record", "popular", "search", "changes", "genres"],
)
def test_json_object_with_the_wrong_shape_is_invalid(
    sandbox: Sandbox, catalogue: TmdbCatalogue, send: Callable[[TmdbCatalogue], object]
) -> None:
    sandbox.inject(Fault("object"))

    with pytest.raises(CatalogueInvalidResponse):
        send(catalogue)


@pytest.mark.parametrize("send", MOVIE_REQUESTS, ids=["details", "record"])
def test_response_with_the_wrong_movie_id_is_invalid(
    raw_server: RawServer, raw_client: TmdbHttp, send: Callable[[TmdbCatalogue], object]
) -> None:
    movie = {"id": 551, "title": "T", "original_title": "T", "original_language": "en"}
    record = {**movie, "translations": {"translations": []}}
    raw_server.response = OK + b"\r\n" + json.dumps(record).encode()

    with pytest.raises(CatalogueInvalidResponse):
        send(TmdbCatalogue(raw_client))
