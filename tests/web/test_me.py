"""The data of the current user: profile, favorites and ratings."""

from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from werkzeug.test import TestResponse

from butaca.core.errors import CatalogueTimedOut, CatalogueUnavailable
from butaca.core.models import Stars
from tests.builders import ADMIN, CONSUMER, make_record, make_translation
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.web.helpers import API, add_favorites, add_rating

ME = CONSUMER.id
FAVORITES = f"{API}/me/favorites"
RATINGS = f"{API}/me/ratings"


def json_of(response: TestResponse) -> Any:
    assert response.json is not None
    return response.json


def movie_ids(response: TestResponse) -> list[int]:
    assert response.status_code == 200
    return [entry["movie"]["id"] for entry in json_of(response)["results"]]


def test_me_returns_the_current_user(consumer: ContractClient) -> None:
    response = consumer.get(f"{API}/me")

    assert json_of(response) == {"id": 2, "name": "consumer", "role": "USER"}


def test_post_creates_a_favorite(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.add(make_record(550))

    response = consumer.post(FAVORITES, json={"movie_id": 550})

    assert response.status_code == 201
    assert response.headers["Location"] == f"{FAVORITES}/550"
    assert json_of(response) == json_of(consumer.get(response.headers["Location"]))
    assert backend.store.favorited == {(ME, 550): backend.clock.now()}


def test_favorite_has_the_full_movie_and_its_creation_time(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550))
    details = json_of(consumer.get(f"{API}/movies/550"))

    response = consumer.post(FAVORITES, json={"movie_id": 550})

    assert json_of(response) == {
        "movie": details,
        "rating": None,
        "favorited_at": "2026-05-01T12:00:00Z",
    }


def test_adding_a_favorite_again_changes_nothing(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550))
    first = consumer.post(FAVORITES, json={"movie_id": 550})
    before = deepcopy(backend.store)
    backend.clock.advance(60)

    second = consumer.post(FAVORITES, json={"movie_id": 550})

    assert second.status_code == 200
    assert second.headers["Location"] == f"{FAVORITES}/550"
    assert json_of(second) == json_of(first)
    assert backend.store == before


@pytest.mark.parametrize("movie_id", [0, 999, 2**31 - 1])
def test_movie_unknown_to_tmdb_cannot_become_a_favorite(
    movie_id: int, backend: FakeBackend, consumer: ContractClient
) -> None:
    before = deepcopy(backend.store)

    response = consumer.post(FAVORITES, json={"movie_id": movie_id})

    assert response.status_code == 404
    assert json_of(response)["code"] == "movie-not-found"
    assert "Location" not in response.headers
    assert backend.store == before


def test_movie_id_may_have_a_zero_fraction(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.add(make_record(550))

    response = consumer.post(FAVORITES, data='{"movie_id": 550.0}', content_type="application/json")

    assert response.status_code == 201
    assert response.headers["Location"] == f"{FAVORITES}/550"


def test_unstored_movie_cannot_become_a_favorite_while_tmdb_is_unavailable(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.failure = CatalogueUnavailable()
    before = deepcopy(backend.store)

    response = consumer.post(FAVORITES, json={"movie_id": 550})

    assert response.status_code == 503
    assert backend.store == before


def test_favorite_can_be_added_again_while_tmdb_is_unavailable(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550))
    backend.catalogue.failure = CatalogueUnavailable()

    assert consumer.post(FAVORITES, json={"movie_id": 550}).status_code == 200


def test_favorite_has_only_the_rating_of_its_user(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550), make_record(13))
    add_rating(backend, make_record(550), 4.5)
    add_rating(backend, make_record(13), 1, user=ADMIN)

    ratings = {
        number: json_of(consumer.get(f"{FAVORITES}/{number}"))["rating"] for number in (550, 13)
    }

    assert ratings == {550: 4.5, 13: None}


def test_zero_stars_are_a_rating(backend: FakeBackend, consumer: ContractClient) -> None:
    add_favorites(backend, make_record(550))

    response = consumer.put(f"{RATINGS}/550", json={"stars": 0})

    assert response.status_code == 201
    assert json_of(response)["stars"] == 0
    assert json_of(consumer.get(f"{FAVORITES}/550"))["rating"] == 0


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("kind", ["favorites", "ratings"])
def test_favorites_and_ratings_of_other_users_are_not_found(
    method: str, kind: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550), user=ADMIN)
    add_rating(backend, make_record(550), 3, user=ADMIN)
    before = deepcopy(backend.store)

    response = consumer.open(f"{API}/me/{kind}/550", method=method)

    assert response.status_code == 404
    assert json_of(response)["code"] == f"{kind.removesuffix('s')}-not-found"
    assert backend.store == before


