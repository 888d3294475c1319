"""The user's own data: identity, favorites and ratings."""

from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from werkzeug.test import TestResponse

from butaca.core.errors import CatalogueTimedOut, CatalogueUnavailable
from butaca.core.models import Stars
from tests.builders import ADMIN, CONSUMER, make_record, make_translation
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.web.scene import API, keep, rate

ME = CONSUMER.id
FAVORITES = f"{API}/me/favorites"
RATINGS = f"{API}/me/ratings"


def shown(answer: TestResponse) -> Any:
    assert answer.json is not None
    return answer.json


def ids(answer: TestResponse) -> list[int]:
    assert answer.status_code == 200
    return [entry["movie"]["id"] for entry in shown(answer)["results"]]


def test_i_am_told_who_i_am(consumer: ContractClient) -> None:
    answer = consumer.get(f"{API}/me")

    assert shown(answer) == {"id": 2, "name": "consumer", "role": "USER"}


def test_keeping_a_movie_makes_it_a_favorite(world: World, consumer: ContractClient) -> None:
    world.catalogue.add(make_record(550))

    answer = consumer.post(FAVORITES, json={"movie_id": 550})

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{FAVORITES}/550"
    assert shown(answer) == shown(consumer.get(answer.headers["Location"]))
    assert world.store.favorited == {(ME, 550): world.clock.now()}


def test_a_favorite_is_the_whole_movie_and_when_it_was_kept(
    world: World, consumer: ContractClient
) -> None:
    world.catalogue.add(make_record(550))
    details = shown(consumer.get(f"{API}/movies/550"))

    answer = consumer.post(FAVORITES, json={"movie_id": 550})

    assert shown(answer) == {
        "movie": details,
        "rating": None,
        "favorited_at": "2026-05-01T12:00:00Z",
    }


def test_keeping_a_movie_again_changes_nothing(world: World, consumer: ContractClient) -> None:
    world.catalogue.add(make_record(550))
    first = consumer.post(FAVORITES, json={"movie_id": 550})
    before = deepcopy(world.store)
    world.clock.move(60)

    again = consumer.post(FAVORITES, json={"movie_id": 550})

    assert again.status_code == 200
    assert again.headers["Location"] == f"{FAVORITES}/550"
    assert shown(again) == shown(first)
    assert world.store == before


@pytest.mark.parametrize("movie_id", [0, 999, 2**31 - 1])
def test_a_movie_that_tmdb_does_not_know_cannot_be_kept(
    movie_id: int, world: World, consumer: ContractClient
) -> None:
    before = deepcopy(world.store)

    answer = consumer.post(FAVORITES, json={"movie_id": movie_id})

    assert answer.status_code == 404
    assert shown(answer)["code"] == "movie-not-found"
    assert "Location" not in answer.headers
    assert world.store == before


def test_a_whole_number_may_be_written_with_a_fraction_of_zero(
    world: World, consumer: ContractClient
) -> None:
    world.catalogue.add(make_record(550))

    answer = consumer.post(FAVORITES, data='{"movie_id": 550.0}', content_type="application/json")

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{FAVORITES}/550"


def test_nothing_is_kept_while_tmdb_is_away(world: World, consumer: ContractClient) -> None:
    world.catalogue.failure = CatalogueUnavailable()
    before = deepcopy(world.store)

    answer = consumer.post(FAVORITES, json={"movie_id": 550})

    assert answer.status_code == 503
    assert world.store == before


def test_keeping_again_works_while_tmdb_is_away(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550))
    world.catalogue.failure = CatalogueUnavailable()

    assert consumer.post(FAVORITES, json={"movie_id": 550}).status_code == 200


def test_a_favorite_bears_my_rating_and_not_somebody_elses(
    world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550), make_record(13))
    rate(world, make_record(550), 4.5)
    rate(world, make_record(13), 1, user=ADMIN)

    ratings = {
        number: shown(consumer.get(f"{FAVORITES}/{number}"))["rating"] for number in (550, 13)
    }

    assert ratings == {550: 4.5, 13: None}


