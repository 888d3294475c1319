"""The checks before every route, and the headers of every response."""

import io
from copy import deepcopy
from typing import Any

import pytest
from flask import request
from werkzeug.test import TestResponse

from butaca.web import WebOptions
from butaca.web.inputs import MAX_BODY
from butaca.web.protection import EXPOSED
from tests.builders import ADMIN, CONSUMER, CONSUMER_TOKEN
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.fakes import FakeRateLimiter
from tests.web.helpers import ADMIN_CALLS, API, BODIES, CALLS, READS, Call, add_sample_data

ME = f"{API}/me"
RATING = f"{API}/me/ratings/550"
WITH_BODY = [call for call in CALLS if call.method in BODIES]
FRIEND = "https://friend.example"
STRANGER = "https://stranger.example"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "junk",
        "text/plain",
        "text/json",
        "application/jsonp",
        "application/json-patch",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
def test_a_body_must_be_declared_as_json(
    call: Call, content_type: str | None, world: World, consumer: ContractClient
) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)

    answer = call.send(consumer, json=None, data=b'{"stars": 1}', content_type=content_type)

    assert answer.status_code == 415
    assert world.store == before


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/x+json",
    ],
)
def test_json_may_be_declared_as_http_lets_it(
    content_type: str, world: World, consumer: ContractClient
) -> None:
    add_sample_data(world)

    answer = consumer.put(RATING, data=b'{"stars": 1}', content_type=content_type)

    assert answer.status_code == 200


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
def test_without_a_body_or_a_type_the_type_is_what_is_missing(
    call: Call, consumer: ContractClient
) -> None:
    assert call.send(consumer, json=None).status_code == 415


def padded(size: int) -> bytes:
    """Return a good body of this many bytes."""
    return b'{"stars": 1' + b" " * (size - 12) + b"}"


def chunked(body: bytes) -> dict[str, Any]:
    """Return a request whose server tells where its body ends, and not how long it is."""
    return {
        "input_stream": io.BytesIO(body),
        "content_type": "application/json",
        "environ_overrides": {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    }


def test_the_largest_body_is_read(world: World, consumer: ContractClient) -> None:
    add_sample_data(world)

    declared = consumer.put(RATING, data=padded(MAX_BODY), content_type="application/json")
    undeclared = consumer.put(RATING, **chunked(padded(MAX_BODY)))

    assert declared.status_code == 200
    assert undeclared.status_code == 200
    assert undeclared.request.content_length is None


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
@pytest.mark.parametrize("size", [MAX_BODY + 1, 1_000_000])
def test_a_larger_body_is_too_large(
    call: Call, size: int, world: World, consumer: ContractClient
) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)

    declared = call.send(consumer, json=None, data=padded(size), content_type="application/json")
    undeclared = call.send(consumer, json=None, **chunked(padded(size)))

    assert declared.status_code == 413
    assert undeclared.status_code == 413
    assert world.store == before


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
def test_a_body_of_which_not_all_came_is_not_read(
    call: Call, world: World, consumer: ContractClient
) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)
    half = {
        "input_stream": io.BytesIO(b'{"movie_id": 551, "stars": 1}'),
        "content_type": "application/json",
        "environ_overrides": {"CONTENT_LENGTH": "500", "wsgi.input_terminated": True},
    }

    answer = call.send(consumer, json=None, **half)

    assert answer.status_code == 400
    assert world.store == before


def test_a_body_is_not_cut_off_where_it_is_too_large(
    world: World, consumer: ContractClient
) -> None:
    add_sample_data(world)

    answer = consumer.put(RATING, **chunked(b'{"stars": 1}' + b" " * MAX_BODY + b"junk"))

    assert answer.status_code == 413


def test_a_hundred_thousand_nested_brackets_are_too_large(consumer: ContractClient) -> None:
    answer = consumer.put(RATING, data=b"[" * 100_000, content_type="application/json")

    assert answer.status_code == 413


def test_a_large_body_that_nobody_reads_does_no_harm(consumer: ContractClient) -> None:
    assert consumer.get(ME, data=b" " * 1_000_000).status_code == 200


