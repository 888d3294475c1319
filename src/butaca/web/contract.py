"""The contract: OpenAPI 3.1, generated from the routes and their schemas."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPMethod
from typing import Any, TypeVar, cast

import yaml
from apiflask import APIBlueprint, APIFlask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from butaca.core.models import MAX_ID
from butaca.web import inputs, outputs

Spec = dict[str, Any]
Route = TypeVar("Route", bound=Callable[..., Any])

_DESCRIPTION = """\
TheMovieDB's popular movies, and your own favorites and star ratings, which stay readable while
TheMovieDB is down. This product uses the TMDB API but is not endorsed or certified by TMDB."""

_GOOD = {
    200: "As asked.",
    201: "Made anew.",
    204: "Gone.",
    304: "What you have is still good.",
}
# Their names are those of RFC 9110, which Python's `http` module learned in the course of time.
_BAD = {
    400: ("BadRequest", "The body is not JSON."),
    401: ("Unauthorized", "No token, or one that is unknown, expired or revoked."),
    403: ("Forbidden", "The token is good, and the role is not."),
    404: ("NotFound", "No such thing."),
    413: ("ContentTooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body is not declared as JSON."),
    422: ("UnprocessableContent", "Understood, and not acceptable."),
    429: ("TooManyRequests", "Too many requests."),
    502: ("BadGateway", "TMDB answered nonsense or refused our key, and nothing is kept."),
    503: ("ServiceUnavailable", "TMDB or our database is away, and nothing is kept."),
    504: ("GatewayTimeout", "TMDB did not answer within the deadline, and nothing is kept."),
}
_HEADERS = {
    "Age": "Seconds since TMDB said so (RFC 9111).",
    "Cache-Control": "How long this may be kept (RFC 9111).",
    "Cache-Status": "Whether this came from the cache, and why (RFC 9211).",
    "ETag": "To be sent back as `If-None-Match` (RFC 9110).",
    "Link": "The first, previous, next and last page (RFC 8288).",
    "Location": "Where what was made can be found (RFC 9110).",
    "Retry-After": "Seconds after which to try again (RFC 9110).",
    "WWW-Authenticate": "How to authenticate (RFC 6750).",
    "X-Request-Id": "What to look for in the log.",
}
_HEADERS_OF = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
    504: ("Retry-After",),
}
PROBLEM_JSON = "application/problem+json"
CATALOGUE = (502, 503, 504)
"""The problems of whatever stands on TMDB."""

CACHED = ("Age", "Cache-Control", "Cache-Status", "ETag")
OWN = ("Cache-Control", "ETag")
BODY = (400, 413, 415)
"""The problems of whatever takes a body."""


class Routes(APIBlueprint):
    """A blueprint whose routes say what they answer."""

    def answers(
        self,
        schema: type[BaseModel] | None,
        *statuses: int,
        headers: Collection[str] = (),
        problems: Collection[int] = (),
    ) -> Callable[[Route], Route]:
        """Put into the contract what a route answers, and with which problems."""
        good = {status: _good(schema, status, headers) for status in statuses or (200,)}
        if "ETag" in headers:
            good[304] = _response(_GOOD[304], headers)
        bad: dict[int, Spec] = {status: {} for status in {401, 422, 429, 503, *problems}}

        def decorate(route: Route) -> Route:
            words = route.__name__.split("_")
            name = words[0] + "".join(word.capitalize() for word in words[1:])
            responses = cast("Any", {**good, **bad})
            return self.doc(operation_id=name, tags=[str(self.tag)], responses=responses)(route)

        return decorate


@dataclass(frozen=True)
class Contract:
    """What clients may rely on."""

    spec: Spec

    @cached_property
    def as_json(self) -> str:
        """The contract as JSON."""
        return json.dumps(self.spec)

    @cached_property
    def as_yaml(self) -> str:
        """The contract as YAML, fit for reading and for diffs."""
        return yaml.safe_dump(self.spec, sort_keys=False, allow_unicode=True, width=100)

    @cached_property
    def query(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The query parameters of every path and method."""
        return {
            (path, method): frozenset(_names(operation, "query"))
            for path, method, operation in _operations(self.spec)
        }

    def query_of(self, rule: Rule, method: str) -> frozenset[str]:
        """Return the query parameters that a route knows."""
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        known = HTTPMethod.GET if method == HTTPMethod.HEAD else method
        return self.query[path, known.lower()]