def test_no_stars_are_a_rating(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550))

    made = consumer.put(f"{RATINGS}/550", json={"stars": 0})

    assert made.status_code == 201
    assert shown(made)["stars"] == 0
    assert shown(consumer.get(f"{FAVORITES}/550"))["rating"] == 0


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("kind", ["favorites", "ratings"])
def test_what_is_not_mine_is_not_found(
    method: str, kind: str, world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550), user=ADMIN)
    rate(world, make_record(550), 3, user=ADMIN)
    before = deepcopy(world.store)

    answer = consumer.open(f"{API}/me/{kind}/550", method=method)

    assert answer.status_code == 404
    assert shown(answer)["code"] == f"{kind.removesuffix('s')}-not-found"
    assert world.store == before


def test_forgetting_a_movie_leaves_its_rating(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550), make_record(13))
    rate(world, make_record(550), 4)

    answer = consumer.delete(f"{FAVORITES}/550")

    assert answer.status_code == 204
    assert answer.data == b""
    assert set(world.store.favorited) == {(ME, 13)}
    assert set(world.store.rated) == {(ME, 550)}


def test_forgetting_a_movie_twice_is_not_found(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550))
    consumer.delete(f"{FAVORITES}/550")

    assert consumer.delete(f"{FAVORITES}/550").status_code == 404


def test_forgetting_leaves_what_somebody_else_keeps(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550))
    keep(world, make_record(550), user=ADMIN)

    consumer.delete(f"{FAVORITES}/550")

    assert set(world.store.favorited) == {(ADMIN.id, 550)}


def test_an_empty_list_is_a_page_of_nothing(consumer: ContractClient) -> None:
    for path in (FAVORITES, RATINGS):
        assert shown(consumer.get(path)) == {
            "page": 1,
            "page_size": 20,
            "total_pages": 0,
            "total_results": 0,
            "results": [],
        }


def test_i_see_my_favorites_and_nobody_elses(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(1))
    keep(world, make_record(2), user=ADMIN)

    assert ids(consumer.get(FAVORITES)) == [1]


def test_a_list_has_each_favorite_as_it_is_alone(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550))
    rate(world, make_record(550), 2.5)

    (listed,) = shown(consumer.get(FAVORITES))["results"]

    assert listed == shown(consumer.get(f"{FAVORITES}/550"))


def furnish_for_sorting(world: World) -> None:
    """Movie 2 is the newest but unrated, 4 has no date; 1 and 3 came out the same day."""
    records = {
        1: make_record(1, title="Delta", release_date=date(1999, 10, 15)),
        2: make_record(2, title="alpha", release_date=date(2020, 1, 1)),
        3: make_record(3, title="Charlie", release_date=date(1999, 10, 15)),
        4: make_record(4, title="Ábaco", release_date=None),
    }
    for movie_id, stars in ((3, 5.0), (1, 0.0), (4, 3.0)):
        rate(world, records[movie_id], stars)
    keep(world, *(records[movie_id] for movie_id in (4, 1, 2, 3)))


