"""Response headers: caching, conditional requests and paging."""

import re

import pytest

from butaca.core.models import Freshness, Source
from tests.builders import make_movie, make_page, make_record
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.web.scene import API, READS, Call, furnish, keep

POPULAR = f"{API}/movies/popular"
SEARCH = f"{API}/movies/search?query=movie"
GENRES = f"{API}/movies/genres"
MOVIE = f"{API}/movies/550"
FAVORITES = f"{API}/me/favorites"
OWN = (f"{API}/me", FAVORITES, f"{FAVORITES}/550", f"{API}/me/ratings", f"{API}/me/ratings/550")
GETS = [call for call in READS if call.method == "GET"]
TAGGED = [call for call in GETS if not call.rule.endswith("/export")]
"""What is sent before its end is known cannot be named."""

FRESHNESS = [
    (Freshness(Source.HIT, age=18, ttl=12, stored=True), "hit; ttl=12", 30),
    (Freshness(Source.HIT, age=30, ttl=0, stored=True), "hit; ttl=0", 0),
    (Freshness(Source.MISS, ttl=30, stored=True), "fwd=miss; stored", 30),
    (Freshness(Source.MISS), "fwd=miss", 0),
    (Freshness(Source.STALE, 70, -40, upstream_status=503), "fwd=stale; fwd-status=503", 0),
    (Freshness(Source.STALE, 70, -40), "fwd=stale", 0),
    (Freshness(Source.COOLDOWN, 70, -40), "hit; ttl=-40; detail=cooldown", 0),
    (Freshness(Source.UPDATING, 70, -40), "hit; ttl=-40; detail=updating", 0),
    (Freshness(Source.BUSY, 70, -40), "hit; ttl=-40; detail=busy", 0),
    (Freshness(Source.COLLAPSED, ttl=30, stored=True), "fwd=miss; stored; collapsed", 30),
    (Freshness(Source.COLLAPSED), "fwd=miss; collapsed", 0),
]


@pytest.mark.parametrize("path", [POPULAR, SEARCH, GENRES, MOVIE])
@pytest.mark.parametrize(("freshness", "status", "seconds"), FRESHNESS)
def test_an_answer_of_the_catalogue_says_how_it_was_come_by(
    path: str,
    freshness: Freshness,
    status: str,
    seconds: int,
    world: World,
    consumer: ContractClient,
) -> None:
    furnish(world)
    world.catalogue.freshness = freshness

    headers = consumer.get(path).headers

    assert headers["Cache-Status"] == f"butaca; {status}"
    assert headers["Age"] == str(freshness.age)
    assert headers["Cache-Control"] == f"private, max-age={seconds}"


@pytest.mark.parametrize(
    "path", [f"{POPULAR}?include=me", f"{SEARCH}&include=me", f"{MOVIE}?include=me"]
)
def test_what_bears_my_marks_is_to_be_asked_for_each_time(
    path: str, world: World, consumer: ContractClient
) -> None:
    furnish(world)
    world.catalogue.freshness = Freshness(Source.HIT, age=18, ttl=12)

    headers = consumer.get(path).headers

    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Cache-Status"] == "butaca; hit; ttl=12"
    assert headers["Age"] == "18"


@pytest.mark.parametrize("path", OWN)
def test_what_is_my_own_is_to_be_asked_for_each_time(
    path: str, world: World, consumer: ContractClient
) -> None:
    furnish(world)

    answer = consumer.get(path)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Cache-Status" not in answer.headers


@pytest.mark.parametrize("call", TAGGED, ids=str)
def test_every_read_has_a_strong_tag_by_which_it_is_not_sent_again(
    call: Call, world: World, admin: ContractClient
) -> None:
    furnish(world)
    first = call.by(admin)

    again = call.by(admin, headers={"If-None-Match": first.headers["ETag"]})

    assert first.status_code == 200
    assert re.fullmatch(r'"[0-9a-f]{32}"', first.headers["ETag"])
    assert again.status_code == 304
    assert again.data == b""
    for name in ("ETag", "Cache-Control", "Age", "Cache-Status", "Link"):
        assert again.headers.get(name) == first.headers.get(name)


@pytest.mark.parametrize("call", GETS, ids=str)
def test_every_read_answers_to_head_with_the_same_headers(
    call: Call, world: World, admin: ContractClient
) -> None:
    furnish(world)
    whole = call.by(admin)

    head = call.by(admin, method="HEAD", json=None)

    assert head.status_code == whole.status_code == 200
    assert head.data == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control", "Age", "Link"):
        assert head.headers.get(name) == whole.headers.get(name)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"another", {tag}', 304),
        ("*", 304),
        ('"another"', 200),
        ("{tag}x", 200),
        ("junk", 200),
        ("", 200),
    ],
)
def test_a_condition_is_read_as_http_has_it(
    condition: str, status: int, world: World, consumer: ContractClient
) -> None:
    furnish(world)
    tag = consumer.get(FAVORITES).headers["ETag"]

    answer = consumer.get(FAVORITES, headers={"If-None-Match": condition.format(tag=tag)})

    assert answer.status_code == status


