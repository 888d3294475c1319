"""What the contract needs beyond what APIFlask generates: shared parts, examples and limits."""

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


def finish(spec: Spec) -> Spec:
    """Complete the contract that APIFlask generated."""
    spec["components"] |= {
        "schemas": _schemas(),
        "responses": responses.components(),
        "headers": headers.answered(),
        "parameters": headers.sent(),
        "links": links.components(),
    }
    for _, _, operation in operations(spec):
        _finish_operation(operation)
    topics = [tag["name"] for tag in spec["tags"]]
    spec["paths"] = dict(sorted(spec["paths"].items(), key=lambda path: _place(path, topics)))
    return {"openapi": spec.pop("openapi"), **spec}


def _place(path: tuple[str, Spec], topics: Sequence[str]) -> tuple[int, str]:
    """Return where a path belongs in a list: with its topic, the collection before its items."""
    name, operations = path
    operation = next(iter(operations.values()))
    return topics.index(operation["tags"][0]), name


def _finish_operation(operation: Spec) -> None:
    answers = operation["responses"]
    sent = ("If-None-Match",) if "304" in answers else ()
    operation["security"] = [{"bearer": []}]
    operation["parameters"] = [
        *(_parameter(each) for each in operation["parameters"]),
        *(ref("parameters", name) for name in sent),
    ]
    operation["responses"] = {
        status: _answered(operation["operationId"], int(status), answers[status])
        for status in sorted(answers)
    }
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        content = operation["requestBody"]["content"]["application/json"]
        content["examples"] = examples.bodies_of(operation["operationId"])


def _answered(operation: str, status: int, described: Spec) -> Spec:
    """Return a response with its examples and links, without the empty parts APIFlask adds."""
    if status >= HTTPStatus.BAD_REQUEST:
        return ref("responses", described["description"])
    content = described.pop("content", {})
    for each in examples.answers_of(operation, status):
        shown = content[each.media_type].setdefault("examples", {})
        shown[each.name] = {"summary": each.request, "value": each.answer}
    if content:
        described["content"] = content
        described["links"] = {name: ref("links", name) for name in links.names_for(operation)}
    return {key: each for key, each in described.items() if each}


class _Schemas(GenerateJsonSchema):
    """Generates schemas without the titles that pydantic derives from field names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def _schemas() -> Spec:
    """Return the schemas by name: responses as they are serialized, bodies as validated."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in _leaves(outputs.ResponseModel)),
        *((model, "validation") for model in _leaves(inputs.Body)),
    ]
    _, defined = models_json_schema(
        wanted, ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    schemas = dict(sorted(defined["$defs"].items()))
    schemas["Problem"]["properties"]["code"]["enum"] = sorted(kind.code for kind in problems.ALL)
    return schemas


def _leaves(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models that are sent. Base classes of other models are not."""
    families = base.__subclasses__()
    for model in families:
        yield from _leaves(model)
    if not families:
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
    shown = {"description": schema.pop("description")}
    if parameter["required"]:
        shown["example"] = schema.pop("examples")[0]
    return {**parameter, **shown, "schema": schema}
