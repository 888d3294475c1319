"""Checks that run before every route, and headers that every response has."""

import re
from collections.abc import Iterable
from http import HTTPMethod
from typing import TYPE_CHECKING, Any, cast

from apiflask import APIFlask
from flask import Request, Response
from flask_cors import CORS
from werkzeug.exceptions import (
    BadRequest,
    RequestEntityTooLarge,
    TooManyRequests,
    UnsupportedMediaType,
)
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from butaca import admission
from butaca.core.models import MAX_ID, User
from butaca.web.auth import authenticate, authorize
from butaca.web.compression import vary
from butaca.web.context import (
    RateLimiter,
    WebOptions,
    contract,
    current_request,
    current_route,
    current_user,
    services,
)
from butaca.web.inputs import MAX_BODY
from butaca.web.outputs import FieldError
from butaca.web.problems import Unacceptable
from butaca.web.response_builders import UntypedResponse
from butaca.web.wording import REPEATED_PARAMETER, UNKNOWN_PARAMETER, integer_range

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

API = "/api/v1"
EXPOSED = (
    "Age",
    "Allow",
    "Cache-Status",
    "Content-Disposition",
    "Content-Language",
    "ETag",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
_WAIT = "butaca.seconds_to_wait"
_READS = {HTTPMethod.GET, HTTPMethod.HEAD}
_WITH_BODY = {HTTPMethod.POST, HTTPMethod.PUT, HTTPMethod.PATCH}

# Source: OWASP REST Security Cheat Sheet, "Security Headers".
_SECURITY_HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)


def register(app: APIFlask, options: WebOptions) -> None:
    """Add authentication, limits, CORS and security headers to an app."""
    # One byte more than allowed, so that a body that is too large can be detected.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1
    app.before_request(_welcome_preflight)
    app.before_request(_guard)
    if options.cors_origins:
        _share(app, options)
    hops = options.trusted_proxies
    secured = _secured(app.wsgi_app)
    app.wsgi_app = ProxyFix(secured, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _share(app: APIFlask, options: WebOptions) -> None:
    """Let browsers expose every response, including errors, to pages of the allowed origins."""
    is_for_all = "*" in options.cors_origins
    if not is_for_all:
        app.after_request(_vary_by_origin)
    CORS(
        app,
        origins=list(options.cors_origins),
        supports_credentials=options.cors_credentials,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-Id"],
        expose_headers=list(EXPOSED),
        max_age=600,
        send_wildcard=is_for_all,
        always_send=False,
        # Flask-CORS would add `Vary` only for allowed origins, and only if there are several.
        vary_header=False,
    )


def _welcome_preflight() -> Response | None:
    """Accept preflight requests for unknown paths, so that pages can read the 404 response."""
    asked = current_request()
    if asked.method != HTTPMethod.OPTIONS or asked.routing_exception is None:
        return None
    return UntypedResponse() if "Access-Control-Request-Method" in asked.headers else None


def _vary_by_origin(response: Response) -> Response:
    vary(response, "Origin")
    return response


def _guard() -> None:
    """Check a request of the API, in the order in which callers should learn of failures."""
    asked = current_request()
    if asked.method == HTTPMethod.OPTIONS or not asked.path.startswith(f"{API}/"):
        return
    admission.enter(asked.environ)
    authenticate()
    _limit_rate(asked)
    if asked.routing_exception is None:
        authorize(current_route())
        _read_ids(asked)
        _refuse_undeclared_query(asked)
        _refuse_other_than_json(asked)
        _refuse_odd_size(asked)


def _limit_rate(asked: Request) -> None:
    if seconds := seconds_to_wait(services().rate_limiter, current_user(), asked.environ):
        raise TooManyRequests(retry_after=seconds)


def seconds_to_wait(limiter: RateLimiter, user: User, environ: "WSGIEnvironment") -> int:
    """Count a user's request, once per request. Return 0, or the number of seconds to wait."""
    if (seconds := environ.get(_WAIT)) is None:
        kind = "read" if environ["REQUEST_METHOD"] in _READS else "write"
        seconds = environ[_WAIT] = limiter.seconds_to_wait(f"user:{user.id}", kind)
    return int(seconds)


def _read_ids(asked: Request) -> None:
    """Convert the IDs in the path to integers. Raises Unacceptable."""
    ids = asked.view_args or {}
    for name, text in ids.items():
        if not re.fullmatch("[0-9]{1,10}", text, re.ASCII) or int(text) > MAX_ID:
            message = integer_range(0, MAX_ID)
            raise Unacceptable([FieldError(location="path", field=name, message=message)])
        ids[name] = int(text)


def _refuse_undeclared_query(asked: Request) -> None:
    """Reject undeclared and repeated query parameters. A typo must not be ignored silently."""
    if not asked.query_string:
        return
    declared = contract().query_of(cast("Rule", asked.url_rule), asked.method)
    mistakes = [
        FieldError(location="query", field=name, message=message)
        for name, values in asked.args.lists()
        for message, is_wrong in (
            (UNKNOWN_PARAMETER, name not in declared),
            (REPEATED_PARAMETER, len(values) > 1),
        )
        if is_wrong
    ]
    if mistakes:
        raise Unacceptable(mistakes)


def _refuse_other_than_json(asked: Request) -> None:
    if asked.method in _WITH_BODY and not asked.is_json:
        raise UnsupportedMediaType


def _refuse_odd_size(asked: Request) -> None:
    """Reject a body that is too large, or incomplete because the client disconnected."""
    if asked.method not in _WITH_BODY:
        return
    # Werkzeug rejects a Content-Length that is too large, but truncates a chunked body.
    with admission.aside(asked.environ, current_user().id):
        size = len(asked.get_data())
    if size > MAX_BODY:
        raise RequestEntityTooLarge
    if size < (asked.content_length or 0):
        raise BadRequest


def _secured(app: "WSGIApplication") -> "WSGIApplication":
    """Wrap an app so that each of its responses has the security headers.

    They are appended to the list that goes to the server. Setting them on Flask's response takes
    10 µs longer.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            # The documentation page sets its own policy.
            is_lenient = any(name == "Content-Security-Policy" for name, _ in headers)
            return start_response(status, [*headers, *(_SECURITY_HEADERS[is_lenient:])], *error)

        return app(environ, start)

    return answer