@pytest.mark.parametrize(
    ("query", "order"),
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
def test_favorites_come_in_the_order_asked_for(
    query: str, order: list[int], world: World, consumer: ContractClient
) -> None:
    furnish_for_sorting(world)

    assert ids(consumer.get(FAVORITES + query)) == order


@pytest.mark.parametrize(
    ("query", "found"),
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
def test_favorites_can_be_narrowed_down(
    query: str, found: list[int], world: World, consumer: ContractClient
) -> None:
    furnish_for_sorting(world)

    answer = consumer.get(f"{FAVORITES}?{query}")

    assert ids(answer) == found
    assert shown(answer)["total_results"] == len(found)


@pytest.mark.parametrize(
    ("query", "found"),
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
def test_ratings_can_be_narrowed_down(
    query: str, found: list[int], world: World, consumer: ContractClient
) -> None:
    furnish_for_sorting(world)
    rate(world, make_record(5, title="Echo", release_date=date(2001, 1, 1)), 3)

    answer = consumer.get(f"{RATINGS}?{query}")

    assert ids(answer) == found
    assert shown(answer)["total_results"] == len(found)


@pytest.mark.parametrize("path", [FAVORITES, RATINGS])
def test_the_other_pages_of_a_narrowed_list_are_as_narrow(
    path: str, world: World, consumer: ContractClient
) -> None:
    furnish_for_sorting(world)

    answer = consumer.get(f"{path}?min_rating=0&q=%C3%A1&page_size=1")

    assert (
        f'<{path}?min_rating=0&q=%C3%A1&page_size=1&page=3>; rel="last"' in (answer.headers["Link"])
    )


def test_a_list_says_which_languages_it_is_in(world: World, consumer: ContractClient) -> None:
    keep(
        world,
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
def test_an_answer_says_which_language_it_is_in(
    path: str, world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550, make_translation("es", "MX")))
    rate(world, make_record(550, make_translation("es", "MX")), 3)

    answer = consumer.get(f"{path}/550?language=es-AR")

    assert answer.headers["Content-Language"] == "es-MX"


def test_what_is_written_is_told_in_the_default_language(
    world: World, consumer: ContractClient
) -> None:
    world.catalogue.add(make_record(550))

    answers = (
        consumer.post(FAVORITES, json={"movie_id": 550}),
        consumer.put(f"{RATINGS}/550", json={"stars": 3}),
        consumer.patch(f"{RATINGS}/550", json={"stars": 4}),
    )

    assert [answer.headers["Content-Language"] for answer in answers] == ["en-US"] * 3


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", [4, 1, 3]),
        ("?sort=-rated_at", [4, 1, 3]),
        ("?sort=rated_at", [3, 1, 4]),
        ("?sort=rating", [1, 4, 3]),
        ("?sort=-release_date,rating", [1, 3, 4]),
        ("?sort=title", [4, 3, 1]),
    ],
)
def test_ratings_come_in_the_order_asked_for(
    query: str, order: list[int], world: World, consumer: ContractClient
) -> None:
    furnish_for_sorting(world)

    assert ids(consumer.get(RATINGS + query)) == order


@pytest.mark.parametrize("path", [FAVORITES, RATINGS])
@pytest.mark.parametrize(
    ("query", "shown_ids", "total_pages"),
    [
        ("page_size=2", [1, 2], 3),
        ("page_size=2&page=2", [3, 4], 3),
        ("page_size=2&page=3", [5], 3),
        ("page_size=2&page=4", [], 3),
        ("page_size=100", [1, 2, 3, 4, 5], 1),
        ("page=1000000", [], 1),
    ],
)
def test_a_list_is_cut_into_pages(
    path: str,
    query: str,
    shown_ids: list[int],
    total_pages: int,
    world: World,
    consumer: ContractClient,
) -> None:
    keep(world, *(make_record(number) for number in range(1, 6)))
    for number in range(1, 6):
        rate(world, make_record(number), 3)

    answer = consumer.get(f"{path}?sort=rating&{query}")

    assert ids(answer) == shown_ids
    assert shown(answer)["total_pages"] == total_pages
    assert shown(answer)["total_results"] == 5


@pytest.mark.parametrize("path", ["favorites", "favorites/550", "ratings", "ratings/550"])
@pytest.mark.parametrize(
    ("language", "title"),
    [("", "Movie 550"), ("es-AR", "El club"), ("es", "La pelea"), ("de", "Movie 550")],
)
def test_my_movies_are_told_in_my_language_without_asking_tmdb(
    path: str, language: str, title: str, world: World, consumer: ContractClient
) -> None:
    record = make_record(
        550,
        make_translation("es", "AR", title="El club"),
        make_translation("es", "ES", title="La pelea"),
    )
    keep(world, record)
    rate(world, record, 3)

    answer = consumer.get(
        f"{API}/me/{path}", query_string={"language": language} if language else {}
    )

    found = shown(answer)
    entry = found["results"][0] if "results" in found else found
    assert entry["movie"]["title"] == title
    assert world.catalogue.calls == []


@pytest.mark.parametrize("path", ["favorites", "favorites/550", "ratings", "ratings/550"])
def test_what_is_mine_is_shown_while_tmdb_is_away(
    path: str, world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550))
    rate(world, make_record(550), 3)
    world.catalogue.failure = CatalogueTimedOut()

    assert consumer.get(f"{API}/me/{path}").status_code == 200


@pytest.mark.parametrize("stars", [number / 2 for number in range(11)])
def test_stars_go_in_and_come_out_the_same(
    stars: float, world: World, consumer: ContractClient
) -> None:
    world.catalogue.add(make_record(550))

    answer = consumer.put(f"{RATINGS}/550", json={"stars": stars})

    assert answer.status_code == 201
    assert shown(answer)["stars"] == stars
    assert world.store.rated[ME, 550].stars == Stars(int(stars * 2))


