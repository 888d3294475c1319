"""What every request passes before a route sees it, and what every answer carries."""

import re
from http import HTTPMethod
from typing import cast

from apiflask import APIFlask
from flask import Response, request
from flask_cors import CORS
from werkzeug.exceptions import (
    BadRequest,
    RequestEntityTooLarge,
    TooManyRequests,
    UnsupportedMediaType,
)
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from butaca.core.models import MAX_ID
from butaca.web.auth import authenticate, authorize
from butaca.web.context import WebOptions, contract, current_route, current_user, services
from butaca.web.outputs import FieldError
from butaca.web.problems import Unacceptable

API = "/api/v1"
MAX_BODY = 16 * 1024
"""Bytes. The largest body that any route has a use for is a few dozen."""

EXPOSED = (
    "Age",
    "Allow",
    "Cache-Status",
    "ETag",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
_READS = {HTTPMethod.GET, HTTPMethod.HEAD}
_WITH_BODY = {HTTPMethod.POST, HTTPMethod.PUT, HTTPMethod.PATCH}

# Source: OWASP REST Security Cheat Sheet, "Security Headers".
_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def register(app: APIFlask, options: WebOptions) -> None:
    """Protect an app: its API needs a token; everything has its limits and headers."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1  # So that what is too large can be seen to be.
    app.before_request(_guard)
    app.after_request(_secure)
    CORS(
        app,
        origins=list(options.cors_origins),
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-Id"],
        expose_headers=list(EXPOSED),
        max_age=600,
        send_wildcard="*" in options.cors_origins,
        always_send=False,
        vary_header=True,
    )
    hops = options.trusted_proxies
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _guard() -> None:
    """Let through what may come in, in the order in which a caller should learn of it."""
    if request.method == HTTPMethod.OPTIONS or not request.path.startswith(f"{API}/"):
        return
    authenticate()
    _limit_rate()
    if request.routing_exception is None:
        authorize(current_route())
        _read_ids()
        _refuse_undeclared_query()
        _refuse_other_than_json()
        _refuse_odd_size()


def _limit_rate() -> None:
    kind = "read" if request.method in _READS else "write"
    if seconds := services().rate_limiter.seconds_to_wait(f"user:{current_user().id}", kind):
        raise TooManyRequests(retry_after=seconds)


def _read_ids() -> None:
    """Turn the IDs in the path into numbers. Raises Unacceptable."""
    ids = request.view_args or {}
    for name, text in ids.items():
        if not re.fullmatch("[0-9]{1,10}", text, re.ASCII) or int(text) > MAX_ID:
            message = f"An ID is a whole number from 0 to {MAX_ID}."
            raise Unacceptable([FieldError(location="path", field=name, message=message)])
        ids[name] = int(text)


def _refuse_undeclared_query() -> None:
    """Refuse what the contract does not name: a typo must not silently do nothing."""
    declared = contract().query_of(cast("Rule", request.url_rule), request.method)
    mistakes = [
        FieldError(location="query", field=name, message=message)
        for name, values in request.args.lists()
        for message, is_wrong in (
            ("No such parameter.", name not in declared),
            ("Give it once.", len(values) > 1),
        )
        if is_wrong
    ]
    if mistakes:
        raise Unacceptable(mistakes)


def _refuse_other_than_json() -> None:
    if request.method in _WITH_BODY and not request.is_json:
        raise UnsupportedMediaType


def _refuse_odd_size() -> None:
    """Refuse a body that is too large, or of which not all came: its client left."""
    if request.method not in _WITH_BODY:
        return
    # Werkzeug refuses a length that is too large; without a length (chunked) it cuts the body off.
    size = len(request.get_data())
    if size > MAX_BODY:
        raise RequestEntityTooLarge
    if size < (request.content_length or 0):
        raise BadRequest


def _secure(response: Response) -> Response:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
