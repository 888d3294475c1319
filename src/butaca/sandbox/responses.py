"""HTTP responses, and TMDB's error responses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json; charset=utf-8"
HTML = "text/html"

# Error code -> HTTP status and message, from https://developer.themoviedb.org/docs/errors
ERRORS: Mapping[int, tuple[int, str]] = {
    7: (401, "Invalid API key: You must be granted a valid key."),
    9: (503, "Service offline: This service is temporarily offline, try again later."),
    11: (500, "Internal error: Something went wrong, contact TMDB."),
    20: (422, "Invalid date range: Should be a range no longer than 14 days."),
    22: (
        400,
        "Invalid page: Pages start at 1 and max at 500. They are expected to be an integer.",
    ),
    23: (400, "Invalid date: Format needs to be YYYY-MM-DD."),
    24: (504, "Your request to the backend server timed out. Try again."),
    25: (429, "Your request count is over the allowed limit."),
    34: (404, "The resource you requested could not be found."),
    43: (502, "Couldn't connect to the backend server."),
    46: (503, "The API is undergoing maintenance. Try again later."),
}


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response before it is serialized."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class TmdbError(Exception):
    """TMDB would return an error with this code."""

    def __init__(self, code: int) -> None:
        """Store the code, which determines the status and the message."""
        super().__init__(code)
        self.code = code


def json_response(content: Any, status: int = 200) -> Response:
    """Return the content as compact JSON in UTF-8, as TMDB sends it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(status, text.encode())


def error_response(code: int) -> Response:
    """Return TMDB's error response for a code."""
    status, message = ERRORS[code]
    return json_response({"success": False, "status_code": code, "status_message": message}, status)


def gateway_page(status: int, title: str) -> Response:
    """Return the HTML error page of a gateway that cannot reach its backend."""
    html = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {title}</h1></center>\r\n<hr><center>openresty</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Response(status, html.encode(), HTML)
