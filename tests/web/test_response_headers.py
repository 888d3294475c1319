"""Response headers: caching, conditional requests and paging."""

import re

import pytest

from butaca.core.models import Freshness, Source
from tests.builders import make_movie, make_page, make_record
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.web.helpers import API, READS, Call, add_favorites, add_sample_data

POPULAR = f"{API}/movies/popular"
SEARCH = f"{API}/movies/search?query=movie"
GENRES = f"{API}/movies/genres"
MOVIE = f"{API}/movies/550"
FAVORITES = f"{API}/me/favorites"
RATINGS = f"{API}/me/ratings"
USER_DATA = (f"{API}/me", FAVORITES, f"{FAVORITES}/550", RATINGS, f"{RATINGS}/550")
GETS = [call for call in READS if call.method == "GET"]
WITH_ETAG = [call for call in GETS if not call.rule.endswith("/export")]
"""All but the export, which is streamed and therefore has no ETag."""

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
def test_catalogue_response_headers_describe_its_freshness(
    path: str,
    freshness: Freshness,
    status: str,
    seconds: int,
    backend: FakeBackend,
    consumer: ContractClient,
) -> None:
    add_sample_data(backend)
    backend.catalogue.freshness = freshness

    headers = consumer.get(path).headers

    assert headers["Cache-Status"] == f"butaca; {status}"
    assert headers["Age"] == str(freshness.age)
    assert headers["Cache-Control"] == f"private, max-age={seconds}"


@pytest.mark.parametrize(
    "path", [f"{POPULAR}?include=me", f"{SEARCH}&include=me", f"{MOVIE}?include=me"]
)
def test_response_with_marks_requires_revalidation(
    path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    backend.catalogue.freshness = Freshness(Source.HIT, age=18, ttl=12)

    headers = consumer.get(path).headers

    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Cache-Status"] == "butaca; hit; ttl=12"
    assert headers["Age"] == "18"


@pytest.mark.parametrize("path", USER_DATA)
def test_response_with_user_data_requires_revalidation(
    path: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)

    response = consumer.get(path)

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Cache-Status" not in response.headers


@pytest.mark.parametrize("call", WITH_ETAG, ids=str)
def test_every_get_returns_304_for_its_strong_etag(
    call: Call, backend: FakeBackend, admin: ContractClient
) -> None:
    add_sample_data(backend)
    first = call.send(admin)

    not_modified = call.send(admin, headers={"If-None-Match": first.headers["ETag"]})

    assert first.status_code == 200
    assert re.fullmatch(r'"[0-9a-f]{32}"', first.headers["ETag"])
    assert not_modified.status_code == 304
    assert not_modified.data == b""
    for name in ("ETag", "Cache-Control", "Age", "Cache-Status", "Link"):
        assert not_modified.headers.get(name) == first.headers.get(name)


@pytest.mark.parametrize("call", GETS, ids=str)
def test_head_returns_the_same_headers_as_get(
    call: Call, backend: FakeBackend, admin: ContractClient
) -> None:
    add_sample_data(backend)
    get_response = call.send(admin)

    head_response = call.send(admin, method="HEAD", json=None)

    assert head_response.status_code == get_response.status_code == 200
    assert head_response.data == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control", "Age", "Link"):
        assert head_response.headers.get(name) == get_response.headers.get(name)


@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"another", {etag}', 304),
        ("*", 304),
        ('"another"', 200),
        ("{etag}x", 200),
        ("junk", 200),
        ("", 200),
    ],
)
def test_if_none_match_is_evaluated_as_http_specifies(
    if_none_match: str, status: int, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    etag = consumer.get(FAVORITES).headers["ETag"]

    response = consumer.get(FAVORITES, headers={"If-None-Match": if_none_match.format(etag=etag)})

    assert response.status_code == status


def test_etag_changes_with_the_body(backend: FakeBackend, consumer: ContractClient) -> None:
    before = consumer.get(FAVORITES).headers["ETag"]
    add_favorites(backend, make_record(550))

    response = consumer.get(FAVORITES, headers={"If-None-Match": before})

    assert response.status_code == 200
    assert response.headers["ETag"] != before


def test_etag_does_not_depend_on_the_age(backend: FakeBackend, consumer: ContractClient) -> None:
    add_sample_data(backend)
    backend.catalogue.freshness = Freshness(Source.STALE, age=98, ttl=-68)
    before = consumer.get(POPULAR).headers["ETag"]
    backend.catalogue.freshness = Freshness(Source.STALE, age=99, ttl=-69)

    response = consumer.get(POPULAR, headers={"If-None-Match": before})

    assert response.status_code == 304
    assert response.headers["Age"] == "99"


def test_range_header_is_ignored(backend: FakeBackend, consumer: ContractClient) -> None:
    add_sample_data(backend)

    response = consumer.get(FAVORITES, headers={"Range": "bytes=0-9"})

    assert response.status_code == 200


def parse_links(header: str) -> dict[str, str]:
    links = re.findall(r'<([^>]*)>; rel="(\w+)"', header)
    assert ", ".join(f'<{target}>; rel="{rel}"' for target, rel in links) == header
    return {rel: target for target, rel in links}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (1, {"first": 1, "next": 2, "last": 3}),
        (2, {"first": 1, "prev": 1, "next": 3, "last": 3}),
        (3, {"first": 1, "prev": 2, "last": 3}),
        (4, {"first": 1, "prev": 3, "last": 3}),
        (9, {"first": 1, "last": 3}),
    ],
)
def test_page_links_to_its_neighbors(
    page: int, expected: dict[str, int], backend: FakeBackend, consumer: ContractClient
) -> None:
    backend.catalogue.pages[page] = make_page(make_movie(), page=page, total_pages=3)

    response = consumer.get(f"{POPULAR}?page={page}")

    assert parse_links(response.headers["Link"]) == {
        rel: f"{POPULAR}?page={number}" for rel, number in expected.items()
    }


