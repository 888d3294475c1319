"""A test client that validates every response against the contract."""

import gzip
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from apiflask import APIFlask
from backports import zstd
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

from butaca.web import describe

PROBLEM = "application/problem+json"
DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": zstd.decompress,
}


class ContractClient(FlaskClient):
    """A Flask test client that fails the test if the contract does not allow the response."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        kwargs["buffered"] = True  # Closes the files of the response.
        response = super().open(*args, **kwargs)
        check(self.application, response)  # type: ignore[arg-type]
        return response


def check(app: APIFlask, response: TestResponse) -> None:
    """Check that the contract allows a response. Raises AssertionError."""
    status, method = str(response.status_code), response.request.method
    if response.status_code >= 400:
        _check_problem(response)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", response.headers["X-Request-Id"])
    operation = _operation(app, response.request.path, method)
    if operation is None or response.status_code == 405:
        return
    assert status in operation["responses"], (
        f"{method} returned {status}, which is not in the contract"
    )
    assert status != "500", "the contract includes it, but no request may fail like this"
    contract = _resolve(operation["responses"][status])
    for name, reference in contract.get("headers", {}).items():
        header = _resolve(reference)
        assert name in response.headers or not header["required"], f"{status} lacks {name}"
        if name in response.headers:
            value = response.headers[name]
            _validate(header["schema"], int(value) if _is_number(header) else value)
    content = contract.get("content", {})
    if method != "HEAD" and content:
        assert response.mimetype in content
        schema = content[response.mimetype]["schema"]
        body = decompressed(response)
        _validate(schema, body.decode() if schema.get("type") == "string" else json.loads(body))


def decompressed(response: TestResponse) -> bytes:
    """Return the body of a response without its content coding."""
    coding = response.headers.get("Content-Encoding")
    return DECOMPRESS[coding](response.data) if coding else response.data


def _is_number(header: dict[str, Any]) -> bool:
    return bool(header["schema"]["type"] == "integer")


def _check_problem(response: TestResponse) -> None:
    assert response.content_type == PROBLEM
    if response.request.method == "HEAD":
        assert response.data == b""
        return
    body = json.loads(decompressed(response))
    _validate({"$ref": "#/components/schemas/Problem"}, body)
    assert body["status"] == response.status_code


@cache
def spec() -> dict[str, Any]:
    return describe().spec


def _operation(app: APIFlask, path: str, method: str) -> dict[str, Any] | None:
    """Return the operation at a path, or `None` if the contract has none."""
    for template, operations in spec()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        literal = template == path
        if literal or (re.fullmatch(pattern, path) and path not in spec()["paths"]):
            found: dict[str, Any] | None = operations.get(
                {"HEAD": "get"}.get(method, method.lower())
            )
            return found
    return None


def _resolve(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = spec()
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


@cache
def _registry() -> Registry[Any]:
    found: Registry[Any] = Registry().with_resource(
        "urn:contract", Resource.from_contents(spec(), default_specification=DRAFT202012)
    )
    return found


def _validate(schema: dict[str, Any], body: Any) -> None:
    reference = {"$ref": f"urn:contract{schema['$ref']}"} if "$ref" in schema else schema
    Draft202012Validator(
        reference, registry=_registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(body)
