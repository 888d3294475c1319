"""Content codings that a client accepts, and the headers they require."""

import json
from typing import Any

import pytest
from flask import Flask, Response
from hypothesis import given
from hypothesis import strategies as st

from butaca.web import WebOptions, create_web
from butaca.web.compression import LIVELY, ONCE, SMALLEST, Coders, Compression, choose
from butaca.web.response_builders import conditional
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN, make_movie, make_page, make_record
from tests.conftest import World
from tests.contract_client import UNPACK, ContractClient, unpacked
from tests.web.helpers import API, READS, Call, add_favorites, add_sample_data

POPULAR = f"{API}/movies/popular"
FAVORITES = f"{API}/me/favorites"
TAKES = ["", "gzip", "zstd"]
"""What a client may take, the plain body alone first."""


def asking(coding: str, **others: str) -> dict[str, Any]:
    return {"headers": {"Accept-Encoding": coding, **others}}


@pytest.fixture
def large(world: World) -> ContractClient:
    """A client of a USER in a world in which every list is long."""
    movies = [make_movie(number) for number in range(1, 21)]
    world.catalogue.pages[1] = make_page(*movies)
    add_favorites(world, *(make_record(number) for number in range(1, 21)))
    world.catalogue.add(make_record(550, overview="A long story. " * 100))
    return world.client(token=CONSUMER_TOKEN)


# Which coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("GZIP", "gzip"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd, gzip", "zstd"),
        ("br", None),
        ("deflate", None),
        ("*", "zstd"),
        ("gzip;q=1.0, *;q=0.5", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("zstd;q=0, gzip;q=0, *", None),
        ("*;q=0", None),
        ("*;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0", None),
        ("gzip;q=0.0, zstd;q=0.000", None),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0.5, zstd;q=0.4", "gzip"),
        ("gzip;q=0.5, zstd;q=0.5", "zstd"),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0.5, *;q=0.4", None),
        ("identity;q=0", None),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("gzip;q=junk", None),
        (",;,=", None),
    ],
)
def test_the_coding_is_the_one_that_the_client_likes_best(
    accepted: str, coding: str | None
) -> None:
    assert choose(accepted, is_small=False) == coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", None),
        ("*", None),
        ("gzip, identity;q=0.001", None),
        ("gzip, identity;q=0", "gzip"),
        ("zstd;q=0.5, *;q=0", "zstd"),
        ("identity;q=0", None),
    ],
)
def test_what_is_small_is_packed_only_for_those_who_refuse_it_plain(
    accepted: str, coding: str | None
) -> None:
    assert choose(accepted, is_small=True) == coding


# Bodies


@pytest.mark.parametrize("coding", UNPACK)
@pytest.mark.parametrize("path", [POPULAR, FAVORITES, f"{API}/movies/550"])
def test_a_packed_body_is_the_plain_one_once_it_is_unpacked(
    path: str, coding: str, large: ContractClient
) -> None:
    plain = large.get(path)

    packed = large.get(path, **asking(coding))

    assert packed.headers["Content-Encoding"] == coding
    assert packed.content_length == len(packed.data) < len(plain.data) / 2
    assert unpacked(packed) == plain.data
    assert packed.content_type == plain.content_type


@pytest.mark.parametrize("path", [POPULAR, FAVORITES, f"{API}/movies/550"])
def test_whoever_asks_for_no_coding_gets_none(path: str, large: ContractClient) -> None:
    answer = large.get(path)

    assert "Content-Encoding" not in answer.headers
    assert answer.json is not None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_no_wish_breaks_anything(accepted: str) -> None:
    assert choose(accepted, is_small=False) in {None, *UNPACK}


def test_a_body_from_one_kilobyte_on_is_packed() -> None:
    app = Flask("of sizes")
    app.after_request(Compression())
    app.add_url_rule("/<int:size>", view_func=lambda size: "x" * size)
    client = app.test_client()

    codings = [
        client.get(f"/{size}", **asking("gzip")).headers.get("Content-Encoding")
        for size in (SMALLEST - 1, SMALLEST)
    ]

    assert codings == [None, "gzip"]


def test_a_small_body_depends_on_what_is_taken_all_the_same(consumer: ContractClient) -> None:
    answer = consumer.get(f"{API}/me", **asking("gzip"))

    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"


def test_a_small_body_is_packed_for_whoever_refuses_it_plain(consumer: ContractClient) -> None:
    answer = consumer.get(f"{API}/me", **asking("gzip, identity;q=0"))

    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(unpacked(answer))["name"] == "consumer"