def test_the_tag_changes_with_what_is_answered(world: World, consumer: ContractClient) -> None:
    before = consumer.get(FAVORITES).headers["ETag"]
    keep(world, make_record(550))

    answer = consumer.get(FAVORITES, headers={"If-None-Match": before})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != before


def test_the_tag_stays_while_only_the_age_changes(world: World, consumer: ContractClient) -> None:
    furnish(world)
    world.catalogue.freshness = Freshness(Source.STALE, age=98, ttl=-68)
    before = consumer.get(POPULAR).headers["ETag"]
    world.catalogue.freshness = Freshness(Source.STALE, age=99, ttl=-69)

    answer = consumer.get(POPULAR, headers={"If-None-Match": before})

    assert answer.status_code == 304
    assert answer.headers["Age"] == "99"


def test_a_range_is_not_cut_out_of_an_answer(world: World, consumer: ContractClient) -> None:
    furnish(world)

    answer = consumer.get(FAVORITES, headers={"Range": "bytes=0-9"})

    assert answer.status_code == 200


def links(header: str) -> dict[str, str]:
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', header)
    assert ", ".join(f'<{target}>; rel="{rel}"' for target, rel in found) == header
    return {rel: target for target, rel in found}


@pytest.mark.parametrize(
    ("page", "neighbors"),
    [
        (1, {"first": 1, "next": 2, "last": 3}),
        (2, {"first": 1, "prev": 1, "next": 3, "last": 3}),
        (3, {"first": 1, "prev": 2, "last": 3}),
        (4, {"first": 1, "prev": 3, "last": 3}),
        (9, {"first": 1, "last": 3}),
    ],
)
def test_a_page_links_to_its_neighbors(
    page: int, neighbors: dict[str, int], world: World, consumer: ContractClient
) -> None:
    world.catalogue.pages[page] = make_page(make_movie(), page=page, total_pages=3)

    answer = consumer.get(f"{POPULAR}?page={page}")

    assert links(answer.headers["Link"]) == {
        rel: f"{POPULAR}?page={number}" for rel, number in neighbors.items()
    }


def test_the_last_page_that_tmdb_gives_has_no_next_one(
    world: World, consumer: ContractClient
) -> None:
    world.catalogue.pages[500] = make_page(make_movie(), page=500, total_pages=500)

    found = links(consumer.get(f"{POPULAR}?page=500").headers["Link"])

    assert "next" not in found
    assert found["last"] == f"{POPULAR}?page=500"


def test_an_empty_list_links_to_its_only_page(consumer: ContractClient) -> None:
    answer = consumer.get(FAVORITES)

    assert links(answer.headers["Link"]) == {
        "first": f"{FAVORITES}?page=1",
        "last": f"{FAVORITES}?page=1",
    }


@pytest.mark.parametrize(
    "query",
    [
        "query=caf%C3%A9+%26+t%C3%A9%3D%22%3E&page=1&language=es-AR&include=me",
        "query=%3C%3E%2C%3B%0",
    ],
)
def test_a_link_keeps_all_that_was_asked(query: str, consumer: ContractClient) -> None:
    first = consumer.get(f"{API}/movies/search?{query}")

    followed = consumer.get(links(first.headers["Link"])["last"])

    assert first.status_code == followed.status_code == 200
    assert {**followed.request.args, "page": "1"} == {**first.request.args, "page": "1"}


def test_following_the_links_shows_every_favorite_once(
    world: World, consumer: ContractClient
) -> None:
    keep(world, *(make_record(number) for number in range(1, 8)))
    path = f"{FAVORITES}?page_size=3&sort=favorited_at"
    seen = []
    while path:
        answer = consumer.get(path)
        assert answer.json is not None
        seen += [favorite["movie"]["id"] for favorite in answer.json["results"]]
        path = links(answer.headers["Link"]).get("next", "")

    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_an_answer_is_compact_json_in_utf_8(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550, title="Amélie"))

    answer = consumer.get(f"{FAVORITES}/550")

    assert answer.content_type == "application/json"
    assert '"title":"Amélie"'.encode() in answer.data


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", f"{FAVORITES}/550", 204),
        ("DELETE", f"{API}/me/ratings/550", 204),
        ("OPTIONS", f"{API}/me", 200),
        ("OPTIONS", f"{API}/nope", 200),
        ("OPTIONS", "/livez", 200),
        ("GET", "/docs", 302),
    ],
)
def test_an_answer_without_a_body_has_no_type(
    method: str, path: str, status: int, world: World, consumer: ContractClient
) -> None:
    furnish(world)

    answer = consumer.open(path, method=method, headers={"Access-Control-Request-Method": "GET"})

    assert (answer.status_code, answer.data) == (status, b"")
    assert "Content-Type" not in answer.headers
