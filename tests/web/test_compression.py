"""Compression: negotiation of the coding, compressed bodies, their ETags, and their cache."""

import json
from typing import Any

import pytest
from flask import Flask, Response
from hypothesis import given
from hypothesis import strategies as st

from butaca.web import WebOptions, create_web
from butaca.web.compression import (
    DYNAMIC_CODERS,
    MIN_SIZE,
    STATIC_CODERS,
    Coders,
    Compression,
    choose_coding,
)
from butaca.web.response_builders import conditional
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN, make_movie, make_page, make_record
from tests.conftest import FakeBackend
from tests.contract_client import DECOMPRESS, ContractClient, decompressed
from tests.web.helpers import API, READS, Call, add_favorites, add_sample_data

POPULAR = f"{API}/movies/popular"
FAVORITES = f"{API}/me/favorites"
ACCEPTED = ["", "gzip", "zstd"]
"""Values of `Accept-Encoding`; the first allows no compression."""


def accepting(coding: str, **others: str) -> dict[str, Any]:
    return {"headers": {"Accept-Encoding": coding, **others}}


@pytest.fixture
def large(backend: FakeBackend) -> ContractClient:
    """A client whose responses are large enough to be compressed."""
    movies = [make_movie(number) for number in range(1, 21)]
    backend.catalogue.pages[1] = make_page(*movies)
    add_favorites(backend, *(make_record(number) for number in range(1, 21)))
    backend.catalogue.add(make_record(550, overview="A long story. " * 100))
    return backend.client(token=CONSUMER_TOKEN)


# Negotiation


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
def test_coding_with_the_highest_quality_is_chosen(accepted: str, coding: str | None) -> None:
    assert choose_coding(accepted, is_small=False) == coding


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
def test_small_body_is_compressed_only_if_identity_is_refused(
    accepted: str, coding: str | None
) -> None:
    assert choose_coding(accepted, is_small=True) == coding


# Bodies


@pytest.mark.parametrize("coding", DECOMPRESS)
@pytest.mark.parametrize("path", [POPULAR, FAVORITES, f"{API}/movies/550"])
def test_compressed_body_decompresses_to_the_plain_body(
    path: str, coding: str, large: ContractClient
) -> None:
    plain = large.get(path)

    compressed = large.get(path, **accepting(coding))

    assert compressed.headers["Content-Encoding"] == coding
    assert compressed.content_length == len(compressed.data) < len(plain.data) / 2
    assert decompressed(compressed) == plain.data
    assert compressed.content_type == plain.content_type


@pytest.mark.parametrize("path", [POPULAR, FAVORITES, f"{API}/movies/550"])
def test_body_is_not_compressed_without_accept_encoding(path: str, large: ContractClient) -> None:
    response = large.get(path)

    assert "Content-Encoding" not in response.headers
    assert response.json is not None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_any_accept_encoding_is_parsed(accepted: str) -> None:
    assert choose_coding(accepted, is_small=False) in {None, *DECOMPRESS}


def test_body_of_the_minimum_size_is_compressed() -> None:
    app = Flask("sizes")
    app.after_request(Compression())
    app.add_url_rule("/<int:size>", view_func=lambda size: "x" * size)
    client = app.test_client()

    codings = [
        client.get(f"/{size}", **accepting("gzip")).headers.get("Content-Encoding")
        for size in (MIN_SIZE - 1, MIN_SIZE)
    ]

    assert codings == [None, "gzip"]


def test_small_body_varies_by_accept_encoding(consumer: ContractClient) -> None:
    response = consumer.get(f"{API}/me", **accepting("gzip"))

    assert "Content-Encoding" not in response.headers
    assert response.headers["Vary"] == "Accept-Encoding"


def test_small_response_is_compressed_if_identity_is_refused(consumer: ContractClient) -> None:
    response = consumer.get(f"{API}/me", **accepting("gzip, identity;q=0"))

    assert response.headers["Content-Encoding"] == "gzip"
    assert json.loads(decompressed(response))["name"] == "consumer"


def test_body_is_not_compressed_if_every_coding_is_refused(large: ContractClient) -> None:
    response = large.get(POPULAR, **accepting("*;q=0"))

    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("coding", DECOMPRESS)