def test_whoever_refuses_everything_gets_it_plain(large: ContractClient) -> None:
    answer = large.get(POPULAR, **asking("*;q=0"))

    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("coding", UNPACK)
def test_a_long_problem_is_packed(coding: str, consumer: ContractClient) -> None:
    query = "&".join(f"unknown_{number}=1" for number in range(30))

    answer = consumer.get(f"{API}/me?{query}", **asking(coding))

    assert answer.status_code == 422
    assert answer.headers["Content-Encoding"] == coding
    assert "ETag" not in answer.headers
    assert len(json.loads(unpacked(answer))["errors"]) == 30


@pytest.mark.parametrize("coding", UNPACK)
def test_what_a_write_answers_is_packed(coding: str, large: ContractClient) -> None:
    answer = large.post(FAVORITES, json={"movie_id": 550}, **asking(coding))

    assert answer.status_code == 201
    assert answer.headers["Content-Encoding"] == coding
    assert json.loads(unpacked(answer))["movie"]["id"] == 550


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/openapi.yaml"])
@pytest.mark.parametrize("coding", UNPACK)
def test_what_operators_and_front_end_teams_read_is_packed(
    path: str, coding: str, anonymous: ContractClient
) -> None:
    anonymous.get("/livez")

    answer = anonymous.get(path, **asking(coding))

    assert answer.headers["Content-Encoding"] == coding
    assert len(unpacked(answer)) > len(answer.data)


@pytest.mark.parametrize("query", ["", "?format=csv"])
def test_an_export_waits_in_no_compressor(query: str, large: ContractClient) -> None:
    answer = large.get(f"{API}/me/export{query}", **asking("gzip, identity;q=0"))

    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers


def test_an_answer_without_a_body_depends_on_nothing(large: ContractClient) -> None:
    answer = large.delete(f"{FAVORITES}/1", **asking("gzip, identity;q=0"))

    assert answer.status_code == 204
    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("mimetype", ["image/png", "application/octet-stream", "application/gzip"])
def test_what_is_no_text_is_left_alone(mimetype: str) -> None:
    app = Flask("of pictures")
    app.after_request(Compression())
    app.add_url_rule("/", view_func=lambda: Response(b"x" * 5000, mimetype=mimetype))

    answer = app.test_client().get("/", **asking("gzip"))

    assert answer.data == b"x" * 5000
    assert "Vary" not in answer.headers


def test_what_is_packed_already_is_not_packed_again() -> None:
    app = Flask("packed before")
    packed = {"Content-Encoding": "br", "ETag": '"tag"'}
    app.after_request(Compression())
    app.add_url_rule("/", view_func=lambda: Response(b"x" * 5000, headers=packed))

    answer = app.test_client().get("/", **asking("gzip"))

    assert answer.data == b"x" * 5000
    assert answer.headers["ETag"] == '"tag"'


# Tags, conditions and HEAD


def test_each_coding_has_a_strong_tag_of_its_own(large: ContractClient) -> None:
    plain, gzip, zstd = (
        large.get(POPULAR, **asking(coding)).headers["ETag"].strip('"') for coding in TAKES
    )

    assert (gzip, zstd) == (f"{plain}-gzip", f"{plain}-zstd")


@pytest.mark.parametrize("had", TAKES)
@pytest.mark.parametrize("takes", TAKES)
def test_whoever_has_an_answer_in_any_coding_has_it(
    had: str, takes: str, large: ContractClient
) -> None:
    tag = large.get(FAVORITES, **asking(had)).headers["ETag"]
    whole = large.get(FAVORITES, **asking(takes))

    answer = large.get(FAVORITES, **asking(takes, **{"If-None-Match": tag}))

    assert answer.status_code == 304
    assert answer.data == b""
    assert "Content-Encoding" not in answer.headers
    for name in ("ETag", "Vary", "Cache-Control", "Link"):
        assert answer.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('W/"{tag}-gzip"', 304),
        ('"other", "{tag}-zstd"', 304),
        ('"other-gzip","{tag}-gzip"', 304),
        ("*", 304),
        ('"{tag}-br"', 200),
        ('"{tag}-gzip-gzip"', 200),
        ('"other-gzip"', 200),
        ("{tag}-gzip-", 200),
    ],
)
def test_a_condition_over_codings_is_read_as_http_has_it(
    condition: str, status: int, large: ContractClient
) -> None:
    tag = large.get(FAVORITES).headers["ETag"].strip('"')

    answer = large.get(FAVORITES, **asking("gzip", **{"If-None-Match": condition.format(tag=tag)}))

    assert answer.status_code == status