def test_who_calls_is_checked_before_what_is_sent(
    world: World, anonymous: ContractClient, consumer: ContractClient
) -> None:
    bad = {"data": b"[" * 100_000, "content_type": "text/plain"}

    assert anonymous.put(f"{API}/me/ratings/abc?x=1", **bad).status_code == 401
    assert consumer.put(f"{API}/me/ratings/abc?x=1", **bad).status_code == 422
    assert consumer.put(RATING, **bad).status_code == 415


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_caller_who_calls_too_often_is_told_when_to_come_back(
    call: Call, world: World, admin: ContractClient
) -> None:
    add_sample_data(world)
    before = deepcopy(world.store)
    world.limiter.wait = 42

    answer = call.send(admin)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "42"
    assert world.store == before
    assert world.catalogue.calls == []


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_reads_and_writes_are_counted_apart_and_for_each_user(
    call: Call, world: World, admin: ContractClient, consumer: ContractClient
) -> None:
    add_sample_data(world)
    kind = "read" if call in READS else "write"

    call.send(admin)
    call.send(consumer)

    assert world.limiter.calls == [(f"user:{ADMIN.id}", kind), (f"user:{CONSUMER.id}", kind)]


def test_one_caller_waits_without_the_other_waiting() -> None:
    class OneWaits(FakeRateLimiter):
        def seconds_to_wait(self, caller: str, kind: str) -> int:
            return 42 if (caller, kind) == (f"user:{CONSUMER.id}", "write") else 0

    world = World(limiter=OneWaits())
    add_sample_data(world)
    consumer, admin = (world.client(token=token) for token in (CONSUMER_TOKEN, "abcdef1234567890"))

    assert consumer.put(RATING, json={"stars": 1}).status_code == 429
    assert consumer.get(RATING).status_code == 200
    assert admin.put(RATING, json={"stars": 1}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", f"{API}/nope", 404), ("PUT", ME, 405)]
)
def test_asking_for_what_is_not_there_counts_too(
    method: str, path: str, status: int, world: World, consumer: ContractClient
) -> None:
    assert consumer.open(path, method=method).status_code == status
    world.limiter.wait = 42
    assert consumer.open(path, method=method).status_code == 429


def test_whoever_has_no_token_is_counted_as_nobody(world: World, anonymous: ContractClient) -> None:
    anonymous.get(ME)
    anonymous.options(ME)

    assert world.limiter.calls == []


SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_answer_of_the_api_has_the_security_headers(
    call: Call, world: World, admin: ContractClient
) -> None:
    add_sample_data(world)

    headers = call.send(admin).headers

    assert {name: headers.get(name) for name in SECURITY} == SECURITY


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", ME, 401),
        ("GET", "/nope", 404),
        ("POST", "/livez", 405),
        ("GET", "/api/v1/movies/x", 401),
        ("OPTIONS", ME, 200),
        ("GET", "/docs", 302),
        ("GET", "/livez", 200),
        ("GET", "/readyz", 503),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/openapi.yaml", 200),
    ],
)
def test_every_other_answer_has_the_security_headers(
    method: str, path: str, status: int, world: World, anonymous: ContractClient
) -> None:
    world.database_is_away = True

    answer = anonymous.open(path, method=method)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY


def test_an_answer_that_broke_has_the_security_headers(world: World) -> None:
    world.catalogue.failure = RuntimeError()  # type: ignore[assignment]
    client = world.client(token=CONSUMER_TOKEN).application.test_client()

    answer = client.get(
        f"{API}/movies/popular", headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"}
    )

    assert answer.status_code == 500
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY


def welcoming(world: World, *origins: str, token: str | None = CONSUMER_TOKEN) -> ContractClient:
    return world.client(WebOptions(cors_origins=origins), token)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", ME, 200),
        ("GET", f"{API}/movies/1", 404),
        ("GET", f"{API}/nope", 404),
        ("PUT", ME, 405),
        ("GET", f"{API}/users/1/favorites", 403),
        ("GET", f"{ME}?x=1", 422),
    ],
)
def test_a_friendly_origin_may_read_every_answer(
    method: str, path: str, status: int, world: World
) -> None:
    answer = welcoming(world, FRIEND).open(path, method=method, headers={"Origin": FRIEND})

    assert answer.status_code == status
    assert answer.headers[ALLOWED] == FRIEND
    assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == set(EXPOSED)
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_friendly_origin_may_read_that_a_token_is_missing(world: World) -> None:
    answer = welcoming(world, FRIEND, token=None).get(ME, headers={"Origin": FRIEND})

    assert answer.status_code == 401
    assert answer.headers[ALLOWED] == FRIEND


