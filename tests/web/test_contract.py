"""The contract is accurate, complete, and identical to the file in the repository."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import negative_data_rejection

from butaca.core import models
from butaca.web import WebOptions, create_web, describe, outputs, problems
from butaca.web.protection import EXPOSED_HEADERS
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN, NOON, make_details, make_movie
from tests.conftest import FakeBackend
from tests.web.helpers import add_sample_data

SPEC = describe().spec
SCHEMAS = SPEC["components"]["schemas"]
REPOSITORY = Path(__file__).parents[2]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in SPEC["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def nested_in(part: Any) -> Iterator[Any]:
    """Yield a part of the contract and everything nested in it."""
    yield part
    for child in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from nested_in(child)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part, or the component that it refers to."""
    found: Any = SPEC if "$ref" in part else part
    for step in part.get("$ref", "#").split("/")[1:]:
        found = found[step]
    return dict(found)


def test_contract_file_in_the_repository_is_current() -> None:
    stored = (REPOSITORY / "openapi.yaml").read_text(encoding="utf-8")

    assert stored == describe().as_yaml, "run: make contract"


def test_contract_is_valid_openapi_3_1() -> None:
    assert SPEC["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(SPEC).validate()


def test_contract_is_the_same_each_time_it_is_generated() -> None:
    generate = describe.__wrapped__  # `describe` caches the contract.

    assert generate().as_json == generate().as_json


def test_every_reference_can_be_resolved() -> None:
    references = [
        part["$ref"] for part in nested_in(SPEC) if isinstance(part, dict) and "$ref" in part
    ]

    assert references
    for reference in references:
        found: Any = SPEC
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


@pytest.mark.parametrize("kind", ["schemas", "responses", "headers", "parameters", "links"])
def test_every_component_is_referenced(kind: str) -> None:
    text = json.dumps(SPEC)

    unused = {
        name for name in SPEC["components"][kind] if f'"#/components/{kind}/{name}"' not in text
    }
    assert unused == set()


def test_operation_ids_are_unique_and_in_camel_case() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(names) == len(set(names)) == 17
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in names)


def test_every_operation_has_a_summary_and_a_description() -> None:
    for path, method, operation in operations():
        assert operation["summary"], f"{method} {path}"
        assert operation["description"], f"{method} {path}"
        assert set(operation["tags"]) <= {tag["name"] for tag in SPEC["tags"]}


def test_every_operation_requires_a_bearer_token() -> None:
    (scheme,) = SPEC["components"]["securitySchemes"].items()
    assert scheme[0] == "bearer"
    assert scheme[1].items() >= {"type": "http", "scheme": "bearer"}.items()
    for path, method, operation in operations():
        assert path.startswith("/api/v1/")
        assert operation["security"] == [{"bearer": []}], f"{method} {path}"
        assert "401" in operation["responses"]


def test_every_operation_documents_500() -> None:
    assert all("500" in operation["responses"] for _, _, operation in operations())


def test_operations_with_304_accept_if_none_match() -> None:
    conditional = {"$ref": "#/components/parameters/If-None-Match"}

    for path, method, operation in operations():
        has_304 = "304" in operation["responses"]
        assert has_304 == (conditional in operation["parameters"]), f"{method} {path}"


def test_every_documented_header_is_exposed_to_other_origins() -> None:
    safelisted = {"Cache-Control"}  # Source: Fetch, "CORS-safelisted response-header name".

    assert SPEC["components"]["headers"].keys() - safelisted <= set(EXPOSED_HEADERS)


def test_link_parameters_exist_in_the_target_operation() -> None:
    parameters = {
        operation["operationId"]: {resolved(each)["name"] for each in operation["parameters"]}
        for _, _, operation in operations()
    }

    for link in SPEC["components"]["links"].values():
        assert link["parameters"].keys() <= parameters[link["operationId"]]


def test_contract_lists_every_problem_code() -> None:
    code = SCHEMAS["Problem"]["properties"]["code"]

    assert set(code["enum"]) == {problem_type.code for problem_type in problems.ALL}


def test_schema_properties_have_no_default() -> None:
    for name, schema in SCHEMAS.items():
        assert all("default" not in each for each in schema.get("properties", {}).values()), name


def test_schema_properties_have_no_title() -> None:
    for schema in SCHEMAS.values():
        assert all("title" not in each for each in schema.get("properties", {}).values())


def test_only_admin_operations_document_403() -> None:
    paths = {path for path, _, operation in operations() if "403" in operation["responses"]}

    assert paths == {"/api/v1/users/{user_id}/favorites"}


def test_every_error_response_is_a_problem() -> None:
    for response in SPEC["components"]["responses"].values():
        (content,) = response["content"].items()
        assert content[0] == "application/problem+json"
        assert content[1]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert "Cache-Control" in response["headers"]
    for path, method, operation in operations():
        errors = {
            status: each for status, each in operation["responses"].items() if status >= "400"
        }
        assert all(
            each["$ref"].startswith("#/components/responses/") for each in errors.values()
        ), f"{method} {path}"


def test_every_response_has_the_request_id_header() -> None:
    successes = [
        response
        for _, _, operation in operations()
        for response in operation["responses"].values()
        if "$ref" not in response
    ]
    for response in [*successes, *SPEC["components"]["responses"].values()]:
        assert "X-Request-Id" in response["headers"]


def test_only_content_language_is_an_optional_header() -> None:
    optional = {
        name for name, each in SPEC["components"]["headers"].items() if not each["required"]
    }
    assert optional == {"Content-Language"}