def test_removing_a_favorite_keeps_its_rating(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550), make_record(13))
    add_rating(backend, make_record(550), 4)

    response = consumer.delete(f"{FAVORITES}/550")

    assert response.status_code == 204
    assert response.data == b""
    assert set(backend.store.favorited) == {(ME, 13)}
    assert set(backend.store.rated) == {(ME, 550)}


def test_removing_a_favorite_twice_returns_404(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550))
    consumer.delete(f"{FAVORITES}/550")

    assert consumer.delete(f"{FAVORITES}/550").status_code == 404


def test_removing_a_favorite_keeps_those_of_other_users(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550))
    add_favorites(backend, make_record(550), user=ADMIN)

    consumer.delete(f"{FAVORITES}/550")

    assert set(backend.store.favorited) == {(ADMIN.id, 550)}


def test_empty_list_is_a_page_without_results(consumer: ContractClient) -> None:
    for path in (FAVORITES, RATINGS):
        assert json_of(consumer.get(path)) == {
            "page": 1,
            "page_size": 20,
            "total_pages": 0,
            "total_results": 0,
            "results": [],
        }


def test_favorites_of_other_users_are_not_listed(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(1))
    add_favorites(backend, make_record(2), user=ADMIN)

    assert movie_ids(consumer.get(FAVORITES)) == [1]


def test_listed_favorite_equals_the_single_favorite(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550))
    add_rating(backend, make_record(550), 2.5)

    (listed,) = json_of(consumer.get(FAVORITES))["results"]

    assert listed == json_of(consumer.get(f"{FAVORITES}/550"))


def add_movies_to_sort(backend: FakeBackend) -> None:
    """Add favorites 1 to 4: 2 is the newest but unrated, 4 has no date, 1 and 3 the same date."""
    records = {
        1: make_record(1, title="Delta", release_date=date(1999, 10, 15)),
        2: make_record(2, title="alpha", release_date=date(2020, 1, 1)),
        3: make_record(3, title="Charlie", release_date=date(1999, 10, 15)),
        4: make_record(4, title="Ábaco", release_date=None),
    }
    for movie_id, stars in ((3, 5.0), (1, 0.0), (4, 3.0)):
        add_rating(backend, records[movie_id], stars)
    add_favorites(backend, *(records[movie_id] for movie_id in (4, 1, 2, 3)))


@pytest.mark.parametrize(
    ("query", "expected_ids"),
    [
        ("", [2, 3, 1, 4]),
        ("?sort=-release_date,-rating", [2, 3, 1, 4]),
        ("?sort=release_date,rating", [1, 3, 2, 4]),
        ("?sort=release_date", [1, 3, 2, 4]),
        ("?sort=rating", [1, 4, 3, 2]),
        ("?sort=-rating", [3, 4, 1, 2]),
        ("?sort=title", [4, 2, 3, 1]),
        ("?sort=-title", [1, 3, 2, 4]),
        ("?sort=favorited_at", [4, 1, 2, 3]),
        ("?sort=-favorited_at", [3, 2, 1, 4]),
        ("?sort=release_date,-rating,title,favorited_at", [3, 1, 2, 4]),
    ],
)
def test_favorites_are_sorted_as_requested(
    query: str, expected_ids: list[int], backend: FakeBackend, consumer: ContractClient
) -> None:
    add_movies_to_sort(backend)

    assert movie_ids(consumer.get(FAVORITES + query)) == expected_ids


@pytest.mark.parametrize(
    ("query", "expected_ids"),
    [
        ("rated=true", [3, 1, 4]),
        ("rated=false", [2]),
        ("min_rating=3", [3, 4]),
        ("min_rating=3.5", [3]),
        ("min_rating=0", [3, 1, 4]),
        ("genre=18", [2, 3, 1, 4]),
        ("genre=1", []),
        ("year_from=2000", [2]),
        ("year_to=1999", [3, 1]),
        ("year_from=1999&year_to=1999", [3, 1]),
        ("q=ABACO", [4]),
        ("q=l&sort=title", [2, 3, 1]),
        ("rated=true&year_to=2000&q=ch&genre=18&min_rating=5", [3]),
    ],
)
def test_favorites_are_filtered_as_requested(
    query: str, expected_ids: list[int], backend: FakeBackend, consumer: ContractClient
) -> None:
    add_movies_to_sort(backend)

    response = consumer.get(f"{FAVORITES}?{query}")

    assert movie_ids(response) == expected_ids
    assert json_of(response)["total_results"] == len(expected_ids)


