"""Browsing and searching TMDB's movies."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from butaca.core.errors import CatalogueUnavailable
from butaca.core.models import (
    Collection,
    Company,
    Country,
    Genre,
    Mark,
    SpokenLanguage,
)
from butaca.core.ports import PopularQuery, SearchQuery
from butaca.web import WebOptions
from tests.builders import (
    ADMIN,
    make_movie,
    make_page,
    make_record,
    make_translation,
)
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.web.helpers import API, add_favorites, add_rating

POPULAR = f"{API}/movies/popular"
SEARCH = f"{API}/movies/search"
GENRES = f"{API}/movies/genres"


def test_popular_movies_are_in_tmdb_order(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.pages[1] = make_page(make_movie(680), make_movie(13), make_movie(550))

    response = consumer.get(POPULAR)

    assert response.status_code == 200
    assert response.json is not None
    assert [movie["id"] for movie in response.json["results"]] == [680, 13, 550]


def test_page_has_its_number_and_totals(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.pages[7] = make_page(make_movie(), page=7, total_pages=500, total=10_000)

    response = consumer.get(f"{POPULAR}?page=7")

    assert response.json is not None
    numbers = {key: value for key, value in response.json.items() if key != "results"}
    assert numbers == {"page": 7, "page_size": 20, "total_pages": 500, "total_results": 10_000}


def test_listed_movie_has_all_fields(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.pages[1] = make_page(make_movie(550, adult=True, video=True))

    response = consumer.get(POPULAR)

    assert response.json is not None
    assert response.json["results"] == [
        {
            "id": 550,
            "title": "Movie 550",
            "original_title": "Original 550",
            "original_language": "en",
            "overview": "Somebody does something.",
            "release_date": "1999-10-15",
            "genre_ids": [18, 53],
            "popularity": 20.5,
            "vote_average": 8.4,
            "vote_count": 31000,
            "adult": True,
            "video": True,
            "poster_path": "/550-poster.jpg",
            "poster_url": "https://image.tmdb.org/t/p/w500/550-poster.jpg",
            "backdrop_path": "/550-backdrop.jpg",
            "backdrop_url": "https://image.tmdb.org/t/p/w1280/550-backdrop.jpg",
        }
    ]


def test_missing_fields_of_a_listed_movie_are_null(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    missing = dict.fromkeys(("overview", "release_date", "poster_path", "backdrop_path"))
    backend.catalogue.pages[1] = make_page(make_movie(550, **missing))

    response = consumer.get(POPULAR)

    assert response.json is not None
    (movie,) = response.json["results"]
    null = {name for name, value in movie.items() if value is None}
    assert null == {*missing, "poster_url", "backdrop_url"}


def test_image_urls_use_the_configured_base_url(backend: FakeBackend) -> None:
    backend.catalogue.pages[1] = make_page(make_movie(550))
    client = backend.client(WebOptions(image_base_url="http://pictures.test/p"), "1234567890")

    response = client.get(POPULAR)

    assert response.json is not None
    assert response.json["results"][0]["poster_url"] == "http://pictures.test/p/w500/550-poster.jpg"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", PopularQuery(language="en-US")),
        ("?page=500", PopularQuery(language="en-US", page=500)),
        ("?language=es", PopularQuery(language="es")),
        (
            "?language=es-AR&region=AR&page=2&include=me",
            PopularQuery(language="es-AR", page=2, region="AR"),
        ),
    ],
)
def test_popular_parameters_are_passed_to_the_catalogue(
    query: str, expected: PopularQuery, backend: FakeBackend, consumer: ContractClient
) -> None:
    consumer.get(POPULAR + query)

    assert backend.catalogue.calls == [expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("query=fight", SearchQuery("fight", language="en-US")),
        ("query=+fight+club+", SearchQuery(" fight club ", language="en-US")),
        ("query=%C3%91and%C3%BA", SearchQuery("Ñandú", language="en-US")),
        (f"query={'x' * 200}", SearchQuery("x" * 200, language="en-US")),
        (
            "query=fight&language=es-AR&region=AR&page=2&year=1999&include=me",
            SearchQuery("fight", language="es-AR", page=2, region="AR", year=1999),
        ),
    ],
)
def test_search_parameters_are_passed_to_the_catalogue(
    query: str, expected: SearchQuery, backend: FakeBackend, consumer: ContractClient
) -> None:
    response = consumer.get(f"{SEARCH}?{query}")

    assert response.status_code == 200
    assert backend.catalogue.calls == [expected]


def test_search_returns_the_matching_movies(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.pages[1] = make_page(
        make_movie(550, title="Fight Club"), make_movie(13, title="Forrest Gump")
    )

    response = consumer.get(f"{SEARCH}?query=fight")

    assert response.json is not None
    assert [movie["title"] for movie in response.json["results"]] == ["Fight Club"]


def test_search_without_matches_returns_an_empty_page(consumer: ContractClient) -> None:
    response = consumer.get(f"{SEARCH}?query=nothing")

    assert response.status_code == 200
    assert response.json is not None
    assert response.json["results"] == []


def test_movie_details_have_all_fields(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.add(
        make_record(
            550,
            genres=(Genre(18, "Drama"),),
            belongs_to_collection=Collection(9, "Fights", "/p.jpg", None),
            production_companies=(Company(508, "Regency", None, "US"),),
            production_countries=(Country("US", "United States of America"),),
            spoken_languages=(SpokenLanguage("en", "English", None),),
            origin_country=("US",),
            homepage="https://example.org/fight",
            imdb_id="tt0137523",
            budget=63_000_000,
            revenue=100_853_753,
            popularity=61.4,
            vote_average=8.4,
            vote_count=31_000,
            release_date=date(1999, 10, 15),
        )
    )

    response = consumer.get(f"{API}/movies/550")

    assert response.status_code == 200
    assert response.json == {
        "id": 550,
        "title": "Movie 550",
        "original_title": "Original 550",
        "original_language": "en",
        "overview": "Somebody does something.",
        "tagline": "Something is done.",
        "release_date": "1999-10-15",
        "runtime": 139,
        "status": "Released",
        "genres": [{"id": 18, "name": "Drama"}],
        "popularity": 61.4,
        "vote_average": 8.4,
        "vote_count": 31000,
        "adult": False,
        "video": False,
        "budget": 63000000,
        "revenue": 100853753,
        "homepage": "https://example.org/fight",
        "imdb_id": "tt0137523",
        "origin_country": ["US"],
        "belongs_to_collection": {
            "id": 9,
            "name": "Fights",
            "poster_path": "/p.jpg",
            "backdrop_path": None,
        },
        "production_companies": [
            {"id": 508, "name": "Regency", "logo_path": None, "origin_country": "US"}
        ],
        "production_countries": [{"iso_3166_1": "US", "name": "United States of America"}],
        "spoken_languages": [{"iso_639_1": "en", "name": "English", "english_name": None}],
        "poster_path": "/550-poster.jpg",
        "poster_url": "https://image.tmdb.org/t/p/w500/550-poster.jpg",
        "backdrop_path": None,
        "backdrop_url": None,
    }


def test_missing_movie_details_are_null(backend: FakeBackend, consumer: ContractClient) -> None:
    missing = dict.fromkeys(
        ("overview", "tagline", "release_date", "runtime", "status", "homepage", "imdb_id")
    )
    backend.catalogue.add(make_record(550, **missing))

    response = consumer.get(f"{API}/movies/550")

    assert response.json is not None
    assert [response.json[name] for name in missing] == [None] * len(missing)


def test_movie_is_returned_in_the_requested_language(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550, make_translation("es", "AR", title="El club")))

    response = consumer.get(f"{API}/movies/550?language=es-AR")

    assert response.json is not None
    assert response.json["title"] == "El club"
    assert backend.catalogue.calls == [(550, "es-AR")]


@pytest.mark.parametrize("movie_id", [0, 999, 2**31 - 1])
def test_movie_unknown_to_tmdb_returns_404(movie_id: int, consumer: ContractClient) -> None:
    response = consumer.get(f"{API}/movies/{movie_id}")

    assert response.status_code == 404
    assert response.json is not None
    assert response.json["code"] == "movie-not-found"


def test_genres_are_in_tmdb_order(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.genres_in["en-US"] = (Genre(28, "Action"), Genre(18, "Drama"))

    response = consumer.get(GENRES)

    assert response.status_code == 200
    assert response.json == {
        "genres": [{"id": 28, "name": "Action"}, {"id": 18, "name": "Drama"}],
    }


def test_genres_are_named_in_the_requested_language(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.genres_in["es-AR"] = (Genre(28, "Acción"),)

    response = consumer.get(f"{GENRES}?language=es-AR")

    assert response.json == {"genres": [{"id": 28, "name": "Acción"}]}


def test_genres_route_is_not_matched_as_a_movie(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    consumer.get(f"{GENRES}?language=es")
    consumer.get(f"{API}/movies/28?language=es")

    assert backend.catalogue.calls == ["es", (28, "es")]


def test_genres_return_503_while_tmdb_is_unavailable(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.failure = CatalogueUnavailable()

    response = consumer.get(GENRES)

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["code"] == "catalogue-unavailable"


def marks_in(response: Any) -> dict[int, Any]:
    return {movie["id"]: movie.get("me", "no mark") for movie in response.json["results"]}


@pytest.mark.parametrize("path", [f"{POPULAR}?", f"{SEARCH}?query=movie&"])
def test_include_me_adds_marks_to_listed_movies(
    path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.pages[1] = make_page(*(make_movie(number) for number in (1, 2, 3, 4)))
    add_favorites(backend, make_record(1), make_record(2))
    add_rating(backend, make_record(2), 4.5)
    add_rating(backend, make_record(3), 0)

    response = consumer.get(f"{path}include=me")

    assert marks_in(response) == {
        1: {"favorite": True, "rating": None},
        2: {"favorite": True, "rating": 4.5},
        3: {"favorite": False, "rating": 0},
        4: {"favorite": False, "rating": None},
    }


def test_marks_are_those_of_the_caller(
    backend: FakeBackend, consumer: ContractClient, admin: ContractClient
) -> None:
    backend.catalogue.pages[1] = make_page(make_movie(1), make_movie(2))
    add_favorites(backend, make_record(1))
    add_favorites(backend, make_record(2), user=ADMIN)

    favorites = {
        name: {number: mark["favorite"] for number, mark in marks_in(response).items()}
        for name, response in {
            "consumer": consumer.get(f"{POPULAR}?include=me"),
            "admin": admin.get(f"{POPULAR}?include=me"),
        }.items()
    }

    assert favorites == {"consumer": {1: True, 2: False}, "admin": {1: False, 2: True}}


def test_movies_have_no_marks_by_default(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.pages[1] = make_page(make_movie(1))
    add_favorites(backend, make_record(1))

    assert marks_in(consumer.get(POPULAR)) == {1: "no mark"}


def test_include_me_adds_a_mark_to_movie_details(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550))
    add_favorites(backend, make_record(550))
    add_rating(backend, make_record(550), 3.5)

    plain = consumer.get(f"{API}/movies/550")
    marked = consumer.get(f"{API}/movies/550?include=me")

    assert marked.json is not None
    assert marked.json == {**(plain.json or {}), "me": {"favorite": True, "rating": 3.5}}


def test_marks_of_a_page_are_fetched_in_one_call(
    backend: FakeBackend, consumer: ContractClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[int]] = []

    def marks_of(user_id: int, movie_ids: Iterable[int]) -> dict[int, Mark]:
        calls.append(list(movie_ids))
        return {}

    monkeypatch.setattr(backend.store, "marks", marks_of)
    backend.catalogue.pages[1] = make_page(*(make_movie(number) for number in range(1, 21)))

    consumer.get(f"{POPULAR}?include=me")

    assert calls == [list(range(1, 21))]


def test_library_is_not_called_without_include_me(
    backend: FakeBackend, consumer: ContractClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("tests.fakes.FakeLibrary.marks")
    backend.catalogue.pages[1] = make_page(make_movie(1))

    assert consumer.get(POPULAR).status_code == 200


def test_marks_are_not_stored_in_the_catalogue(
    backend: FakeBackend, consumer: ContractClient, admin: ContractClient
) -> None:
    backend.catalogue.pages[1] = make_page(make_movie(1))
    add_favorites(backend, make_record(1))

    consumer.get(f"{POPULAR}?include=me")

    assert marks_in(admin.get(POPULAR)) == {1: "no mark"}
