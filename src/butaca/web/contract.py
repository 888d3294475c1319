"""The contract: OpenAPI 3.1, generated from the routes and their schemas."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPMethod
from typing import Any, cast

import yaml
from apiflask import APIFlask
from werkzeug.routing import Rule

from butaca.web.finishing import finish, operations
from butaca.web.headers import Spec

_DESCRIPTION = """\
TheMovieDB's popular movies, and your own favorites and star ratings, which stay readable while \
TheMovieDB is down.

Whatever cannot be met is answered with a `Problem` (RFC 9457), whose `code` is for programs. What \
is not named here, be it a query parameter or a field of a body, is refused with 422. Each user \
has so many reads and so many writes a minute; past them it is 429, with `Retry-After`.

This product uses the TMDB API but is not endorsed or certified by TMDB."""

_TAGS = {
    "Movies": "TheMovieDB's movies, for everybody who has a token.",
    "Me": "What I keep, and how I rated it: my own, and nobody else's.",
    "Administration": "The favorites of anybody, for ADMINs.",
}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token that whoever runs this service gave you (RFC 6750).",
}


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
            for path, method, operation in operations(self.spec)
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
        INFO={
            "description": _DESCRIPTION,
            "contact": {"name": "Whoever runs this service"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        SECURITY_SCHEMES={"bearer": _BEARER},
        TAGS=[{"name": name, "description": meaning} for name, meaning in _TAGS.items()],
        AUTO_200_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    app.spec_processor(cast("Any", finish))


def contract_of(app: APIFlask) -> Contract:
    """Generate the contract of an app that has all its routes."""
    return Contract(cast("Spec", app.spec))


def _names(operation: Spec, location: str) -> Iterator[str]:
    return (each["name"] for each in operation["parameters"] if each.get("in") == location)