@pytest.mark.parametrize(
    ("query", "expected_ids"),
    [
        ("favorite=true", [4, 1, 3]),
        ("favorite=false", [5]),
        ("min_rating=3", [5, 4, 3]),
        ("min_rating=3.5", [3]),
        ("min_rating=0", [5, 4, 1, 3]),
        ("genre=18", [5, 4, 1, 3]),
        ("genre=1", []),
        ("year_from=2000", [5]),
        ("year_to=1999", [1, 3]),
        ("year_from=1999&year_to=1999", [1, 3]),
        ("q=ABACO", [4]),
        ("q=l&sort=title", [3, 1]),
        ("favorite=true&year_to=2000&q=ch&genre=18&min_rating=5", [3]),
    ],
)
def test_ratings_are_filtered_as_requested(
    query: str, expected_ids: list[int], backend: FakeBackend, consumer: ContractClient
) -> None:
    add_movies_to_sort(backend)
    add_rating(backend, make_record(5, title="Echo", release_date=date(2001, 1, 1)), 3)

    response = consumer.get(f"{RATINGS}?{query}")

    assert movie_ids(response) == expected_ids
    assert json_of(response)["total_results"] == len(expected_ids)


@pytest.mark.parametrize("path", [FAVORITES, RATINGS])
def test_page_links_preserve_the_filters(
    path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_movies_to_sort(backend)

    response = consumer.get(f"{path}?min_rating=0&q=%C3%A1&page_size=1")

    assert (
        f'<{path}?min_rating=0&q=%C3%A1&page_size=1&page=3>; rel="last"'
        in (response.headers["Link"])
    )


def test_list_has_the_content_languages_of_its_movies(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(
        backend,
        make_record(1, make_translation("es", "MX")),
        make_record(2, make_translation("es", "ES")),
        make_record(3, make_translation("es", "ES")),
        make_record(4),
    )
    path = f"{FAVORITES}?sort=favorited_at&language"

    assert consumer.get(f"{path}=es-AR").headers["Content-Language"] == "es-MX, es-ES, en-US"
    assert consumer.get(f"{path}=en").headers["Content-Language"] == "en-US"
    assert "Content-Language" not in consumer.get(RATINGS).headers


@pytest.mark.parametrize("path", [FAVORITES, RATINGS])
def test_favorite_and_rating_have_a_content_language(
    path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550, make_translation("es", "MX")))
    add_rating(backend, make_record(550, make_translation("es", "MX")), 3)

    response = consumer.get(f"{path}/550?language=es-AR")

    assert response.headers["Content-Language"] == "es-MX"


def test_write_responds_in_the_default_language(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550))

    responses = (
        consumer.post(FAVORITES, json={"movie_id": 550}),
        consumer.put(f"{RATINGS}/550", json={"stars": 3}),
        consumer.patch(f"{RATINGS}/550", json={"stars": 4}),
    )

    assert [response.headers["Content-Language"] for response in responses] == ["en-US"] * 3


@pytest.mark.parametrize(
    ("query", "expected_ids"),
    [
        ("", [4, 1, 3]),
        ("?sort=-rated_at", [4, 1, 3]),
        ("?sort=rated_at", [3, 1, 4]),
        ("?sort=rating", [1, 4, 3]),
        ("?sort=-release_date,rating", [1, 3, 4]),
        ("?sort=title", [4, 3, 1]),
    ],
)
def test_ratings_are_sorted_as_requested(
    query: str, expected_ids: list[int], backend: FakeBackend, consumer: ContractClient
) -> None:
    add_movies_to_sort(backend)

    assert movie_ids(consumer.get(RATINGS + query)) == expected_ids


@pytest.mark.parametrize("path", [FAVORITES, RATINGS])
@pytest.mark.parametrize(
    ("query", "expected_ids", "total_pages"),
    [
        ("page_size=2", [1, 2], 3),
        ("page_size=2&page=2", [3, 4], 3),
        ("page_size=2&page=3", [5], 3),
        ("page_size=2&page=4", [], 3),
        ("page_size=100", [1, 2, 3, 4, 5], 1),
        ("page=1000000", [], 1),
    ],
)
def test_list_is_paginated(
    path: str,
    query: str,
    expected_ids: list[int],
    total_pages: int,
    backend: FakeBackend,
    consumer: ContractClient,
) -> None:
    add_favorites(backend, *(make_record(number) for number in range(1, 6)))
    for number in range(1, 6):
        add_rating(backend, make_record(number), 3)

    response = consumer.get(f"{path}?sort=rating&{query}")

    assert movie_ids(response) == expected_ids
    assert json_of(response)["total_pages"] == total_pages
    assert json_of(response)["total_results"] == 5


