"""The checks before every route, and the headers of every response."""

import io
from copy import deepcopy
from typing import Any

import pytest
from flask import request
from werkzeug.test import TestResponse

from butaca.web import WebOptions
from butaca.web.inputs import MAX_BODY_SIZE
from butaca.web.protection import EXPOSED_HEADERS
from tests.builders import ADMIN, ADMIN_TOKEN, CONSUMER, CONSUMER_TOKEN
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.fakes import FakeRateLimiter
from tests.web.helpers import ADMIN_CALLS, API, BODIES, CALLS, READS, Call, add_sample_data

ME = f"{API}/me"
RATING = f"{API}/me/ratings/550"
WITH_BODY = [call for call in CALLS if call.method in BODIES]
TRUSTED = "https://trusted.example"
UNTRUSTED = "https://untrusted.example"
ALLOW_ORIGIN = "Access-Control-Allow-Origin"


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
def test_body_without_a_json_content_type_is_rejected(
    call: Call, content_type: str | None, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    response = call.send(consumer, json=None, data=b'{"stars": 1}', content_type=content_type)

    assert response.status_code == 415
    assert backend.store == before


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/x+json",
    ],
)
def test_any_json_content_type_is_accepted(
    content_type: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)

    response = consumer.put(RATING, data=b'{"stars": 1}', content_type=content_type)

    assert response.status_code == 200


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
def test_missing_body_and_content_type_returns_415(call: Call, consumer: ContractClient) -> None:
    assert call.send(consumer, json=None).status_code == 415


def padded(size: int) -> bytes:
    """Return a valid body of this many bytes."""
    return b'{"stars": 1' + b" " * (size - 12) + b"}"


