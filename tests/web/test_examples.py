"""The examples of the contract are valid and match the service's responses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

from butaca.admission import Admission
from butaca.core import errors
from butaca.web import WebOptions, create_web, describe, examples, problems
from butaca.web.headers import EXAMPLE_REQUEST_ID
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.conftest import FakeBackend
from tests.web.exchanges import exchanges

SPEC = describe().spec
CONTRACT = Resource.from_contents(SPEC, default_specification=DRAFT202012)
REGISTRY: Registry[Any] = Registry().with_resource("urn:contract", CONTRACT)
Example = tuple[str, dict[str, Any], Any]
"""The path of an example in the contract, its schema, and the example."""


def all_examples() -> Iterator[Example]:
    """Yield every example of the contract."""
    yield from nested_examples("", SPEC)


def nested_examples(path: str, part: Any) -> Iterator[Example]:
    children = enumerate(part) if isinstance(part, list) else part.items()
    for name, child in children:
        if isinstance(child, list | dict) and name not in {"example", "examples"}:
            yield from nested_examples(f"{path}/{name}", child)
    if isinstance(part, dict):
        yield from examples_of(path, part)


def examples_of(path: str, part: dict[str, Any]) -> Iterator[Example]:
    schema = part.get("schema", part)
    if "example" in part:
        yield path, schema, part["example"]
    match part.get("examples"):
        case list(found):
            yield from ((path, schema, example) for example in found)
        case dict(found):
            yield from (
                (f"{path}/{name}", schema, example["value"]) for name, example in found.items()
            )


def validate(schema: dict[str, Any], example: Any) -> None:
    """Raise ValidationError if an example does not match its schema."""
    absolute = {"$ref": f"urn:contract{schema['$ref']}"} if "$ref" in schema else schema
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(absolute, registry=REGISTRY, format_checker=checker).validate(example)


EXAMPLES = list(all_examples())


@pytest.mark.parametrize(
    ("schema", "example"), [each[1:] for each in EXAMPLES], ids=[e[0] for e in EXAMPLES]
)
def test_example_matches_its_schema(schema: dict[str, Any], example: Any) -> None:
    validate(schema, example)


def operations() -> Iterator[dict[str, Any]]:
    for methods in SPEC["paths"].values():
        yield from methods.values()


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the content of every request and response body, with the name of its owner."""
    for name, response in SPEC["components"]["responses"].items():
        yield from ((name, content) for content in response["content"].values())
    for operation in operations():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for content in body.get("content", {}).values():
                yield operation["operationId"], content


@pytest.mark.parametrize(("name", "content"), list(contents()))
def test_every_body_has_an_example(name: str, content: dict[str, Any]) -> None:
    assert content["examples"], name


def parameters() -> Iterator[dict[str, Any]]:
    yield from SPEC["components"]["parameters"].values()
    for operation in operations():
        yield from (each for each in operation["parameters"] if "$ref" not in each)


@pytest.mark.parametrize("parameter", list(parameters()), ids=lambda each: each["name"])
def test_every_parameter_has_a_description_and_an_example(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]

    assert parameter.get("description") or schema["description"]
    assert "example" in parameter or schema["examples"]


@pytest.mark.parametrize(("name", "header"), list(SPEC["components"]["headers"].items()))
def test_every_header_has_a_description_and_an_example(name: str, header: dict[str, Any]) -> None:
    assert header["description"]
    assert "example" in header


def test_recorded_exchanges_match_the_current_service() -> None:
    assert exchanges() == list(examples.recorded()), "run: make contract"


def test_every_successful_response_with_a_body_has_an_exchange() -> None:
    recorded = {(each.operation, each.status) for each in examples.recorded()}
    documented = {
        (operation["operationId"], int(status))
        for operation in operations()
        for status, response in operation["responses"].items()
        if "content" in response
    }

    assert recorded == documented


Request = Callable[[FakeBackend, FlaskClient], TestResponse]
FAVORITES = "/api/v1/me/favorites"


def request(path: str, method: str = "GET", **sent: Any) -> Request:
    return lambda backend, client: client.open(path, method=method, **sent)


