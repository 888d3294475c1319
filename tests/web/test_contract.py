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
from butaca.web.protection import EXPOSED
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN, NOON, make_details, make_movie
from tests.conftest import World
from tests.web.helpers import add_sample_data

SPEC = describe().spec
SCHEMAS = SPEC["components"]["schemas"]
REPOSITORY = Path(__file__).parents[2]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in SPEC["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def inside(part: Any) -> Iterator[Any]:
    """Yield everything inside a part of the contract."""
    yield part
    for below in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from inside(below)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part, or what it refers to."""
    found: Any = SPEC if "$ref" in part else part
    for step in part.get("$ref", "#").split("/")[1:]:
        found = found[step]
    return dict(found)


def test_the_contract_in_the_repository_is_the_one_that_is_served() -> None:
    kept = (REPOSITORY / "openapi.yaml").read_text(encoding="utf-8")

    assert kept == describe().as_yaml, "run: make contract"


def test_the_contract_is_openapi_3_1() -> None:
    assert SPEC["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(SPEC).validate()


def test_the_contract_is_the_same_every_time() -> None:
    assert describe().as_json == describe().as_json


def test_every_reference_leads_somewhere() -> None:
    references = [
        part["$ref"] for part in inside(SPEC) if isinstance(part, dict) and "$ref" in part
    ]

    assert references
    for reference in references:
        found: Any = SPEC
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


@pytest.mark.parametrize("kind", ["schemas", "responses", "headers", "parameters", "links"])
def test_nothing_is_described_that_nobody_refers_to(kind: str) -> None:
    text = json.dumps(SPEC)

    unused = {
        name for name in SPEC["components"][kind] if f'"#/components/{kind}/{name}"' not in text
    }
    assert unused == set()


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(names) == len(set(names)) == 17
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in names)


def test_every_operation_says_what_it_does() -> None:
    for path, method, operation in operations():
        assert operation["summary"], f"{method} {path}"
        assert operation["description"], f"{method} {path}"
        assert set(operation["tags"]) <= {tag["name"] for tag in SPEC["tags"]}


def test_every_operation_of_the_api_needs_a_token() -> None:
    (scheme,) = SPEC["components"]["securitySchemes"].items()
    assert scheme[0] == "bearer"
    assert scheme[1].items() >= {"type": "http", "scheme": "bearer"}.items()
    for path, method, operation in operations():
        assert path.startswith("/api/v1/")
        assert operation["security"] == [{"bearer": []}], f"{method} {path}"
        assert "401" in operation["responses"]


def test_every_operation_says_that_it_may_break() -> None:
    assert all("500" in operation["responses"] for _, _, operation in operations())


def test_whatever_can_be_unchanged_takes_what_tells_so() -> None:
    conditional = {"$ref": "#/components/parameters/If-None-Match"}

    for path, method, operation in operations():
        can_be = "304" in operation["responses"]
        assert can_be == (conditional in operation["parameters"]), f"{method} {path}"


def test_pages_of_other_origins_may_read_every_header_of_the_contract() -> None:
    safelisted = {"Cache-Control"}  # Source: Fetch, "CORS-safelisted response-header name".

    assert SPEC["components"]["headers"].keys() - safelisted <= set(EXPOSED)


def test_a_link_leads_to_an_operation_that_takes_what_it_hands_on() -> None:
    taking = {
        operation["operationId"]: {resolved(each)["name"] for each in operation["parameters"]}
        for _, _, operation in operations()
    }

    for link in SPEC["components"]["links"].values():
        assert link["parameters"].keys() <= taking[link["operationId"]]


def test_the_contract_names_every_code_of_a_problem() -> None:
    code = SCHEMAS["Problem"]["properties"]["code"]

    assert set(code["enum"]) == {kind.code for kind in problems.ALL}


def test_what_may_be_left_out_of_an_answer_has_no_default() -> None:
    for name, schema in SCHEMAS.items():
        assert all("default" not in each for each in schema.get("properties", {}).values()), name


def test_no_name_bears_a_title_of_its_own() -> None:
    for schema in SCHEMAS.values():
        assert all("title" not in each for each in schema.get("properties", {}).values())


def test_only_administration_can_be_forbidden() -> None:
    forbidding = {path for path, _, operation in operations() if "403" in operation["responses"]}

    assert forbidding == {"/api/v1/users/{user_id}/favorites"}


def test_every_error_is_a_problem() -> None:
    for response in SPEC["components"]["responses"].values():
        (content,) = response["content"].items()
        assert content[0] == "application/problem+json"
        assert content[1]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert "Cache-Control" in response["headers"]
    for path, method, operation in operations():
        bad = {status: each for status, each in operation["responses"].items() if status >= "400"}
        assert all(each["$ref"].startswith("#/components/responses/") for each in bad.values()), (
            f"{method} {path}"
        )


def test_every_answer_bears_the_request_id() -> None:
    good = [
        response
        for _, _, operation in operations()
        for response in operation["responses"].values()
        if "$ref" not in response
    ]
    for response in [*good, *SPEC["components"]["responses"].values()]:
        assert "X-Request-Id" in response["headers"]


def test_every_header_that_is_described_is_always_there() -> None:
    optional = {
        name for name, each in SPEC["components"]["headers"].items() if not each["required"]
    }
    assert optional == {"Content-Language"}


def test_whatever_has_a_body_requires_it_and_says_how_it_can_be_wrong() -> None:
    for path, method, operation in operations():
        assert ("requestBody" in operation) == (method in {"post", "put", "patch"}), path
        if "requestBody" in operation:
            assert operation["requestBody"]["required"] is True
            assert {"400", "413", "415"} <= operation["responses"].keys()


def test_ids_in_paths_have_the_limits_of_our_stores() -> None:
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


def test_no_parameter_can_be_null() -> None:
    for _, _, operation in operations():
        for parameter in map(resolved, operation["parameters"]):
            assert "anyOf" not in parameter["schema"]
            assert parameter["schema"].get("default", "") is not None


@pytest.mark.parametrize("name", ["NewFavorite", "StarsGiven"])
def test_a_body_names_all_that_it_may_have(name: str) -> None:
    assert SCHEMAS[name]["additionalProperties"] is False
    assert SCHEMAS[name]["required"] == list(SCHEMAS[name]["properties"])


def test_the_stars_that_go_in_have_the_limits_of_the_core() -> None:
    stars = SCHEMAS["StarsGiven"]["properties"]["stars"]

    assert (
        stars.items()
        >= {
            "type": "number",
            "minimum": 0,
            "maximum": 5,
            "multipleOf": 0.5,
        }.items()
    )


OURS = {"poster_url", "backdrop_url", "me"}
IN_A_HEADER = {"language"}


@pytest.mark.parametrize(
    ("entity", "ours"),
    [
        (models.Movie, OURS),
        (models.MovieDetails, OURS),
        (models.Genre, set()),
        (models.Collection, set()),
        (models.Company, set()),
        (models.Country, set()),
        (models.SpokenLanguage, set()),
        (models.Favorite, IN_A_HEADER),
        (models.Rating, IN_A_HEADER),
        (models.Mark, set()),
    ],
)
def test_nothing_that_the_core_knows_is_lost(entity: type[Any], ours: set[str]) -> None:
    known = {field.name for field in dataclasses.fields(entity)}

    assert SCHEMAS[entity.__name__]["properties"].keys() == known ^ ours


@pytest.mark.parametrize("name", ["Movie", "MovieDetails"])
def test_a_movie_has_all_its_fields_always_but_the_marks(name: str) -> None:
    assert set(SCHEMAS[name]["properties"]) - set(SCHEMAS[name]["required"]) == {"me"}


def can_be_null(schema: dict[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", [])


def test_what_tmdb_may_leave_out_can_be_null() -> None:
    nullable = {
        name: {
            field for field, schema in SCHEMAS[name]["properties"].items() if can_be_null(schema)
        }
        for name in ("Movie", "MovieDetails", "Favorite", "Rating")
    }

    pictures = {"poster_path", "poster_url", "backdrop_path", "backdrop_url"}
    assert nullable == {
        "Movie": {"overview", "release_date", *pictures},
        "MovieDetails": {
            "overview",
            "tagline",
            "release_date",
            "runtime",
            "status",
            "homepage",
            "imdb_id",
            "belongs_to_collection",
            *pictures,
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
def test_an_entity_is_answered_with_every_field(
    schema: type[outputs.ResponseModel], entity: object
) -> None:
    shown = schema.of(entity).model_dump(exclude_unset=True)

    assert shown.keys() == SCHEMAS[schema.__name__]["properties"].keys() - {"me"}


WORLD = World()
APP = create_web(WORLD.services(), WebOptions())


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """Answer each request in a world that is furnished render: what one wrote, no other sees."""
    WORLD.store.kept.clear()
    WORLD.store.rated.clear()
    add_sample_data(WORLD)
    return APP(environ, start_response)


API = schemathesis.openapi.from_wsgi("/openapi.json", application)


def has_a_mistake_that_is_not_sent(case: schemathesis.Case[Any]) -> bool:
    """Return whether a query has an undeclared parameter that leaves nothing in the URL.

    Schemathesis 4.32.5 takes the request for a wrong one, although an empty list has no values that
    could be sent.
    """
    declared = {parameter.name for parameter in case.operation.query}
    return any(case.query[name] == [] for name in case.query.keys() - declared)


@pytest.mark.parametrize("token", [CONSUMER_TOKEN, ADMIN_TOKEN], ids=["consumer", "admin"])
@API.parametrize()
@settings(max_examples=20, derandomize=True, database=None)
def test_no_request_finds_the_contract_untrue(case: schemathesis.Case[Any], token: str) -> None:
    plain = {"Accept-Encoding": "identity"}  # Over WSGI it unpacks nothing.
    unfit = [negative_data_rejection] if has_a_mistake_that_is_not_sent(case) else []
    case.call_and_validate(
        headers={"Authorization": f"Bearer {token}", **plain}, excluded_checks=unfit
    )