@pytest.mark.parametrize("path", ["favorites", "favorites/550", "ratings", "ratings/550"])
@pytest.mark.parametrize(
    ("language", "title"),
    [("", "Movie 550"), ("es-AR", "El club"), ("es", "La pelea"), ("de", "Movie 550")],
)
def test_stored_translation_is_returned_without_calling_tmdb(
    path: str, language: str, title: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    record = make_record(
        550,
        make_translation("es", "AR", title="El club"),
        make_translation("es", "ES", title="La pelea"),
    )
    add_favorites(backend, record)
    add_rating(backend, record, 3)

    response = consumer.get(
        f"{API}/me/{path}", query_string={"language": language} if language else {}
    )

    body = json_of(response)
    entry = body["results"][0] if "results" in body else body
    assert entry["movie"]["title"] == title
    assert backend.catalogue.calls == []


@pytest.mark.parametrize("path", ["favorites", "favorites/550", "ratings", "ratings/550"])
def test_favorites_and_ratings_are_readable_while_tmdb_is_unavailable(
    path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550))
    add_rating(backend, make_record(550), 3)
    backend.catalogue.failure = CatalogueTimedOut()

    assert consumer.get(f"{API}/me/{path}").status_code == 200


@pytest.mark.parametrize("stars", [number / 2 for number in range(11)])
def test_stars_are_stored_and_returned_exactly(
    stars: float, backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550))

    response = consumer.put(f"{RATINGS}/550", json={"stars": stars})

    assert response.status_code == 201
    assert json_of(response)["stars"] == stars
    assert backend.store.rated[ME, 550].stars == Stars(int(stars * 2))


def test_put_returns_the_full_rating(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.add(make_record(550))
    details = json_of(consumer.get(f"{API}/movies/550"))

    response = consumer.put(f"{RATINGS}/550", json={"stars": 4.5})

    assert response.status_code == 201
    assert json_of(response) == {
        "movie": details,
        "stars": 4.5,
        "rated_at": "2026-05-01T12:00:00Z",
        "corrected_at": None,
    }


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_rating_a_movie_again_replaces_the_stars(
    method: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_rating(backend, make_record(550), 4.5)

    response = consumer.open(f"{RATINGS}/550", method=method, json={"stars": 3})

    assert response.status_code == 200
    assert json_of(response)["stars"] == 3
    assert json_of(response)["rated_at"] == "2026-05-01T12:00:00Z"
    assert json_of(response)["corrected_at"] == "2026-05-01T13:00:00Z"
    assert json_of(consumer.get(f"{RATINGS}/550")) == json_of(response)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_repeating_the_same_stars_does_not_set_corrected_at(
    method: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_rating(backend, make_record(550), 4.5)

    response = consumer.open(f"{RATINGS}/550", method=method, json={"stars": 4.5})

    assert response.status_code == 200
    assert json_of(response)["corrected_at"] is None


def test_rating_a_movie_keeps_the_ratings_of_other_users(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_rating(backend, make_record(550), 1, user=ADMIN)

    response = consumer.put(f"{RATINGS}/550", json={"stars": 5})

    assert response.status_code == 201
    assert backend.store.rated[ADMIN.id, 550].stars == Stars.of(1)


def test_movie_unknown_to_tmdb_cannot_be_rated(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    before = deepcopy(backend.store)

    response = consumer.put(f"{RATINGS}/999", json={"stars": 5})

    assert response.status_code == 404
    assert json_of(response)["code"] == "movie-not-found"
    assert backend.store == before


def test_stored_movie_can_be_rated_while_tmdb_is_unavailable(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550))
    backend.catalogue.failure = CatalogueUnavailable()

    assert consumer.put(f"{RATINGS}/550", json={"stars": 5}).status_code == 201


def test_rating_a_movie_does_not_make_it_a_favorite(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.add(make_record(550))

    consumer.put(f"{RATINGS}/550", json={"stars": 5})

    assert backend.store.favorited == {}


def test_patch_without_a_rating_returns_404(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.add(make_record(550))
    add_favorites(backend, make_record(550))
    before = deepcopy(backend.store)

    response = consumer.patch(f"{RATINGS}/550", json={"stars": 3})

    assert response.status_code == 404
    assert json_of(response)["code"] == "rating-not-found"
    assert backend.store == before


def test_deleting_a_rating_keeps_the_favorite(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550))
    add_rating(backend, make_record(550), 3)

    response = consumer.delete(f"{RATINGS}/550")

    assert response.status_code == 204
    assert backend.store.rated == {}
    assert json_of(consumer.get(f"{FAVORITES}/550"))["rating"] is None


def test_ratings_of_other_users_are_not_listed(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_rating(backend, make_record(1), 5)
    add_rating(backend, make_record(2), 5, user=ADMIN)

    assert movie_ids(consumer.get(RATINGS)) == [1]


def test_listed_rating_equals_the_single_rating(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_rating(backend, make_record(550), 2.5)

    (listed,) = json_of(consumer.get(RATINGS))["results"]

    assert listed == json_of(consumer.get(f"{RATINGS}/550"))


def test_new_favorite_is_listed_immediately(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.add(make_record(550))
    assert movie_ids(consumer.get(FAVORITES)) == []

    consumer.post(FAVORITES, json={"movie_id": 550})

    assert movie_ids(consumer.get(FAVORITES)) == [550]