def test_last_tmdb_page_has_no_next_link(backend: FakeBackend, consumer: ContractClient) -> None:
    backend.catalogue.pages[500] = make_page(make_movie(), page=500, total_pages=500)

    links = parse_links(consumer.get(f"{POPULAR}?page=500").headers["Link"])

    assert "next" not in links
    assert links["last"] == f"{POPULAR}?page=500"


def test_empty_list_links_to_its_only_page(consumer: ContractClient) -> None:
    response = consumer.get(FAVORITES)

    assert parse_links(response.headers["Link"]) == {
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
def test_page_link_preserves_all_query_parameters(query: str, consumer: ContractClient) -> None:
    first = consumer.get(f"{API}/movies/search?{query}")

    followed = consumer.get(parse_links(first.headers["Link"])["last"])

    assert first.status_code == followed.status_code == 200
    assert {**followed.request.args, "page": "1"} == {**first.request.args, "page": "1"}


def test_following_next_links_visits_every_favorite_once(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, *(make_record(number) for number in range(1, 8)))
    path = f"{FAVORITES}?page_size=3&sort=favorited_at"
    seen = []
    while path:
        response = consumer.get(path)
        assert response.json is not None
        seen += [favorite["movie"]["id"] for favorite in response.json["results"]]
        path = parse_links(response.headers["Link"]).get("next", "")

    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_response_body_is_compact_utf_8_json(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550, title="Amélie"))

    response = consumer.get(f"{FAVORITES}/550")

    assert response.content_type == "application/json"
    assert '"title":"Amélie"'.encode() in response.data


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
def test_response_without_a_body_has_no_content_type(
    method: str, path: str, status: int, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)

    response = consumer.open(path, method=method, headers={"Access-Control-Request-Method": "GET"})

    assert (response.status_code, response.data) == (status, b"")
    assert "Content-Type" not in response.headers
