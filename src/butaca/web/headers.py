"""The headers of the contract, those of answers and those of requests."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
SANE_ID = "[A-Za-z0-9._-]{1,64}"
"""The names of requests that are taken over, as a regular expression."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says, in which form, and such a one."""

    meaning: str
    example: str | int
    form: dict[str, Any]

    def described(self, *, is_required: bool) -> Spec:
        """Return it as OpenAPI describes it, short of its name."""
        return {
            "description": self.meaning,
            "required": is_required,
            "schema": self.form,
            "example": self.example,
        }


_TEXT: dict[str, Any] = {"type": "string"}
_SECONDS: dict[str, Any] = {"type": "integer", "minimum": 0}
_ETAG = '"b9f0c53d1ad1f0d8a3d14f4fb9e0e0a5"'
_REQUEST_ID = "9f2d1c0e5b7a4c3d8e6f7a8b9c0d1e2f"

ANSWERED = {
    "Age": Header("Seconds since TMDB said so (RFC 9111).", 12, _SECONDS),
    "Cache-Control": Header(
        "How long this may be kept; `max-age` counts from the birth of the answer, so take `Age` "
        "off (RFC 9111).",
        "private, max-age=30",
        _TEXT,
    ),
    "Cache-Status": Header(
        "Whether this came from the cache, and why (RFC 9211). TMDB has failed where it says "
        "`fwd=stale` or `detail=cooldown`; `detail=updating` and `detail=busy` mean that something "
        "newer was not worth waiting for.",
        "butaca; hit; ttl=18",
        _TEXT,
    ),
    "Content-Disposition": Header(
        "The name of a file to save this as (RFC 6266).",
        'attachment; filename="butaca-export-2026-05-01.json"',
        _TEXT,
    ),
    "Content-Language": Header(
        "Which languages the texts of the movies are in (RFC 9110).", "es-ES, en-US", _TEXT
    ),
    "ETag": Header("To be sent back as `If-None-Match` (RFC 9110).", _ETAG, _TEXT),
    "Link": Header(
        "The first, previous, next and last page (RFC 8288).",
        '</api/v1/movies/popular?page=1>; rel="first", '
        '</api/v1/movies/popular?page=2>; rel="next", '
        '</api/v1/movies/popular?page=500>; rel="last"',
        _TEXT,
    ),
    "Location": Header(
        "Where what was made can be found (RFC 9110).",
        "/api/v1/me/favorites/550",
        {"type": "string", "format": "uri-reference"},
    ),
    "Retry-After": Header("Seconds after which to try again (RFC 9110).", 5, _SECONDS),
    "WWW-Authenticate": Header(
        "How to authenticate (RFC 6750).", 'Bearer realm="butaca", error="invalid_token"', _TEXT
    ),
    "X-Request-Id": Header(
        "What to look for in the log: the `X-Request-Id` that was sent, if it is up to 64 letters, "
        "digits, `.`, `_` and `-`, else a new one.",
        _REQUEST_ID,
        {"type": "string", "pattern": f"^{SANE_ID}$"},
    ),
}
OF_CONTENT = {"Content-Language"}
"""Headers that an answer without content, or with an empty list, does without."""

# `X-Request-Id` is not among them: Schemathesis takes whatever ends in "Id" for some resource's.
SENT = {
    "If-None-Match": Header(
        "The `ETag` of what you have: while it is still good, the answer is 304, without a body "
        "(RFC 9110).",
        _ETAG,
        _TEXT,
    ),
}


def answered() -> Spec:
    """Return the headers of answers, by their names."""
    return {
        name: header.described(is_required=name not in OF_CONTENT)
        for name, header in ANSWERED.items()
    }


def sent() -> Spec:
    """Return the headers of requests, by their names."""
    return {
        name: {"name": name, "in": "header", **header.described(is_required=False)}
        for name, header in SENT.items()
    }