def with_tmdb_failure(failure: Exception) -> Request:
    def send(backend: FakeBackend, client: FlaskClient) -> TestResponse:
        backend.catalogue.failure = failure  # type: ignore[assignment]
        return client.get("/api/v1/movies/popular")

    return send


def with_library_failure(error: errors.LibraryUnavailable) -> Request:
    def send(backend: FakeBackend, client: FlaskClient) -> TestResponse:
        backend.store.favorites = raising(error)  # type: ignore[method-assign]
        return client.get(FAVORITES)

    return send


def raising(error: errors.LibraryUnavailable) -> Callable[..., Any]:
    def favorites(*_: object) -> None:
        raise error

    return favorites


def over_the_rate_limit(backend: FakeBackend, client: FlaskClient) -> TestResponse:
    backend.limiter.wait = 7
    return client.get("/api/v1/movies/popular")


def without_a_slot(backend: FakeBackend, client: FlaskClient) -> TestResponse:
    assert isinstance(client.application, Flask)
    client.application.wsgi_app = Admission(client.application.wsgi_app, slots=0)  # type: ignore[method-assign]
    return client.get("/api/v1/movies/popular")


def without_a_token(backend: FakeBackend, client: FlaskClient) -> TestResponse:
    return client.get("/api/v1/movies/popular", headers={"Authorization": ""})


AS_ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
REQUESTS: dict[str, Request] = {
    "unauthorized": without_a_token,
    "forbidden": request("/api/v1/users/1/favorites"),
    "movie-not-found": request("/api/v1/movies/0"),
    "favorite-not-found": request(f"{FAVORITES}/13"),
    "rating-not-found": request("/api/v1/me/ratings/13"),
    "user-not-found": request("/api/v1/users/3/favorites", headers=AS_ADMIN),
    "bad-request": request(FAVORITES, "POST", data="{", content_type="application/json"),
    "content-too-large": request(FAVORITES, "POST", json={"movie_id": "5" * 20_000}),
    "unsupported-media-type": request(FAVORITES, "POST", data="movie_id=550"),
    "unprocessable-content": request("/api/v1/me/ratings/550", "PUT", json={"stars": 6}),
    "too-many-requests": over_the_rate_limit,
    "overloaded": without_a_slot,
    "internal-server-error": with_tmdb_failure(RuntimeError()),
    "library-unavailable": with_library_failure(errors.LibraryUnavailable()),
    "library-busy": with_library_failure(errors.LibraryBusy()),
    "catalogue-unavailable": with_tmdb_failure(errors.CatalogueUnavailable()),
    "catalogue-busy": with_tmdb_failure(errors.CatalogueBusy()),
    "catalogue-timed-out": with_tmdb_failure(errors.CatalogueTimedOut()),
    "catalogue-malformed-response": with_tmdb_failure(errors.CatalogueMalformedResponse()),
    "catalogue-invalid-response": with_tmdb_failure(errors.CatalogueInvalidResponse()),
    "catalogue-access-denied": with_tmdb_failure(errors.CatalogueAccessDenied()),
}
PROBLEMS = {
    code: each["value"]
    for response in SPEC["components"]["responses"].values()
    for code, each in response["content"]["application/problem+json"]["examples"].items()
}


def test_every_problem_of_an_operation_has_an_example() -> None:
    outside_the_api = {"not-found", "method-not-allowed"}

    assert PROBLEMS.keys() == {problem_type.code for problem_type in problems.ALL} - outside_the_api


@pytest.mark.parametrize("code", PROBLEMS)
def test_example_of_a_problem_matches_the_response(code: str, backend: FakeBackend) -> None:
    client = create_web(backend.services(), WebOptions()).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
    client.environ_base["HTTP_X_REQUEST_ID"] = EXAMPLE_REQUEST_ID

    response = REQUESTS[code](backend, client)

    assert response.json == PROBLEMS[code]


@pytest.mark.parametrize(("name", "response"), list(SPEC["components"]["responses"].items()))
def test_examples_of_a_response_have_its_status(name: str, response: dict[str, Any]) -> None:
    found = response["content"]["application/problem+json"]["examples"]
    statuses = {each["value"]["status"] for each in found.values()}
    documented = {
        int(status)
        for operation in operations()
        for status, each in operation["responses"].items()
        if each == {"$ref": f"#/components/responses/{name}"}
    }

    assert statuses == documented