def test_request_bodies_are_required_and_have_error_responses() -> None:
    for path, method, operation in operations():
        assert ("requestBody" in operation) == (method in {"post", "put", "patch"}), path
        if "requestBody" in operation:
            assert operation["requestBody"]["required"] is True
            assert {"400", "413", "415"} <= operation["responses"].keys()


def test_path_ids_have_the_limits_of_the_database() -> None:
    ids = [
        parameter["schema"]
        for _, _, operation in operations()
        for parameter in map(resolved, operation["parameters"])
        if parameter["in"] == "path"
    ]

    assert len(ids) == 9
    assert all(
        limits == {"type": "integer", "minimum": 0, "maximum": models.MAX_ID} for limits in ids
    )


def test_parameters_are_not_nullable() -> None:
    for _, _, operation in operations():
        for parameter in map(resolved, operation["parameters"]):
            assert "anyOf" not in parameter["schema"]
            assert parameter["schema"].get("default", "") is not None


@pytest.mark.parametrize("name", ["NewFavorite", "RatingInput"])
def test_request_body_allows_only_required_properties(name: str) -> None:
    assert SCHEMAS[name]["additionalProperties"] is False
    assert SCHEMAS[name]["required"] == list(SCHEMAS[name]["properties"])


def test_stars_in_request_bodies_have_the_limits_of_the_core() -> None:
    stars = SCHEMAS["RatingInput"]["properties"]["stars"]

    assert (
        stars.items()
        >= {
            "type": "number",
            "minimum": 0,
            "maximum": 5,
            "multipleOf": 0.5,
        }.items()
    )


ADDED = {"poster_url", "backdrop_url", "me"}
SENT_AS_HEADER = {"language"}


@pytest.mark.parametrize(
    ("entity", "differences"),
    [
        (models.Movie, ADDED),
        (models.MovieDetails, ADDED),
        (models.Genre, set()),
        (models.Collection, set()),
        (models.Company, set()),
        (models.Country, set()),
        (models.SpokenLanguage, set()),
        (models.Favorite, SENT_AS_HEADER),
        (models.Rating, SENT_AS_HEADER),
        (models.Mark, set()),
    ],
)
def test_schema_has_the_fields_of_the_core_model(entity: type[Any], differences: set[str]) -> None:
    fields = {field.name for field in dataclasses.fields(entity)}

    assert SCHEMAS[entity.__name__]["properties"].keys() == fields ^ differences


@pytest.mark.parametrize("name", ["Movie", "MovieDetails"])
def test_every_movie_field_is_required_except_me(name: str) -> None:
    assert set(SCHEMAS[name]["properties"]) - set(SCHEMAS[name]["required"]) == {"me"}


def is_nullable(schema: dict[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", [])


def test_optional_fields_are_nullable() -> None:
    nullable = {
        name: {
            field for field, schema in SCHEMAS[name]["properties"].items() if is_nullable(schema)
        }
        for name in ("Movie", "MovieDetails", "Favorite", "Rating")
    }

    images = {"poster_path", "poster_url", "backdrop_path", "backdrop_url"}
    assert nullable == {
        "Movie": {"overview", "release_date", *images},
        "MovieDetails": {
            "overview",
            "tagline",
            "release_date",
            "runtime",
            "status",
            "homepage",
            "imdb_id",
            "belongs_to_collection",
            *images,
        },
        "Favorite": {"rating"},
        "Rating": {"corrected_at"},
    }


@pytest.mark.parametrize(
    ("schema", "entity"),
    [
        (outputs.Movie, make_movie(release_date=date(1999, 10, 15))),
        (outputs.MovieDetails, make_details()),
        (outputs.Rating, models.Rating(make_details(), models.Stars(9), NOON)),
    ],
)
def test_serialized_entity_has_every_field(
    schema: type[outputs.ResponseModel], entity: object
) -> None:
    serialized = schema.of(entity).model_dump(exclude_unset=True)

    assert serialized.keys() == SCHEMAS[schema.__name__]["properties"].keys() - {"me"}


BACKEND = FakeBackend()
APP = create_web(BACKEND.services(), WebOptions())


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """Reset the backend before each request, so that no request sees the writes of another."""
    BACKEND.store.favorited.clear()
    BACKEND.store.rated.clear()
    add_sample_data(BACKEND)
    return APP(environ, start_response)


API = schemathesis.openapi.from_wsgi("/openapi.json", application)


def has_undeclared_empty_list(case: schemathesis.Case[Any]) -> bool:
    """Return whether an undeclared query parameter is an empty list, which is not sent.

    Schemathesis 4.32.5 expects such a request to be rejected, although its URL is valid.
    """
    declared = {parameter.name for parameter in case.operation.query}
    return any(case.query[name] == [] for name in case.query.keys() - declared)


@pytest.mark.parametrize("token", [CONSUMER_TOKEN, ADMIN_TOKEN], ids=["consumer", "admin"])
@API.parametrize()
@settings(max_examples=20, derandomize=True, database=None)
def test_responses_conform_to_the_contract(case: schemathesis.Case[Any], token: str) -> None:
    plain = {"Accept-Encoding": "identity"}  # Schemathesis does not decompress over WSGI.
    excluded = [negative_data_rejection] if has_undeclared_empty_list(case) else []
    case.call_and_validate(
        headers={"Authorization": f"Bearer {token}", **plain}, excluded_checks=excluded
    )
