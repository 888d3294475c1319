"""Completes the contract that APIFlask generates: components, examples and limits."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from butaca.core.models import MAX_ID
from butaca.web import examples, headers, inputs, links, outputs, problems, responses
from butaca.web.headers import Spec
from butaca.web.responses import ref

_IDS: Mapping[str, Spec] = {
    "movie_id": {"description": "The TMDB ID of the movie.", "example": 550},
    "user_id": {"description": "The ID of the user.", "example": 2},
}


def complete(spec: Spec) -> Spec:
    """Complete the contract that APIFlask generated."""
    spec["components"] |= {
        "schemas": _schemas(),
        "responses": responses.components(),
        "headers": headers.response_headers(),
        "parameters": headers.request_headers(),
        "links": links.components(),
    }
    for _, _, operation in operations(spec):
        _complete_operation(operation)
    tags = [tag["name"] for tag in spec["tags"]]
    spec["paths"] = dict(sorted(spec["paths"].items(), key=lambda item: _sort_key(item, tags)))
    return {"openapi": spec.pop("openapi"), **spec}


def _sort_key(item: tuple[str, Spec], tags: Sequence[str]) -> tuple[int, str]:
    """Return the sort key of a path: by tag, then a collection before its items."""
    path, operations = item
    operation = next(iter(operations.values()))
    return tags.index(operation["tags"][0]), path


def _complete_operation(operation: Spec) -> None:
    described = operation["responses"]
    request_headers = ("If-None-Match",) if "304" in described else ()
    operation["security"] = [{"bearer": []}]
    operation["parameters"] = [
        *(_parameter(each) for each in operation["parameters"]),
        *(ref("parameters", name) for name in request_headers),
    ]
    operation["responses"] = {
        status: _complete_response(operation["operationId"], int(status), described[status])
        for status in sorted(described)
    }
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        content = operation["requestBody"]["content"]["application/json"]
        content["examples"] = examples.request_bodies_of(operation["operationId"])


def _complete_response(operation: str, status: int, described: Spec) -> Spec:
    """Add examples and links to a response, and remove the empty parts that APIFlask adds."""
    if status >= HTTPStatus.BAD_REQUEST:
        return ref("responses", described["description"])
    content = described.pop("content", {})
    for exchange in examples.responses_of(operation, status):
        examples_by_name = content[exchange.media_type].setdefault("examples", {})
        examples_by_name[exchange.name] = {
            "summary": exchange.request,
            "value": exchange.response_body,
        }
    if content:
        described["content"] = content
        described["links"] = {name: ref("links", name) for name in links.names_for(operation)}
    return {key: value for key, value in described.items() if value}


class _Schemas(GenerateJsonSchema):
    """Generates schemas without the titles that pydantic derives from field names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def _schemas() -> Spec:
    """Return the schemas by name: responses as they are serialized, bodies as validated."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in _leaf_subclasses(outputs.ResponseModel)),
        *((model, "validation") for model in _leaf_subclasses(inputs.Body)),
    ]
    _, defined = models_json_schema(
        models, ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    schemas = dict(sorted(defined["$defs"].items()))
    schemas["Problem"]["properties"]["code"]["enum"] = sorted(
        problem_type.code for problem_type in problems.ALL
    )
    return schemas


def _leaf_subclasses(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the subclasses that have no subclasses: only these models are sent."""
    subclasses = base.__subclasses__()
    for model in subclasses:
        yield from _leaf_subclasses(model)
    if not subclasses:
        yield base


def operations(spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    """Yield every path, method and operation."""
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _parameter(parameter: Spec) -> Spec:
    if parameter["in"] == "path":
        limits = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
        return {**parameter, "required": True, "schema": limits, **_IDS[parameter["name"]]}
    schema = dict(parameter["schema"])
    if "anyOf" in schema:  # A query parameter is omitted, and never null.
        schema.update(schema.pop("anyOf")[0])
        schema.pop("default")
    schema.pop("title", None)
    # Swagger UI shows the description of a parameter, but not that of its schema. It fills in the
    # `example` of a parameter, and without one a required parameter has to be typed first.
    documentation = {"description": schema.pop("description")}
    if parameter["required"]:
        documentation["example"] = schema.pop("examples")[0]
    return {**parameter, **documentation, "schema": schema}