def test_large_problem_is_compressed(coding: str, consumer: ContractClient) -> None:
    query = "&".join(f"unknown_{number}=1" for number in range(30))

    response = consumer.get(f"{API}/me?{query}", **accepting(coding))

    assert response.status_code == 422
    assert response.headers["Content-Encoding"] == coding
    assert "ETag" not in response.headers
    assert len(json.loads(decompressed(response))["errors"]) == 30


@pytest.mark.parametrize("coding", DECOMPRESS)
def test_response_to_a_write_is_compressed(coding: str, large: ContractClient) -> None:
    response = large.post(FAVORITES, json={"movie_id": 550}, **accepting(coding))

    assert response.status_code == 201
    assert response.headers["Content-Encoding"] == coding
    assert json.loads(decompressed(response))["movie"]["id"] == 550


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/openapi.yaml"])
@pytest.mark.parametrize("coding", DECOMPRESS)
def test_metrics_and_contract_are_compressed(
    path: str, coding: str, anonymous: ContractClient
) -> None:
    anonymous.get("/livez")

    response = anonymous.get(path, **accepting(coding))

    assert response.headers["Content-Encoding"] == coding
    assert len(decompressed(response)) > len(response.data)


@pytest.mark.parametrize("query", ["", "?format=csv"])
def test_export_is_not_compressed(query: str, large: ContractClient) -> None:
    response = large.get(f"{API}/me/export{query}", **accepting("gzip, identity;q=0"))

    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


def test_response_without_a_body_has_no_vary_header(large: ContractClient) -> None:
    response = large.delete(f"{FAVORITES}/1", **accepting("gzip, identity;q=0"))

    assert response.status_code == 204
    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


@pytest.mark.parametrize("mimetype", ["image/png", "application/octet-stream", "application/gzip"])
def test_binary_body_is_not_compressed(mimetype: str) -> None:
    app = Flask("binary")
    app.after_request(Compression())
    app.add_url_rule("/", view_func=lambda: Response(b"x" * 5000, mimetype=mimetype))

    response = app.test_client().get("/", **accepting("gzip"))

    assert response.data == b"x" * 5000
    assert "Vary" not in response.headers


def test_body_with_a_content_encoding_is_not_compressed_again() -> None:
    app = Flask("compressed")
    headers = {"Content-Encoding": "br", "ETag": '"tag"'}
    app.after_request(Compression())
    app.add_url_rule("/", view_func=lambda: Response(b"x" * 5000, headers=headers))

    response = app.test_client().get("/", **accepting("gzip"))

    assert response.data == b"x" * 5000
    assert response.headers["ETag"] == '"tag"'


# ETags, conditional requests and HEAD


def test_each_coding_has_its_own_strong_etag(large: ContractClient) -> None:
    plain, gzip, zstd = (
        large.get(POPULAR, **accepting(coding)).headers["ETag"].strip('"') for coding in ACCEPTED
    )

    assert (gzip, zstd) == (f"{plain}-gzip", f"{plain}-zstd")


@pytest.mark.parametrize("cached", ACCEPTED)
@pytest.mark.parametrize("accepted", ACCEPTED)
def test_etag_of_any_coding_matches(cached: str, accepted: str, large: ContractClient) -> None:
    tag = large.get(FAVORITES, **accepting(cached)).headers["ETag"]
    full = large.get(FAVORITES, **accepting(accepted))

    response = large.get(FAVORITES, **accepting(accepted, **{"If-None-Match": tag}))

    assert response.status_code == 304
    assert response.data == b""
    assert "Content-Encoding" not in response.headers
    for name in ("ETag", "Vary", "Cache-Control", "Link"):
        assert response.headers[name] == full.headers[name]


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
def test_if_none_match_is_evaluated_across_codings(
    condition: str, status: int, large: ContractClient
) -> None:
    tag = large.get(FAVORITES).headers["ETag"].strip('"')

    response = large.get(
        FAVORITES, **accepting("gzip", **{"If-None-Match": condition.format(tag=tag)})
    )

    assert response.status_code == status


