"""The API contract: an OpenAPI 3.1 document, generated from the routes and their schemas."""

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

from butaca.web.headers import Spec
from butaca.web.openapi_completion import complete, operations

_DESCRIPTION = """\
Browse the movies of TheMovieDB (TMDB), and keep your own favorites and star ratings, which stay \
readable while TMDB is down.

Every error is returned as a `Problem` (RFC 9457). Programs should act on its `code`. Query \
parameters and body fields that this document does not name are rejected with 422. Each user has \
separate rate limits for reads and for writes, by default per minute. Requests beyond them are \
rejected with 429 and a `Retry-After` header.

This product uses the TMDB API but is not endorsed or certified by TMDB."""

_TAGS = {
    "Movies": "Browse and search TMDB's movies. Available to every user.",
    "Me": "Your own profile, favorites and ratings.",
    "Administration": "List and delete the favorites of any user. Requires the `ADMIN` role.",
}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token that the operator of this service issued to you (RFC 6750).",
}


class _Dumper(yaml.SafeDumper):
    """Writes repeated values in full, because YAML anchors are hard to read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - pyyaml's
        return True


@dataclass(frozen=True)
class Contract:
    """The OpenAPI document, and the parts of it that the app looks up."""

    spec: Spec

    @cached_property
    def as_json(self) -> str:
        """The contract as JSON."""
        return json.dumps(self.spec)

    @cached_property
    def as_yaml(self) -> str:
        """The contract as YAML, for people and for diffs."""
        return yaml.dump(self.spec, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)

    @cached_property
    def _query_parameters(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The names of the query parameters of each path and method."""
        return {
            (path, method): frozenset(_query_names(operation))
            for path, method, operation in operations(self.spec)
        }

    def query_parameters(self, rule: Rule, method: str) -> frozenset[str]:
        """Return the names of the query parameters that a route accepts."""
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        documented = HTTPMethod.GET if method == HTTPMethod.HEAD else method
        return self._query_parameters[path, documented.lower()]


def configure(app: APIFlask) -> None:
    """Configure the parts of the contract that are not derived from the routes."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        SERVERS=[{"url": "/", "description": "The server that served this document."}],
        INFO={
            "description": _DESCRIPTION,
            "contact": {"name": "The operator of this service"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        SECURITY_SCHEMES={"bearer": _BEARER},
        TAGS=[{"name": name, "description": description} for name, description in _TAGS.items()],
        AUTO_200_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    app.spec_processor(cast("Any", complete))


def contract_of(app: APIFlask) -> Contract:
    """Generate the contract of an app, once all its routes are registered."""
    return Contract(cast("Spec", app.spec))


def _query_names(operation: Spec) -> Iterator[str]:
    return (each["name"] for each in operation["parameters"] if each.get("in") == "query")
