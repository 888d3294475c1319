"""The request and response headers in the contract."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
REQUEST_ID_PATTERN = "[A-Za-z0-9._-]{1,64}"
"""A regular expression for the request IDs that are accepted from clients."""

EXAMPLE_REQUEST_ID = "9f2d1c0e5b7a4c3d8e6f7a8b9c0d1e2f"


@dataclass(frozen=True, slots=True)
class Header:
    """The description of a header, an example, and the schema of its value."""

    description: str
    example: str | int
    schema: dict[str, Any]

    def to_openapi(self, *, is_required: bool) -> Spec:
        """Return the OpenAPI header object."""
        return {
            "description": self.description,
            "required": is_required,
            "schema": self.schema,
            "example": self.example,
        }


_TEXT: dict[str, Any] = {"type": "string"}
_SECONDS: dict[str, Any] = {"type": "integer", "minimum": 0}
_ETAG = '"b9f0c53d1ad1f0d8a3d14f4fb9e0e0a5"'

RESPONSE_HEADERS = {
    "Age": Header("Seconds since the data was fetched from TMDB (RFC 9111).", 12, _SECONDS),
    "Cache-Control": Header(
        "How long the response may be cached (RFC 9111). `max-age` counts from when the data was "
        "fetched, so subtract `Age` from it.",
        "private, max-age=30",
        _TEXT,
    ),
    "Cache-Status": Header(
        "Whether the response came from the cache, and why (RFC 9211). `fwd=stale` and "
        "`detail=cooldown` mean that TMDB has failed. `detail=updating` and `detail=busy` mean "
        "that a cached response was returned instead of waiting for a newer one.",
        "butaca; hit; ttl=18",
        _TEXT,
    ),
    "Content-Disposition": Header(
        "The suggested file name for the download (RFC 6266).",
        'attachment; filename="butaca-export-2026-05-01.json"',
        _TEXT,
    ),
    "Content-Language": Header(
        "The languages of the movie texts in the response (RFC 9110). Omitted if there are no "
        "movies in it.",
        "es-ES, en-US",
        _TEXT,
    ),
    "ETag": Header(
        "Identifies this version of the response. Send it back in `If-None-Match` (RFC 9110).",
        _ETAG,
        _TEXT,
    ),
    "Link": Header(
        "Links to the first, previous, next and last pages (RFC 8288).",
        '</api/v1/movies/popular?page=1>; rel="first", '
        '</api/v1/movies/popular?page=2>; rel="next", '
        '</api/v1/movies/popular?page=500>; rel="last"',
        _TEXT,
    ),
    "Location": Header(
        "The path of the favorite (RFC 9110).",
        "/api/v1/me/favorites/550",
        {"type": "string", "format": "uri-reference"},
    ),
    "Retry-After": Header(
        "The number of seconds to wait before you retry the request (RFC 9110).", 5, _SECONDS
    ),
    "WWW-Authenticate": Header(
        "How to authenticate and, if a token was sent, why it was not accepted (RFC 6750).",
        'Bearer realm="butaca", error="invalid_token"',
        _TEXT,
    ),
    "X-Request-Id": Header(
        "Identifies the request in the server's log. This is the `X-Request-Id` of the request if "
        "it consists of up to 64 letters, digits, `.`, `_` and `-`; otherwise it is generated.",
        EXAMPLE_REQUEST_ID,
        {"type": "string", "pattern": f"^{REQUEST_ID_PATTERN}$"},
    ),
}
CONTENT_HEADERS = {"Content-Language"}
"""Headers that are omitted from a response without content or with an empty list."""

# Without `X-Request-Id`: Schemathesis takes any parameter that ends in "Id" for the ID of a
# resource.
REQUEST_HEADERS = {
    "If-None-Match": Header(
        "The `ETag` of a response that you already have. If it is still current, the response is "
        "304 without a body (RFC 9110).",
        _ETAG,
        _TEXT,
    ),
}


def response_headers() -> Spec:
    """Return the response headers by name."""
    return {
        name: header.to_openapi(is_required=name not in CONTENT_HEADERS)
        for name, header in RESPONSE_HEADERS.items()
    }


def request_headers() -> Spec:
    """Return the request headers, as parameters, by name."""
    return {name: _parameter(name, header) for name, header in REQUEST_HEADERS.items()}


def _parameter(name: str, header: Header) -> Spec:
    # Swagger UI sends the `example` of a parameter, but not the `examples` of its schema.
    openapi = header.to_openapi(is_required=False)
    schema = {**openapi["schema"], "examples": [openapi.pop("example")]}
    return {"name": name, "in": "header", **openapi, "schema": schema}
