"""The examples in the contract. The tests compare each one with a response of the service."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from butaca.core.errors import StarsOutOfRange
from butaca.web.headers import EXAMPLE_REQUEST_ID
from butaca.web.outputs import FieldError, Problem
from butaca.web.problems import UNPROCESSABLE, ProblemType

_FIELD_ERROR = FieldError(location="body", field="stars", message=StarsOutOfRange.message)
_POPULAR = "/api/v1/movies/popular"
_PATHS = {
    "movie-not-found": "/api/v1/movies/0",
    "favorite-not-found": "/api/v1/me/favorites/13",
    "rating-not-found": "/api/v1/me/ratings/13",
    "user-not-found": "/api/v1/users/3/favorites",
    "forbidden": "/api/v1/users/1/favorites",
    "library-unavailable": "/api/v1/me/favorites",
    "library-busy": "/api/v1/me/favorites",
    "bad-request": "/api/v1/me/favorites",
    "content-too-large": "/api/v1/me/favorites",
    "unsupported-media-type": "/api/v1/me/favorites",
    "unprocessable-content": "/api/v1/me/ratings/550",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and the response of a service that runs against the TMDB sandbox."""

    name: str
    operation: str
    request: str
    """The method and the request target."""

    status: int
    request_body: Any
    """The JSON body of the request, or `None` if it had none."""

    media_type: str
    response_body: Any


@cache
def recorded() -> tuple[Exchange, ...]:
    """Return the exchanges that `make contract` has recorded."""
    text = resources.files("butaca.web").joinpath("examples.json").read_text(encoding="utf-8")
    return tuple(Exchange(**each) for each in json.loads(text))


def responses_of(operation: str, status: int) -> Iterator[Exchange]:
    """Yield the recorded exchanges of an operation with a status."""
    return (each for each in recorded() if (each.operation, each.status) == (operation, status))


def request_bodies_of(operation: str) -> dict[str, Any]:
    """Return the examples of an operation's request body."""
    found: dict[str, Any] = {}
    for exchange in recorded():
        is_known = exchange.request_body in (example["value"] for example in found.values())
        if exchange.operation == operation and exchange.request_body is not None and not is_known:
            found[exchange.name] = {"summary": exchange.request, "value": exchange.request_body}
    return found


def problem(problem_type: ProblemType) -> dict[str, Any]:
    """Return an example of a type of problem."""
    body = Problem(
        type=problem_type.type,
        title=problem_type.title,
        status=problem_type.status,
        detail=problem_type.detail,
        code=problem_type.code,
        instance=_PATHS.get(problem_type.code, _POPULAR),
        request_id=EXAMPLE_REQUEST_ID,
        **({"errors": [_FIELD_ERROR]} if problem_type is UNPROCESSABLE else {}),
    )
    return body.model_dump(exclude_unset=True)
