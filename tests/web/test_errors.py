"""Every error is a problem response, and none reveals internals."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask import Response
from flask.testing import FlaskClient
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.test import TestResponse

from butaca.core import errors
from butaca.core.errors import DomainError
from butaca.web import WebOptions, create_web, problems
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN, make_record
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.domain_errors import subclass_tree
from tests.fakes import FakeLibrary
from tests.web.helpers import API, CALLS, Call

POPULAR = f"{API}/movies/popular"
MOVIE = f"{API}/movies/550?language=en"
FIELDS = {"type", "title", "status", "detail", "code", "instance", "request_id"}


def client_with_failure(backend: FakeBackend, failure: Exception) -> FlaskClient:
    """Return a client of an app whose catalogue fails with an exception."""
    backend.catalogue.failure = failure  # type: ignore[assignment]
    return client_of(create_web(backend.services(), WebOptions()))


def client_of(app: APIFlask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
    return client


def problem_in(response: TestResponse) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    return dict(response.json)


DOMAIN_ERRORS = [
    (errors.MovieNotFound(), 404, "movie-not-found", {}),
    (errors.FavoriteNotFound(), 404, "favorite-not-found", {}),
    (errors.RatingNotFound(), 404, "rating-not-found", {}),
    (errors.UserNotFound(), 404, "user-not-found", {}),
    (
        errors.TokenRejected(),
        401,
        "unauthorized",
        {"WWW-Authenticate": 'Bearer realm="butaca", error="invalid_token"'},
    ),
    (
        errors.PermissionDenied(),
        403,
        "forbidden",
        {"WWW-Authenticate": 'Bearer realm="butaca", error="insufficient_scope"'},
    ),
    (errors.LibraryUnavailable(), 503, "library-unavailable", {"Retry-After": "5"}),
    (errors.LibraryBusy(), 503, "library-busy", {"Retry-After": "1"}),
    (
        errors.CatalogueUnavailable(retry_after=17),
        503,
        "catalogue-unavailable",
        {"Retry-After": "17"},
    ),
    (errors.CatalogueBusy(), 503, "catalogue-busy", {"Retry-After": "1"}),
    (errors.CatalogueTimedOut(retry_after=9), 504, "catalogue-timed-out", {"Retry-After": "9"}),
    (errors.CatalogueMalformedResponse(), 502, "catalogue-malformed-response", {}),
    (errors.CatalogueInvalidResponse(), 502, "catalogue-invalid-response", {}),
    (errors.CatalogueAccessDenied(upstream_status=401), 502, "catalogue-access-denied", {}),
]


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"), DOMAIN_ERRORS, ids=[each[2] for each in DOMAIN_ERRORS]
)
def test_every_domain_error_has_its_status_code_and_headers(
    error: DomainError, status: int, code: str, headers: dict[str, str], backend: FakeBackend
) -> None:
    response = client_with_failure(backend, error).get(POPULAR)

    assert response.status_code == status
    assert problem_in(response).keys() == FIELDS
    assert (
        problem_in(response).items()
        >= {
            "type": f"urn:butaca:problem:{code}",
            "status": status,
            "detail": str(error),
            "code": code,
            "instance": POPULAR,
            "request_id": response.headers["X-Request-Id"],
        }.items()
    )
    sent = {name: response.headers.get(name) for name in ("Retry-After", "WWW-Authenticate")}
    assert {name: value for name, value in sent.items() if value} == headers


FOR_OPERATORS = {
    errors.NameTaken,
    errors.InvalidName,
    errors.TokenNotFound,
    errors.TokenAlreadyRevoked,
    errors.InvalidLifetime,
    errors.DemoRoleFixed,
}
"""Raised only by the command line."""

NOT_IN_THE_API = {
    DomainError,
    errors.CatalogueFailed,
    errors.StarsOutOfRange,
    errors.InvalidSortOrder,
}
"""Rejected earlier by a schema, or a base class."""


@pytest.mark.parametrize(
    "error_type", sorted(set(subclass_tree(DomainError)) - NOT_IN_THE_API - FOR_OPERATORS, key=str)
)
def test_every_error_of_the_api_has_a_problem_type(error_type: type[DomainError]) -> None:
    assert problems.type_for_error(error_type).status >= 400


def test_problem_codes_are_unique() -> None:
    codes = [problem_type.code for problem_type in problems.ALL]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("problem_type", problems.ALL, ids=lambda problem_type: problem_type.code)
def test_every_problem_type_has_a_code_and_a_title(problem_type: problems.ProblemType) -> None:
    assert problem_type.code == problem_type.code.lower()
    assert " " not in problem_type.code
    assert problem_type.title
    assert problem_type.status >= 400


def test_problem_has_errors_only_for_invalid_input(consumer: ContractClient) -> None:
    assert problem_in(consumer.get(f"{POPULAR}?page=0")).keys() == {*FIELDS, "errors"}
    assert problem_in(consumer.get(f"{API}/movies/1")).keys() == FIELDS


class UnreachableLibrary(FakeLibrary):
    """A library whose database is unreachable: every call fails."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        raise errors.LibraryUnavailable