def chunked(body: bytes) -> dict[str, Any]:
    """Return the arguments of a request with a chunked body, whose length is not declared."""
    return {
        "input_stream": io.BytesIO(body),
        "content_type": "application/json",
        "environ_overrides": {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    }


def test_body_of_the_maximum_size_is_accepted(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)

    declared = consumer.put(RATING, data=padded(MAX_BODY_SIZE), content_type="application/json")
    undeclared = consumer.put(RATING, **chunked(padded(MAX_BODY_SIZE)))

    assert declared.status_code == 200
    assert undeclared.status_code == 200
    assert undeclared.request.content_length is None


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
@pytest.mark.parametrize("size", [MAX_BODY_SIZE + 1, 1_000_000])
def test_body_over_the_maximum_size_is_rejected(
    call: Call, size: int, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)

    declared = call.send(consumer, json=None, data=padded(size), content_type="application/json")
    undeclared = call.send(consumer, json=None, **chunked(padded(size)))

    assert declared.status_code == 413
    assert undeclared.status_code == 413
    assert backend.store == before


@pytest.mark.parametrize("call", WITH_BODY, ids=str)
def test_incomplete_body_is_rejected(
    call: Call, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)
    incomplete = {
        "input_stream": io.BytesIO(b'{"movie_id": 551, "stars": 1}'),
        "content_type": "application/json",
        "environ_overrides": {"CONTENT_LENGTH": "500", "wsgi.input_terminated": True},
    }

    response = call.send(consumer, json=None, **incomplete)

    assert response.status_code == 400
    assert backend.store == before


def test_chunked_body_over_the_maximum_size_is_not_truncated(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_sample_data(backend)

    response = consumer.put(RATING, **chunked(b'{"stars": 1}' + b" " * MAX_BODY_SIZE + b"junk"))

    assert response.status_code == 413


def test_deeply_nested_json_is_too_large(consumer: ContractClient) -> None:
    response = consumer.put(RATING, data=b"[" * 100_000, content_type="application/json")

    assert response.status_code == 413


def test_large_body_of_a_get_request_is_ignored(consumer: ContractClient) -> None:
    assert consumer.get(ME, data=b" " * 1_000_000).status_code == 200


def test_checks_run_in_order_of_token_parameters_and_content_type(
    backend: FakeBackend, anonymous: ContractClient, consumer: ContractClient
) -> None:
    invalid = {"data": b"[" * 100_000, "content_type": "text/plain"}

    assert anonymous.put(f"{API}/me/ratings/abc?x=1", **invalid).status_code == 401
    assert consumer.put(f"{API}/me/ratings/abc?x=1", **invalid).status_code == 422
    assert consumer.put(RATING, **invalid).status_code == 415


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_rate_limited_request_returns_429_with_retry_after(
    call: Call, backend: FakeBackend, admin: ContractClient
) -> None:
    add_sample_data(backend)
    before = deepcopy(backend.store)
    backend.limiter.wait = 42

    response = call.send(admin)

    assert response.status_code == 429
    assert response.headers["Retry-After"] == "42"
    assert backend.store == before
    assert backend.catalogue.calls == []


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_reads_and_writes_are_counted_separately_per_user(
    call: Call, backend: FakeBackend, admin: ContractClient, consumer: ContractClient
) -> None:
    add_sample_data(backend)
    kind = "read" if call in READS else "write"

    call.send(admin)
    call.send(consumer)

    assert backend.limiter.calls == [(f"user:{ADMIN.id}", kind), (f"user:{CONSUMER.id}", kind)]


def test_rate_limit_of_one_user_does_not_affect_another() -> None:
    class ConsumerWritesLimited(FakeRateLimiter):
        def seconds_to_wait(self, caller: str, kind: str) -> int:
            return 42 if (caller, kind) == (f"user:{CONSUMER.id}", "write") else 0

    backend = FakeBackend(limiter=ConsumerWritesLimited())
    add_sample_data(backend)
    consumer, admin = (backend.client(token=token) for token in (CONSUMER_TOKEN, ADMIN_TOKEN))

    assert consumer.put(RATING, json={"stars": 1}).status_code == 429
    assert consumer.get(RATING).status_code == 200
    assert admin.put(RATING, json={"stars": 1}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", f"{API}/nope", 404), ("PUT", ME, 405)]
)
def test_unknown_routes_count_toward_the_rate_limit(
    method: str, path: str, status: int, backend: FakeBackend, consumer: ContractClient
) -> None:
    assert consumer.open(path, method=method).status_code == status
    backend.limiter.wait = 42
    assert consumer.open(path, method=method).status_code == 429


def test_requests_without_a_token_are_not_counted(
    backend: FakeBackend, anonymous: ContractClient
) -> None:
    anonymous.get(ME)
    anonymous.options(ME)

    assert backend.limiter.calls == []


SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_route_returns_the_security_headers(
    call: Call, backend: FakeBackend, admin: ContractClient
) -> None:
    add_sample_data(backend)

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
def test_other_responses_have_the_security_headers(
    method: str, path: str, status: int, backend: FakeBackend, anonymous: ContractClient
) -> None:
    backend.database_is_down = True

    response = anonymous.open(path, method=method)

    assert response.status_code == status
    assert {name: response.headers.get(name) for name in SECURITY} == SECURITY


def test_unexpected_error_has_the_security_headers(backend: FakeBackend) -> None:
    backend.catalogue.failure = RuntimeError()  # type: ignore[assignment]
    client = backend.client(token=CONSUMER_TOKEN).application.test_client()

    response = client.get(
        f"{API}/movies/popular", headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"}
    )

    assert response.status_code == 500
    assert {name: response.headers.get(name) for name in SECURITY} == SECURITY


def cors_client(
    backend: FakeBackend, *origins: str, token: str | None = CONSUMER_TOKEN
) -> ContractClient:
    return backend.client(WebOptions(cors_origins=origins), token)


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
def test_allowed_origin_may_read_success_and_error_responses(
    method: str, path: str, status: int, backend: FakeBackend
) -> None:
    response = cors_client(backend, TRUSTED).open(path, method=method, headers={"Origin": TRUSTED})

    assert response.status_code == status
    assert response.headers[ALLOW_ORIGIN] == TRUSTED
    assert set(response.headers["Access-Control-Expose-Headers"].split(", ")) == set(
        EXPOSED_HEADERS
    )
    assert "Access-Control-Allow-Credentials" not in response.headers


def test_allowed_origin_may_read_the_401_response(backend: FakeBackend) -> None:
    response = cors_client(backend, TRUSTED, token=None).get(ME, headers={"Origin": TRUSTED})

    assert response.status_code == 401
    assert response.headers[ALLOW_ORIGIN] == TRUSTED


@pytest.mark.parametrize(
    "origin",
    [
        UNTRUSTED,
        "null",
        "http://trusted.example",
        "https://trusted.example:8443",
        "https://trusted.example.evil.example",
        "https://evil-trusted.example",
        "https://trustedXexample",
        "*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_other_origins_get_no_cors_headers(origin: str, method: str, backend: FakeBackend) -> None:
    response = cors_client(backend, TRUSTED).open(
        ME,
        method=method,
        headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
    )

    assert response.status_code == 200
    assert not [header for header in response.headers if header[0].startswith("Access-Control-")]


def test_no_origin_is_allowed_by_default(consumer: ContractClient) -> None:
    response = consumer.get(ME, headers={"Origin": TRUSTED})

    assert ALLOW_ORIGIN not in response.headers


@pytest.mark.parametrize("origin", [TRUSTED, "https://other.example"])
def test_each_of_several_allowed_origins_is_echoed(origin: str, backend: FakeBackend) -> None:
    client = cors_client(backend, TRUSTED, "https://other.example")

    headers = client.get(ME, headers={"Origin": origin}).headers

    assert headers[ALLOW_ORIGIN] == origin


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


def outcome(backend: FakeBackend, method: str, path: str, **headers: str) -> TestResponse:
    """Make a request of OUTCOMES with one allowed origin. Popular movies raise an exception."""
    backend.catalogue.failure = RuntimeError()  # type: ignore[assignment]
    app = cors_client(backend, TRUSTED).application
    authorization = {"Authorization": f"Bearer {CONSUMER_TOKEN}"}
    return app.test_client().open(path, method=method, headers={**authorization, **headers})


@pytest.mark.parametrize(("method", "path", "status"), OUTCOMES)
def test_allowed_origin_may_read_every_outcome(
    method: str, path: str, status: int, backend: FakeBackend
) -> None:
    response = outcome(backend, method, path, Origin=TRUSTED)

    assert response.status_code == status
    assert response.headers[ALLOW_ORIGIN] == TRUSTED


def test_allowed_origin_may_read_retry_after(backend: FakeBackend) -> None:
    backend.limiter.wait = 42

    response = outcome(backend, "GET", ME, Origin=TRUSTED)

    assert response.status_code == 429
    assert response.headers[ALLOW_ORIGIN] == TRUSTED
    assert "Retry-After" in response.headers["Access-Control-Expose-Headers"].split(", ")


@pytest.mark.parametrize("origin", ["", TRUSTED, UNTRUSTED])
@pytest.mark.parametrize(("method", "path", "status"), OUTCOMES)
def test_every_outcome_varies_by_origin_if_origins_are_listed(
    method: str, path: str, status: int, origin: str, backend: FakeBackend
) -> None:
    headers = {"Origin": origin} if origin else {}

    response = outcome(backend, method, path, **headers)

    assert response.status_code == status
    assert set(response.headers["Vary"].split(", ")) == {"Origin", "Accept-Encoding"}


def test_response_without_a_body_varies_only_by_origin(backend: FakeBackend) -> None:
    add_sample_data(backend)

    response = cors_client(backend, TRUSTED).delete(RATING)

    assert response.headers["Vary"] == "Origin"


def test_not_modified_response_has_the_same_vary_header(backend: FakeBackend) -> None:
    client = cors_client(backend, TRUSTED)
    first = client.get(ME)

    not_modified = client.get(
        ME, headers={"If-None-Match": first.headers["ETag"], "Origin": TRUSTED}
    )

    assert not_modified.status_code == 304
    assert not_modified.headers[ALLOW_ORIGIN] == TRUSTED
    assert not_modified.headers["Vary"] == first.headers["Vary"]


@pytest.mark.parametrize("origins", [(), ("*",)])
def test_responses_do_not_vary_by_origin_if_all_or_none_are_allowed(
    origins: tuple[str, ...], backend: FakeBackend
) -> None:
    response = cors_client(backend, *origins).get(ME, headers={"Origin": UNTRUSTED})

    assert response.headers["Vary"] == "Accept-Encoding"


def test_wildcard_allows_every_origin(backend: FakeBackend) -> None:
    response = cors_client(backend, "*").get(ME, headers={"Origin": UNTRUSTED})

    assert response.headers[ALLOW_ORIGIN] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_preflight_needs_no_token(method: str, backend: FakeBackend) -> None:
    response = cors_client(backend, TRUSTED, token=None).options(
        RATING,
        headers={
            "Origin": TRUSTED,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type, x-request-id, x-junk",
        },
    )

    assert response.status_code == 200
    assert response.headers[ALLOW_ORIGIN] == TRUSTED
    assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(allowed) == {"authorization", "content-type", "x-request-id"}
    assert response.headers["Access-Control-Max-Age"] == "600"


def test_preflight_allows_if_none_match(backend: FakeBackend) -> None:
    response = cors_client(backend, TRUSTED, token=None).options(
        ME,
        headers={
            "Origin": TRUSTED,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "if-none-match",
        },
    )

    assert response.headers["Access-Control-Allow-Headers"].lower() == "if-none-match"


def preflight_headers(origin: str, method: str = "GET") -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method}


@pytest.mark.parametrize("path", [f"{API}/nope", "/nope", f"{API}//me"])
def test_preflight_for_an_unknown_path_succeeds(path: str, backend: FakeBackend) -> None:
    client = cors_client(backend, TRUSTED, token=None)

    preflight = client.options(path, headers=preflight_headers(TRUSTED))
    response = client.get(path, headers={"Origin": TRUSTED})

    assert preflight.status_code == 200
    assert preflight.headers[ALLOW_ORIGIN] == TRUSTED
    assert response.status_code in {401, 404}
    assert response.headers[ALLOW_ORIGIN] == TRUSTED


def test_preflight_of_another_origin_gets_no_cors_headers(backend: FakeBackend) -> None:
    response = cors_client(backend, TRUSTED).options(
        f"{API}/nope", headers=preflight_headers(UNTRUSTED)
    )

    assert ALLOW_ORIGIN not in response.headers


def test_options_of_an_unknown_path_returns_404(backend: FakeBackend) -> None:
    response = cors_client(backend, TRUSTED).options(f"{API}/nope", headers={"Origin": TRUSTED})

    assert response.status_code == 404


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_allowed_origin_may_send_credentials_if_enabled(method: str, backend: FakeBackend) -> None:
    client = backend.client(
        WebOptions(cors_origins=(TRUSTED,), cors_credentials=True), CONSUMER_TOKEN
    )

    response = client.open(ME, method=method, headers=preflight_headers(TRUSTED))

    assert response.headers[ALLOW_ORIGIN] == TRUSTED
    assert response.headers["Access-Control-Allow-Credentials"] == "true"


def test_other_origins_may_not_send_credentials(backend: FakeBackend) -> None:
    client = backend.client(
        WebOptions(cors_origins=(TRUSTED,), cors_credentials=True), CONSUMER_TOKEN
    )

    response = client.get(ME, headers={"Origin": UNTRUSTED})

    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_browser_may_read_every_header_of_the_api(call: Call, backend: FakeBackend) -> None:
    add_sample_data(backend)
    token = ADMIN_TOKEN if call in ADMIN_CALLS else CONSUMER_TOKEN
    # Headers that the Fetch standard exposes anyway, and headers that only browsers use.
    standard = {"Cache-Control", "Content-Length", "Content-Type", "Date", "Server", "Vary"}

    headers = call.send(
        cors_client(backend, TRUSTED, token=token), headers={"Origin": TRUSTED}
    ).headers

    returned = {name for name, _ in headers if not name.startswith("Access-Control-")}
    assert returned - standard - set(SECURITY) <= set(EXPOSED_HEADERS)


@pytest.mark.parametrize(
    ("hops", "url"), [(0, "http://localhost/"), (1, "https://butaca.example/")]
)
def test_forwarded_headers_are_used_only_from_a_trusted_proxy(
    hops: int, url: str, backend: FakeBackend
) -> None:
    client = backend.client(WebOptions(trusted_proxies=hops))
    client.application.add_url_rule("/url", "url", lambda: request.host_url)

    response = client.get(
        "/url",
        headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "butaca.example"},
    )

    assert response.text == url