def configure(app: APIFlask) -> None:
    """Say what the contract cannot learn from the routes."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        SERVERS=[{"url": "/", "description": "Wherever this was loaded from."}],
        INFO={"description": _DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        SECURITY_SCHEMES={"bearer": {"type": "http", "scheme": "bearer"}},
        TAGS=["Movies", "Me", "Administration"],
        AUTO_200_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    app.spec_processor(cast("Any", _finish))


def contract_of(app: APIFlask) -> Contract:
    """Generate the contract of an app that has all its routes."""
    return Contract(cast("Spec", app.spec))


def _good(schema: type[BaseModel] | None, status: int, headers: Collection[str]) -> Spec:
    response = _response(_GOOD[status], headers)
    if schema is None:
        return response
    return {**response, **_body("application/json", schema.__name__)}


def _problem(status: int, meaning: str) -> Spec:
    response = _response(meaning, _HEADERS_OF.get(status, ()))
    return {**response, **_body(PROBLEM_JSON, "Problem")}


def _response(meaning: str, headers: Collection[str]) -> Spec:
    described = {name: _ref("headers", name) for name in (*headers, "X-Request-Id")}
    return {"description": meaning, "headers": described}


def _body(media_type: str, schema: str) -> Spec:
    return {"content": {media_type: {"schema": _ref("schemas", schema)}}}


def _ref(kind: str, name: str) -> Spec:
    return {"$ref": f"#/components/{kind}/{name}"}


def _finish(spec: Spec) -> Spec:
    """Mend what APIFlask leaves loose: whose names the schemas bear, IDs, nulls in queries."""
    spec["components"] |= {
        "schemas": _schemas(),
        "responses": {name: _problem(status, meaning) for status, (name, meaning) in _BAD.items()},
        "headers": {
            name: {"description": meaning, "required": True, "schema": {"type": "string"}}
            for name, meaning in _HEADERS.items()
        },
    }
    for _, _, operation in _operations(spec):
        operation["security"] = [{"bearer": []}]
        operation["parameters"] = [_parameter(each) for each in operation["parameters"]]
        operation["responses"] = {
            status: _ref("responses", _BAD[int(status)][0]) if int(status) in _BAD else response
            for status, response in sorted(operation["responses"].items())
        }
        if "requestBody" in operation:
            operation["requestBody"]["required"] = True
    return {"openapi": spec.pop("openapi"), **spec}


def _schemas() -> Spec:
    """Return the schemas under their own names, each as it is on its side of the wire."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in _leaves(outputs.Answer)),
        *((model, "validation") for model in _leaves(inputs.Body)),
    ]
    _, defined = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    return dict(sorted(defined["$defs"].items()))


def _leaves(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield what is really sent: families, of which others are made, are no shapes of their own."""
    families = base.__subclasses__()
    for model in families:
        yield from _leaves(model)
    if not families:
        yield base


def _operations(spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _names(operation: Spec, location: str) -> Iterator[str]:
    return (each["name"] for each in operation["parameters"] if each["in"] == location)


def _parameter(parameter: Spec) -> Spec:
    if parameter["in"] == "path":
        limits = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
        return {**parameter, "required": True, "schema": limits}
    schema = dict(parameter["schema"])
    if "anyOf" in schema:  # A query says nothing by leaving a name out, not by null.
        schema.update(schema.pop("anyOf")[0])
        schema.pop("default")
    schema.pop("title", None)
    return {**parameter, "schema": schema}