@pytest.mark.parametrize(
    "origin",
    [
        STRANGER,
        "null",
        "http://friend.example",
        "https://friend.example:8443",
        "https://friend.example.evil.example",
        "https://evil-friend.example",
        "https://friendXexample",
        "*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_strange_origin_may_read_nothing(origin: str, method: str, world: World) -> None:
    answer = welcoming(world, FRIEND).open(
        ME,
        method=method,
        headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
    )

    assert answer.status_code == 200
    assert not [header for header in answer.headers if header[0].startswith("Access-Control-")]


def test_no_origin_is_friendly_unless_it_is_said_so(consumer: ContractClient) -> None:
    answer = consumer.get(ME, headers={"Origin": FRIEND})

    assert ALLOWED not in answer.headers


@pytest.mark.parametrize("origin", [FRIEND, "https://other.example"])
def test_each_friendly_origin_is_answered_by_its_name(origin: str, world: World) -> None:
    client = welcoming(world, FRIEND, "https://other.example")

    headers = client.get(ME, headers={"Origin": origin}).headers

    assert headers[ALLOWED] == origin


OUTCOMES = [
    ("GET", ME, 200),
    ("GET", f"{API}/nope", 404),
    ("GET", "/nope", 404),
    ("PUT", ME, 405),
    ("GET", f"{ME}?x=1", 422),
    ("GET", f"{API}/movies/popular", 500),
    ("GET", "/docs/", 200),
    ("GET", "/openapi.json", 200),
]


def outcome(world: World, method: str, path: str, **headers: str) -> TestResponse:
    """Answer a call of OUTCOMES where one origin is friendly; popular movies break."""
    world.catalogue.failure = RuntimeError()  # type: ignore[assignment]
    app = welcoming(world, FRIEND).application
    authorization = {"Authorization": f"Bearer {CONSUMER_TOKEN}"}
    return app.test_client().open(path, method=method, headers={**authorization, **headers})


@pytest.mark.parametrize(("method", "path", "status"), OUTCOMES)
def test_a_friendly_origin_may_read_whatever_comes_of_it(
    method: str, path: str, status: int, world: World
) -> None:
    answer = outcome(world, method, path, Origin=FRIEND)

    assert answer.status_code == status
    assert answer.headers[ALLOWED] == FRIEND


def test_a_friendly_origin_may_read_when_to_come_back(world: World) -> None:
    world.limiter.wait = 42

    answer = outcome(world, "GET", ME, Origin=FRIEND)

    assert answer.status_code == 429
    assert answer.headers[ALLOWED] == FRIEND
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"].split(", ")


@pytest.mark.parametrize("origin", ["", FRIEND, STRANGER])
@pytest.mark.parametrize(("method", "path", "status"), OUTCOMES)
def test_every_answer_depends_on_the_origin_where_some_are_friendly(
    method: str, path: str, status: int, origin: str, world: World
) -> None:
    headers = {"Origin": origin} if origin else {}

    answer = outcome(world, method, path, **headers)

    assert answer.status_code == status
    assert set(answer.headers["Vary"].split(", ")) == {"Origin", "Accept-Encoding"}


def test_an_answer_without_a_body_depends_on_the_origin_alone(world: World) -> None:
    add_sample_data(world)

    answer = welcoming(world, FRIEND).delete(RATING)

    assert answer.headers["Vary"] == "Origin"


def test_what_is_not_sent_again_depends_on_the_same(world: World) -> None:
    client = welcoming(world, FRIEND)
    first = client.get(ME)

    again = client.get(ME, headers={"If-None-Match": first.headers["ETag"], "Origin": FRIEND})

    assert again.status_code == 304
    assert again.headers[ALLOWED] == FRIEND
    assert again.headers["Vary"] == first.headers["Vary"]


@pytest.mark.parametrize("origins", [(), ("*",)])
def test_no_answer_depends_on_the_origin_where_all_are_alike(
    origins: tuple[str, ...], world: World
) -> None:
    answer = welcoming(world, *origins).get(ME, headers={"Origin": STRANGER})

    assert answer.headers["Vary"] == "Accept-Encoding"


def test_all_origins_may_be_friendly(world: World) -> None:
    answer = welcoming(world, "*").get(ME, headers={"Origin": STRANGER})

    assert answer.headers[ALLOWED] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_browser_may_ask_beforehand_without_a_token(method: str, world: World) -> None:
    answer = welcoming(world, FRIEND, token=None).options(
        RATING,
        headers={
            "Origin": FRIEND,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type, x-request-id, x-junk",
        },
    )

    assert answer.status_code == 200
    assert answer.headers[ALLOWED] == FRIEND
    assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(allowed) == {"authorization", "content-type", "x-request-id"}
    assert answer.headers["Access-Control-Max-Age"] == "600"


def test_a_browser_may_send_what_it_has_of_an_answer(world: World) -> None:
    answer = welcoming(world, FRIEND, token=None).options(
        ME,
        headers={
            "Origin": FRIEND,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "if-none-match",
        },
    )

    assert answer.headers["Access-Control-Allow-Headers"].lower() == "if-none-match"


def asking_beforehand(origin: str, method: str = "GET") -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method}


@pytest.mark.parametrize("path", [f"{API}/nope", "/nope", f"{API}//me"])
def test_a_browser_may_ask_for_what_is_not_there_and_read_so(path: str, world: World) -> None:
    client = welcoming(world, FRIEND, token=None)

    beforehand = client.options(path, headers=asking_beforehand(FRIEND))
    answer = client.get(path, headers={"Origin": FRIEND})

    assert beforehand.status_code == 200
    assert beforehand.headers[ALLOWED] == FRIEND
    assert answer.status_code in {401, 404}
    assert answer.headers[ALLOWED] == FRIEND


def test_a_strange_origin_may_not_ask_for_what_is_not_there(world: World) -> None:
    answer = welcoming(world, FRIEND).options(f"{API}/nope", headers=asking_beforehand(STRANGER))

    assert ALLOWED not in answer.headers


def test_what_is_not_there_has_no_options(world: World) -> None:
    answer = welcoming(world, FRIEND).options(f"{API}/nope", headers={"Origin": FRIEND})

    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_friendly_origin_may_send_credentials_where_it_is_said_so(
    method: str, world: World
) -> None:
    client = world.client(WebOptions(cors_origins=(FRIEND,), cors_credentials=True), CONSUMER_TOKEN)

    answer = client.open(ME, method=method, headers=asking_beforehand(FRIEND))

    assert answer.headers[ALLOWED] == FRIEND
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_a_strange_origin_may_not_send_credentials_either(world: World) -> None:
    client = world.client(WebOptions(cors_origins=(FRIEND,), cors_credentials=True), CONSUMER_TOKEN)

    answer = client.get(ME, headers={"Origin": STRANGER})

    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_browser_may_read_every_header_of_ours(call: Call, world: World) -> None:
    add_sample_data(world)
    token = "abcdef1234567890" if call in ADMIN_CALLS else CONSUMER_TOKEN
    # Those that the Fetch standard lets a page read, and those that are for browsers themselves.
    not_ours = {"Cache-Control", "Content-Length", "Content-Type", "Date", "Server", "Vary"}

    headers = call.send(welcoming(world, FRIEND, token=token), headers={"Origin": FRIEND}).headers

    ours = {name for name, _ in headers if not name.startswith("Access-Control-")}
    assert ours - not_ours - set(SECURITY) <= set(EXPOSED)


@pytest.mark.parametrize(
    ("hops", "address"), [(0, "http://localhost/"), (1, "https://butaca.example/")]
)
def test_only_a_trusted_proxy_says_where_we_are(hops: int, address: str, world: World) -> None:
    client = world.client(WebOptions(trusted_proxies=hops))
    client.application.add_url_rule("/where", "where", lambda: request.host_url)

    answer = client.get(
        "/where",
        headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "butaca.example"},
    )

    assert answer.text == address