LIBRARY_CALLS = [call for call in CALLS if "/movies/" not in call.rule and call.rule != f"{API}/me"]


@pytest.mark.parametrize("call", LIBRARY_CALLS, ids=str)
def test_unreachable_database_returns_503_with_retry_after(call: Call) -> None:
    admin = FakeBackend(store=UnreachableLibrary()).client(token=ADMIN_TOKEN)

    response = call.send(admin)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("include", "status"), [("", 200), ("&include=me", 503)], ids=["plain", "marked"]
)
@pytest.mark.parametrize("path", [f"{POPULAR}?", f"{API}/movies/search?query=x", MOVIE])
def test_movies_without_marks_do_not_need_the_database(
    path: str, include: str, status: int
) -> None:
    backend = FakeBackend(store=UnreachableLibrary())
    backend.catalogue.add(make_record(550))
    consumer = backend.client(token=CONSUMER_TOKEN)

    assert consumer.get(path + include).status_code == status


SECRET = "postgresql://user:pa55word@db/butaca"


def unexpected(kind: type[Exception]) -> Exception:
    return kind(f"{SECRET} went wrong")


@pytest.mark.parametrize("kind", [RuntimeError, KeyError, OSError, AttributeError])
def test_unexpected_error_returns_500_without_its_message(
    kind: type[Exception], backend: FakeBackend
) -> None:
    response = client_with_failure(backend, unexpected(kind)).get(POPULAR)

    assert response.status_code == 500
    assert problem_in(response).keys() == FIELDS
    assert problem_in(response)["code"] == "internal-server-error"
    assert SECRET not in response.text
    assert SECRET not in str(response.headers)
    assert "Traceback" not in response.text


def test_unexpected_error_is_logged_once_with_its_traceback(
    backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_with_failure(backend, unexpected(RuntimeError))

    with caplog.at_level(logging.WARNING):
        client.get(POPULAR)

    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == (
        "butaca.web",
        "ERROR",
        "request.failed",
    )
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)
    assert record.exc_info[2] is not None


def test_expected_errors_are_not_logged_as_warnings(
    backend: FakeBackend, consumer: ContractClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        consumer.get(f"{API}/movies/1")
        consumer.get(f"{POPULAR}?page=0")
        consumer.get(f"{API}/nope")

    assert caplog.records == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "detail"),
    [
        ("GET", "/nope", 404, "not-found", "There is no resource at this path."),
        ("GET", "/api", 404, "not-found", "There is no resource at this path."),
        ("GET", "/api/v1", 404, "not-found", "There is no resource at this path."),
        ("GET", "/docs/nope.js", 404, "not-found", "There is no resource at this path."),
        ("GET", "/docs/../docs.py", 404, "not-found", "There is no resource at this path."),
        ("GET", "/%00", 404, "not-found", "There is no resource at this path."),
        (
            "POST",
            "/livez",
            405,
            "method-not-allowed",
            "This path does not support that method.",
        ),
        (
            "BREW",
            "/livez",
            405,
            "method-not-allowed",
            "This path does not support that method.",
        ),
    ],
)
def test_errors_outside_the_api_are_problems(
    method: str, path: str, status: int, code: str, detail: str, anonymous: ContractClient
) -> None:
    response = anonymous.open(path, method=method)

    assert response.status_code == status
    assert problem_in(response)["code"] == code
    assert problem_in(response)["detail"] == detail
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("path", [f"{API}//me", f"{API}/me//favorites", f"{API}/me/"])
def test_extra_slash_returns_404(path: str, consumer: ContractClient) -> None:
    response = consumer.get(path)

    assert response.status_code == 404
    assert problem_in(response)["code"] == "not-found"


def test_method_not_allowed_lists_the_allowed_methods(consumer: ContractClient) -> None:
    response = consumer.delete(f"{API}/me/favorites")

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def raising(error: Exception) -> Callable[[], Response]:
    def view() -> Response:
        raise error

    return view


def test_status_without_a_problem_type_gets_a_generic_code(backend: FakeBackend) -> None:
    app = create_web(backend.services(), WebOptions())
    app.add_url_rule("/range", "range", raising(RequestedRangeNotSatisfiable(description=SECRET)))

    response = client_of(app).get("/range")

    assert response.status_code == 416
    assert problem_in(response)["code"] == "http-416"
    assert problem_in(response)["detail"] == "The request cannot be fulfilled."
    assert SECRET not in response.text


def test_instance_is_the_decoded_path_without_the_query(anonymous: ContractClient) -> None:
    response = anonymous.get("/no/such%20%C3%B1and%C3%BA?token=secret")

    assert problem_in(response)["instance"] == "/no/such ñandú"
    assert "secret" not in response.text
