"""TMDB as a catalogue: the requests, and the meaning of a 404."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from butaca.adapters.tmdb import TmdbCatalogue, TmdbHttp
from butaca.core.errors import CatalogueAnsweredNonsense, MovieNotFound
from butaca.core.models import Freshness, Genre, Source
from butaca.core.ports import PopularQuery, SearchQuery
from butaca.sandbox import Fault, Sandbox
from tests.adapters.tmdb.wire import OK, Wire


@pytest.fixture
def catalogue(tmdb: TmdbHttp) -> TmdbCatalogue:
    return TmdbCatalogue(tmdb, default_language="pt-BR")


def sent(sandbox: Sandbox) -> tuple[str, dict[str, str]]:
    """Return the path and the parameters of the only call."""
    ((target, times),) = sandbox.calls.targets.items()
    assert times == 1
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def test_popular_sends_language_page_and_region(sandbox: Sandbox, catalogue: TmdbCatalogue) -> None:
    catalogue.popular(PopularQuery(language="es-ES", page=3, region="MX"))

    assert sent(sandbox) == (
        "/3/movie/popular",
        {"language": "es-ES", "page": "3", "region": "MX"},
    )


def test_popular_sends_no_region_where_none_is_asked_for(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    catalogue.popular(PopularQuery(language="en-US"))

    assert sent(sandbox) == ("/3/movie/popular", {"language": "en-US", "page": "1"})


def test_search_sends_everything_and_no_adult_movies(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    query = SearchQuery("¿qué & cómo?", language="es-ES", page=2, region="ES", year=1999)

    catalogue.search(query)

    assert sent(sandbox) == (
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


def test_search_sends_neither_region_nor_year_where_none_is_asked_for(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    catalogue.search(SearchQuery("matrix", language="en-US"))

    _, params = sent(sandbox)
    assert params.keys() == {"query", "include_adult", "language", "page"}


def test_details_send_the_language_and_append_nothing(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    catalogue.details(550, language="es-ES")

    assert sent(sandbox) == ("/3/movie/550", {"language": "es-ES"})


def test_a_record_is_one_call_in_the_default_language_with_translations(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    catalogue.record(550)

    assert sent(sandbox) == (
        "/3/movie/550",
        {"language": "pt-BR", "append_to_response": "translations"},
    )


def test_changes_send_their_days_and_the_page(sandbox: Sandbox, catalogue: TmdbCatalogue) -> None:
    catalogue.changes(date(2026, 4, 30), date(2026, 5, 14), page=2)

    assert sent(sandbox) == (
        "/3/movie/changes",
        {"start_date": "2026-04-30", "end_date": "2026-05-14", "page": "2"},
    )


def test_changes_are_the_ids_of_movies_with_those_that_are_deleted(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    sandbox.inject(Fault("deleted", ids=(550,)))

    page = catalogue.changes(date(2026, 4, 30), date(2026, 5, 14))

    assert page.results[:3] == (550, 157336, 496243)
    assert (page.page, page.page_size, page.total_pages) == (1, 100, 1)
    assert page.total_results == len(page.results)


def test_genres_send_the_language(sandbox: Sandbox, catalogue: TmdbCatalogue) -> None:
    catalogue.genres("es-ES")

    assert sent(sandbox) == ("/3/genre/movie/list", {"language": "es-ES"})


def test_genres_come_in_the_order_of_tmdb(catalogue: TmdbCatalogue) -> None:
    genres = catalogue.genres("es-ES").value

    assert genres[:2] == (Genre(28, "Acción"), Genre(12, "Aventura"))
    assert len(genres) == 19


def test_genres_without_a_name_in_the_language_have_their_english_one(
    sandbox: Sandbox, catalogue: TmdbCatalogue
) -> None:
    genres = catalogue.genres("ca-ES").value

    assert genres == catalogue.genres("en-US").value
    assert sandbox.calls.targets == {
        "/3/genre/movie/list?language=ca-ES": 1,
        "/3/genre/movie/list?language=en-US": 2,
    }


class Genres:
    """An HTTP session that has the names of genres in some languages, by ID."""

    def __init__(self, **names: dict[int, str | None]) -> None:
        self._names = names

    def get(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        named = self._names[params["language"][:2]].items()
        return {"genres": [{"id": genre_id, "name": name} for genre_id, name in named]}


def genres_of(**names: dict[int, str | None]) -> tuple[Genre, ...]:
    return TmdbCatalogue(Genres(**names)).genres("ca-ES").value  # type: ignore[arg-type]


def test_a_name_that_the_language_has_is_not_replaced() -> None:
    genres = genres_of(ca={28: "Acció", 18: None}, en={28: "Action", 18: "Drama"})

    assert genres == (Genre(28, "Acció"), Genre(18, "Drama"))


def test_a_genre_without_any_name_is_left_out() -> None:
    assert genres_of(ca={28: "Acció", 1: None}, en={28: "Action", 1: ""}) == (Genre(28, "Acció"),)


def test_what_tmdb_answers_is_not_out_of_a_cache(catalogue: TmdbCatalogue) -> None:
    fetched = catalogue.popular(PopularQuery(language="en-US"))

    assert fetched.freshness == Freshness(Source.MISS, stored=False)


ASK_FOR_ONE: list[Callable[[TmdbCatalogue], object]] = [
    lambda catalogue: catalogue.details(550, "en-US"),
    lambda catalogue: catalogue.record(550),
]
ASK_FOR_A_PAGE: list[Callable[[TmdbCatalogue], object]] = [
    lambda catalogue: catalogue.popular(PopularQuery("en-US")),
    lambda catalogue: catalogue.search(SearchQuery("matrix", "en-US")),
    lambda catalogue: catalogue.changes(date(2026, 4, 30), date(2026, 5, 14)),
    lambda catalogue: catalogue.genres("en-US"),
]


@pytest.mark.parametrize("ask", ASK_FOR_ONE, ids=["details", "record"])
def test_a_404_means_that_there_is_no_such_movie(
    sandbox: Sandbox, catalogue: TmdbCatalogue, ask: Callable[[TmdbCatalogue], object]
) -> None:
    sandbox.inject(Fault("deleted", ids=(550,)))

    with pytest.raises(MovieNotFound):
        ask(catalogue)


@pytest.mark.parametrize("ask", ASK_FOR_A_PAGE, ids=["popular", "search", "changes", "genres"])
def test_a_404_for_a_list_is_nonsense(
    sandbox: Sandbox, catalogue: TmdbCatalogue, ask: Callable[[TmdbCatalogue], object]
) -> None:
    sandbox.inject(Fault("404"))

    with pytest.raises(CatalogueAnsweredNonsense) as caught:
        ask(catalogue)

    assert caught.value.upstream_status == 404


@pytest.mark.parametrize(
    "ask",
    ASK_FOR_ONE + ASK_FOR_A_PAGE,
    ids=["details", "record", "popular", "search", "changes", "genres"],
)
def test_an_object_without_a_movie_is_nonsense(
    sandbox: Sandbox, catalogue: TmdbCatalogue, ask: Callable[[TmdbCatalogue], object]
) -> None:
    sandbox.inject(Fault("object"))

    with pytest.raises(CatalogueAnsweredNonsense):
        ask(catalogue)


@pytest.mark.parametrize("ask", ASK_FOR_ONE, ids=["details", "record"])
def test_another_movie_than_was_asked_for_is_nonsense(
    wire: Wire, bare: TmdbHttp, ask: Callable[[TmdbCatalogue], object]
) -> None:
    movie = {"id": 551, "title": "T", "original_title": "T", "original_language": "en"}
    other = {**movie, "translations": {"translations": []}}
    wire.answer = OK + b"\r\n" + json.dumps(other).encode()

    with pytest.raises(CatalogueAnsweredNonsense):
        ask(TmdbCatalogue(bare))