def test_rating_a_movie_answers_the_whole_rating(world: World, consumer: ContractClient) -> None:
    world.catalogue.add(make_record(550))
    details = shown(consumer.get(f"{API}/movies/550"))

    answer = consumer.put(f"{RATINGS}/550", json={"stars": 4.5})

    assert answer.status_code == 201
    assert shown(answer) == {
        "movie": details,
        "stars": 4.5,
        "rated_at": "2026-05-01T12:00:00Z",
        "corrected_at": None,
    }


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_rating_again_replaces_the_stars(
    method: str, world: World, consumer: ContractClient
) -> None:
    rate(world, make_record(550), 4.5)

    answer = consumer.open(f"{RATINGS}/550", method=method, json={"stars": 3})

    assert answer.status_code == 200
    assert shown(answer)["stars"] == 3
    assert shown(answer)["rated_at"] == "2026-05-01T12:00:00Z"
    assert shown(answer)["corrected_at"] == "2026-05-01T13:00:00Z"
    assert shown(consumer.get(f"{RATINGS}/550")) == shown(answer)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_giving_the_same_stars_again_is_no_correction(
    method: str, world: World, consumer: ContractClient
) -> None:
    rate(world, make_record(550), 4.5)

    answer = consumer.open(f"{RATINGS}/550", method=method, json={"stars": 4.5})

    assert answer.status_code == 200
    assert shown(answer)["corrected_at"] is None


def test_a_rating_leaves_those_of_somebody_else(world: World, consumer: ContractClient) -> None:
    rate(world, make_record(550), 1, user=ADMIN)

    answer = consumer.put(f"{RATINGS}/550", json={"stars": 5})

    assert answer.status_code == 201
    assert world.store.rated[ADMIN.id, 550].stars == Stars.of(1)


def test_a_movie_that_tmdb_does_not_know_cannot_be_rated(
    world: World, consumer: ContractClient
) -> None:
    before = deepcopy(world.store)

    answer = consumer.put(f"{RATINGS}/999", json={"stars": 5})

    assert answer.status_code == 404
    assert shown(answer)["code"] == "movie-not-found"
    assert world.store == before


def test_a_movie_at_home_is_rated_while_tmdb_is_away(
    world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550))
    world.catalogue.failure = CatalogueUnavailable()

    assert consumer.put(f"{RATINGS}/550", json={"stars": 5}).status_code == 201


def test_rating_a_movie_does_not_keep_it(world: World, consumer: ContractClient) -> None:
    world.catalogue.add(make_record(550))

    consumer.put(f"{RATINGS}/550", json={"stars": 5})

    assert world.store.favorited == {}


def test_there_is_nothing_to_correct_where_there_is_no_rating(
    world: World, consumer: ContractClient
) -> None:
    world.catalogue.add(make_record(550))
    keep(world, make_record(550))
    before = deepcopy(world.store)

    answer = consumer.patch(f"{RATINGS}/550", json={"stars": 3})

    assert answer.status_code == 404
    assert shown(answer)["code"] == "rating-not-found"
    assert world.store == before


def test_taking_a_rating_back_leaves_the_favorite(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550))
    rate(world, make_record(550), 3)

    answer = consumer.delete(f"{RATINGS}/550")

    assert answer.status_code == 204
    assert world.store.rated == {}
    assert shown(consumer.get(f"{FAVORITES}/550"))["rating"] is None


def test_i_see_my_ratings_and_nobody_elses(world: World, consumer: ContractClient) -> None:
    rate(world, make_record(1), 5)
    rate(world, make_record(2), 5, user=ADMIN)

    assert ids(consumer.get(RATINGS)) == [1]


def test_a_list_has_each_rating_as_it_is_alone(world: World, consumer: ContractClient) -> None:
    rate(world, make_record(550), 2.5)

    (listed,) = shown(consumer.get(RATINGS))["results"]

    assert listed == shown(consumer.get(f"{RATINGS}/550"))


def test_what_is_written_is_read_at_once(world: World, consumer: ContractClient) -> None:
    world.catalogue.add(make_record(550))
    assert ids(consumer.get(FAVORITES)) == []

    consumer.post(FAVORITES, json={"movie_id": 550})

    assert ids(consumer.get(FAVORITES)) == [550]