@pytest.mark.parametrize("others", [{}, {"If-None-Match": '"other"'}])
def test_a_read_knows_no_other_condition(others: dict[str, str], large: ContractClient) -> None:
    answer = large.get(FAVORITES, headers={"If-Match": '"gone"', **others})

    assert answer.status_code == 200


@pytest.mark.parametrize("takes", TAKES)
@pytest.mark.parametrize("call", [call for call in READS if call.method == "HEAD"], ids=str)
def test_head_has_the_headers_of_get_in_every_coding(
    call: Call, takes: str, world: World, admin: ContractClient
) -> None:
    add_sample_data(world)
    wish = asking(f"{takes}, identity;q=0") if takes else {}
    whole = call.send(admin, method="GET", **wish)

    head = call.send(admin, **wish)

    assert head.data == b""
    for name in ("Content-Length", "Content-Encoding", "ETag", "Vary", "Content-Type"):
        assert head.headers.get(name) == whole.headers.get(name)


def test_two_people_never_get_the_same_packed_body(world: World) -> None:
    app = create_web(world.services(), WebOptions())
    answers = [
        app.test_client().get(
            f"{API}/me",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept-Encoding": "gzip, identity;q=0",
            },
        )
        for token in (CONSUMER_TOKEN, ADMIN_TOKEN)
    ]

    names = [json.loads(unpacked(answer))["name"] for answer in answers]
    assert names == ["consumer", "admin"]


# Once for the same bytes


class Counting:
    """A coder that counts how often it packs."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, body: bytes) -> bytes:
        self.calls += 1
        return LIVELY["gzip"](body)


def client_of(coder: Counting, memory: int, *, is_tagged: bool = True) -> Any:
    """Return a client of an app that answers `/<text>` with two thousand such texts."""
    app = Flask("counting")
    app.after_request(Compression({"gzip": coder}, memory))

    def show(text: str) -> Response:
        response = Response(text * 2000)
        return conditional(response, "no-cache") if is_tagged else response

    app.add_url_rule("/<text>", view_func=show)
    return app.test_client()


def test_the_same_bytes_are_packed_once() -> None:
    coder = Counting()
    client = client_of(coder, memory=10_000)

    answers = [client.get(path, **asking("gzip")) for path in ("/a", "/b", "/a", "/b")]

    assert coder.calls == 2
    assert [unpacked(answer)[:1] for answer in answers] == [b"a", b"b", b"a", b"b"]


def test_what_is_not_sent_again_is_not_packed() -> None:
    coder = Counting()
    client = client_of(coder, memory=0)
    tag = client.get("/a").headers["ETag"]

    answer = client.get("/a", **asking("gzip", **{"If-None-Match": tag}))

    assert answer.status_code == 304
    assert coder.calls == 0


def test_of_what_is_remembered_the_bytes_are_bounded() -> None:
    coder = Counting()
    size = len(LIVELY["gzip"](b"a" * 2000))
    client = client_of(coder, memory=2 * size)

    for path in ("/a", "/b", "/c", "/c", "/b", "/a"):
        client.get(path, **asking("gzip"))

    assert coder.calls == 4


def test_what_is_larger_than_the_memory_is_packed_each_time() -> None:
    coder = Counting()
    client = client_of(coder, memory=10)

    answers = [client.get("/a", **asking("gzip")) for _ in range(2)]

    assert coder.calls == 2
    assert [unpacked(answer) for answer in answers] == [b"a" * 2000] * 2


def test_what_has_no_tag_is_not_remembered() -> None:
    coder = Counting()
    client = client_of(coder, memory=10_000, is_tagged=False)

    answers = [client.get(path, **asking("gzip")) for path in ("/a", "/b", "/a")]

    assert coder.calls == 3
    assert [unpacked(answer)[:1] for answer in answers] == [b"a", b"b", b"a"]


@pytest.mark.parametrize("coders", [LIVELY, ONCE], ids=["lively", "once"])
def test_every_coder_is_undone_by_what_clients_have(coders: Coders) -> None:
    body = json.dumps(list(range(5000))).encode()

    for coding, pack in coders.items():
        assert pack(body) == pack(body)
        assert UNPACK[coding](pack(body)) == body
