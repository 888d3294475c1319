"""The faults that change the response itself: its status, its body or its headers."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace

from butaca.sandbox.faults import Fault
from butaca.sandbox.responses import Response, error_response, gateway_page, json_response

REPLACEMENTS: Mapping[str, Response] = {
    "429": error_response(25),
    "500": error_response(11),
    "502": error_response(43),
    "502-html": gateway_page(502, "Bad Gateway"),
    "503": error_response(9),
    "503-maintenance": error_response(46),
    "504": error_response(24),
    "504-html": gateway_page(504, "Gateway Time-out"),
    "401": error_response(7),
    "404": error_response(34),
    "deleted": error_response(34),
    "object": json_response({}),
    "list": json_response([]),
    "null": json_response(None),
}


def _truncate(response: Response) -> Response:
    return replace(response, body=response.body[: len(response.body) // 2])


def _gzip(response: Response) -> Response:
    return replace(response, body=gzip.compress(response.body, mtime=0))


TRANSFORMATIONS: Mapping[str, Callable[[Response], Response]] = {
    "truncated": _truncate,
    "gzip": _gzip,
}


def apply_fault(response: Response, fault: Fault) -> Response:
    """Apply a fault to a response. Faults of the connection leave it unchanged."""
    if fault.kind in TRANSFORMATIONS:
        return TRANSFORMATIONS[fault.kind](response)
    replacement = REPLACEMENTS.get(fault.kind, response)
    if fault.retry_after is None:
        return replacement
    headers = {**replacement.headers, "Retry-After": str(fault.retry_after)}
    return replace(replacement, headers=headers)
