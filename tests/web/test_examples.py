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
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.conftest import World
from tests.web.exchanges import exchanges

SPEC = describe().spec
CONTRACT = Resource.from_contents(SPEC, default_specification=DRAFT202012)
REGISTRY: Registry[Any] = Registry().with_resource("urn:contract", CONTRACT)
Place = tuple[str, dict[str, Any], Any]
"""Where an example stands, the schema that it is under, and the example."""


def places() -> Iterator[Place]:
    """Yield every example of the contract."""
    yield from inside("", SPEC)


def inside(path: str, part: Any) -> Iterator[Place]:
    below = enumerate(part) if isinstance(part, list) else part.items()
    for name, each in below:
        if isinstance(each, list | dict) and name not in {"example", "examples"}:
            yield from inside(f"{path}/{name}", each)
    if isinstance(part, dict):
        yield from shown_by(path, part)


def shown_by(path: str, part: dict[str, Any]) -> Iterator[Place]:
    schema = part.get("schema", part)
    if "example" in part:
        yield path, schema, part["example"]
    match part.get("examples"):
        case list(shown):
            yield from ((path, schema, each) for each in shown)
        case dict(shown):
            yield from ((f"{path}/{name}", schema, each["value"]) for name, each in shown.items())


def valid(schema: dict[str, Any], example: Any) -> None:
    """Raise ValidationError where an example is not what its schema says."""
    absolute = {"$ref": f"urn:contract{schema['$ref']}"} if "$ref" in schema else schema
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(absolute, registry=REGISTRY, format_checker=checker).validate(example)


PLACES = list(places())


@pytest.mark.parametrize(
    ("schema", "example"), [each[1:] for each in PLACES], ids=[e[0] for e in PLACES]
)
def test_an_example_is_what_its_schema_says(schema: dict[str, Any], example: Any) -> None:
    valid(schema, example)


def operations() -> Iterator[dict[str, Any]]:
    for methods in SPEC["paths"].values():
        yield from methods.values()


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all that is sent or answered with a body, by its place."""
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
def test_every_parameter_has_a_word_and_an_example(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]

    assert parameter.get("description") or schema["description"]
    assert "example" in parameter or schema["examples"]


@pytest.mark.parametrize(("name", "header"), list(SPEC["components"]["headers"].items()))
def test_every_header_has_a_word_and_an_example(name: str, header: dict[str, Any]) -> None:
    assert header["description"]
    assert "example" in header


def test_every_exchange_is_what_the_service_answers_over_the_sandbox() -> None:
    assert exchanges() == list(examples.recorded()), "run: make contract"


def test_every_good_answer_with_a_body_has_an_exchange() -> None:
    recorded = {(each.operation, each.status) for each in examples.recorded()}
    promised = {
        (operation["operationId"], int(status))
        for operation in operations()
        for status, response in operation["responses"].items()
        if "content" in response
    }

    assert recorded == promised


Asking = Callable[[World, FlaskClient], TestResponse]
FAVORITES = "/api/v1/me/favorites"


def asking(path: str, method: str = "GET", **sent: Any) -> Asking:
    return lambda world, client: client.open(path, method=method, **sent)


def while_tmdb(failure: Exception) -> Asking:
    def ask(world: World, client: FlaskClient) -> TestResponse:
        world.catalogue.failure = failure  # type: ignore[assignment]
        return client.get("/api/v1/movies/popular")

    return ask


def while_the_library(refusal: errors.LibraryUnavailable) -> Asking:
    def ask(world: World, client: FlaskClient) -> TestResponse:
        world.store.favorites = raising(refusal)  # type: ignore[method-assign]
        return client.get(FAVORITES)

    return ask


def raising(refusal: errors.LibraryUnavailable) -> Callable[..., Any]:
    def favorites(*_: object) -> None:
        raise refusal

    return favorites


def too_often(world: World, client: FlaskClient) -> TestResponse:
    world.limiter.wait = 7
    return client.get("/api/v1/movies/popular")


def without_a_place(world: World, client: FlaskClient) -> TestResponse:
    assert isinstance(client.application, Flask)
    client.application.wsgi_app = Admission(client.application.wsgi_app, slots=0)  # type: ignore[method-assign]
    return client.get("/api/v1/movies/popular")


def without_a_token(world: World, client: FlaskClient) -> TestResponse:
    return client.get("/api/v1/movies/popular", headers={"Authorization": ""})


AS_ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
PROVOKED: dict[str, Asking] = {
    "unauthorized": without_a_token,
    "forbidden": asking("/api/v1/users/1/favorites"),
    "movie-not-found": asking("/api/v1/movies/0"),
    "favorite-not-found": asking(f"{FAVORITES}/13"),
    "rating-not-found": asking("/api/v1/me/ratings/13"),
    "user-not-found": asking("/api/v1/users/3/favorites", headers=AS_ADMIN),
    "bad-request": asking(FAVORITES, "POST", data="{", content_type="application/json"),
    "content-too-large": asking(FAVORITES, "POST", json={"movie_id": "5" * 20_000}),
    "unsupported-media-type": asking(FAVORITES, "POST", data="movie_id=550"),
    "unprocessable-content": asking("/api/v1/me/ratings/550", "PUT", json={"stars": 6}),
    "too-many-requests": too_often,
    "overloaded": without_a_place,
    "internal-server-error": while_tmdb(RuntimeError()),
    "library-unavailable": while_the_library(errors.LibraryUnavailable()),
    "library-busy": while_the_library(errors.LibraryBusy()),
    "catalogue-unavailable": while_tmdb(errors.CatalogueUnavailable()),
    "catalogue-busy": while_tmdb(errors.CatalogueBusy()),
    "catalogue-timed-out": while_tmdb(errors.CatalogueTimedOut()),
    "catalogue-garbled": while_tmdb(errors.CatalogueGarbled()),
    "catalogue-answered-nonsense": while_tmdb(errors.CatalogueAnsweredNonsense()),
    "catalogue-refused-us": while_tmdb(errors.CatalogueRefusedUs()),
}
SHOWN = {
    code: each["value"]
    for response in SPEC["components"]["responses"].values()
    for code, each in response["content"]["application/problem+json"]["examples"].items()
}


def test_every_problem_that_an_operation_can_bring_is_shown() -> None:
    outside = {"not-found", "method-not-allowed"}

    assert SHOWN.keys() == {kind.code for kind in problems.ALL} - outside


@pytest.mark.parametrize("code", SHOWN)
def test_the_example_of_a_problem_is_what_is_answered(code: str, world: World) -> None:
    client = create_web(world.services(), WebOptions()).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
    client.environ_base["HTTP_X_REQUEST_ID"] = examples.REQUEST_ID

    answer = PROVOKED[code](world, client)

    assert answer.json == SHOWN[code]


@pytest.mark.parametrize(("name", "response"), list(SPEC["components"]["responses"].items()))
def test_a_response_shows_problems_of_its_own_status(name: str, response: dict[str, Any]) -> None:
    shown = response["content"]["application/problem+json"]["examples"]
    statuses = {each["value"]["status"] for each in shown.values()}
    promised = {
        int(status)
        for operation in operations()
        for status, each in operation["responses"].items()
        if each == {"$ref": f"#/components/responses/{name}"}
    }

    assert statuses == promised