@pytest.mark.parametrize("others", [{}, {"If-None-Match": '"other"'}])
def test_if_match_is_ignored_by_reads(others: dict[str, str], large: ContractClient) -> None:
    response = large.get(FAVORITES, headers={"If-Match": '"gone"', **others})

    assert response.status_code == 200


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("call", [call for call in READS if call.method == "HEAD"], ids=str)
def test_head_returns_the_headers_of_get_in_every_coding(
    call: Call, accepted: str, backend: FakeBackend, admin: ContractClient
) -> None:
    add_sample_data(backend)
    headers = accepting(f"{accepted}, identity;q=0") if accepted else {}
    full = call.send(admin, method="GET", **headers)

    head = call.send(admin, **headers)

    assert head.data == b""
    for name in ("Content-Length", "Content-Encoding", "ETag", "Vary", "Content-Type"):
        assert head.headers.get(name) == full.headers.get(name)


def test_users_do_not_share_compressed_bodies(backend: FakeBackend) -> None:
    app = create_web(backend.services(), WebOptions())
    responses = [
        app.test_client().get(
            f"{API}/me",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept-Encoding": "gzip, identity;q=0",
            },
        )
        for token in (CONSUMER_TOKEN, ADMIN_TOKEN)
    ]

    names = [json.loads(decompressed(response))["name"] for response in responses]
    assert names == ["consumer", "admin"]


# The cache of compressed bodies


class CountingCoder:
    """A coder that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, body: bytes) -> bytes:
        self.calls += 1
        return DYNAMIC_CODERS["gzip"](body)


def client_of(coder: CountingCoder, cache_bytes: int, *, has_etag: bool = True) -> Any:
    """Return a client of an app that responds to `/<text>` with the text, repeated 2000 times."""
    app = Flask("counting")
    app.after_request(Compression({"gzip": coder}, cache_bytes))

    def show(text: str) -> Response:
        response = Response(text * 2000)
        return conditional(response, "no-cache") if has_etag else response

    app.add_url_rule("/<text>", view_func=show)
    return app.test_client()


def test_body_is_compressed_once() -> None:
    coder = CountingCoder()
    client = client_of(coder, cache_bytes=10_000)

    responses = [client.get(path, **accepting("gzip")) for path in ("/a", "/b", "/a", "/b")]

    assert coder.calls == 2
    assert [decompressed(response)[:1] for response in responses] == [b"a", b"b", b"a", b"b"]


def test_not_modified_response_is_not_compressed() -> None:
    coder = CountingCoder()
    client = client_of(coder, cache_bytes=0)
    tag = client.get("/a").headers["ETag"]

    response = client.get("/a", **accepting("gzip", **{"If-None-Match": tag}))

    assert response.status_code == 304
    assert coder.calls == 0


def test_cache_is_limited_by_bytes() -> None:
    coder = CountingCoder()
    size = len(DYNAMIC_CODERS["gzip"](b"a" * 2000))
    client = client_of(coder, cache_bytes=2 * size)

    for path in ("/a", "/b", "/c", "/c", "/b", "/a"):
        client.get(path, **accepting("gzip"))

    assert coder.calls == 4


def test_body_larger_than_the_cache_is_compressed_each_time() -> None:
    coder = CountingCoder()
    client = client_of(coder, cache_bytes=10)

    responses = [client.get("/a", **accepting("gzip")) for _ in range(2)]

    assert coder.calls == 2
    assert [decompressed(response) for response in responses] == [b"a" * 2000] * 2


def test_body_without_an_etag_is_not_cached() -> None:
    coder = CountingCoder()
    client = client_of(coder, cache_bytes=10_000, has_etag=False)

    responses = [client.get(path, **accepting("gzip")) for path in ("/a", "/b", "/a")]

    assert coder.calls == 3
    assert [decompressed(response)[:1] for response in responses] == [b"a", b"b", b"a"]


@pytest.mark.parametrize("coders", [DYNAMIC_CODERS, STATIC_CODERS], ids=["dynamic", "static"])
def test_every_coder_is_deterministic_and_reversible(coders: Coders) -> None:
    body = json.dumps(list(range(5000))).encode()

    for coding, compress in coders.items():
        assert compress(body) == compress(body)
        assert DECOMPRESS[coding](compress(body)) == body
