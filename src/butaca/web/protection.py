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
from butaca.web.error_messages import REPEATED_PARAMETER, UNKNOWN_PARAMETER, integer_range
from butaca.web.inputs import MAX_BODY_SIZE
from butaca.web.outputs import FieldError
from butaca.web.problems import InvalidRequest
from butaca.web.response_builders import UntypedResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

API_PREFIX = "/api/v1"
EXPOSED_HEADERS = (
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
_SECONDS_TO_WAIT = "butaca.seconds_to_wait"
_READ_METHODS = {HTTPMethod.GET, HTTPMethod.HEAD}
_BODY_METHODS = {HTTPMethod.POST, HTTPMethod.PUT, HTTPMethod.PATCH}

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
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_SIZE + 1
    app.before_request(_accept_preflight)
    app.before_request(_guard)
    if options.cors_origins:
        _enable_cors(app, options)
    hops = options.trusted_proxies
    wrapped = _with_security_headers(app.wsgi_app)
    app.wsgi_app = ProxyFix(wrapped, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _enable_cors(app: APIFlask, options: WebOptions) -> None:
    """Let pages of the allowed origins read every response, including errors."""
    allows_any_origin = "*" in options.cors_origins
    if not allows_any_origin:
        app.after_request(_vary_by_origin)
    CORS(
        app,
        origins=list(options.cors_origins),
        supports_credentials=options.cors_credentials,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-Id"],
        expose_headers=list(EXPOSED_HEADERS),
        max_age=600,
        send_wildcard=allows_any_origin,
        always_send=False,
        # Flask-CORS would add `Vary` only for allowed origins, and only if there are several.
        vary_header=False,
    )


def _accept_preflight() -> Response | None:
    """Accept preflight requests for unknown paths, so that pages can read the 404 response."""
    request = current_request()
    if request.method != HTTPMethod.OPTIONS or request.routing_exception is None:
        return None
    return UntypedResponse() if "Access-Control-Request-Method" in request.headers else None


def _vary_by_origin(response: Response) -> Response:
    vary(response, "Origin")
    return response


def _guard() -> None:
    """Check a request to the API, in the order in which failures should be reported."""
    request = current_request()
    if request.method == HTTPMethod.OPTIONS or not request.path.startswith(f"{API_PREFIX}/"):
        return
    admission.acquire_slot(request.environ)
    authenticate()
    _check_rate_limit(request)
    if request.routing_exception is None:
        authorize(current_route())
        _parse_path_ids(request)
        _check_query_names(request)
        _check_content_type(request)
        _check_body_size(request)


def _check_rate_limit(request: Request) -> None:
    if seconds := seconds_to_wait(services().rate_limiter, current_user(), request.environ):
        raise TooManyRequests(retry_after=seconds)


def seconds_to_wait(limiter: RateLimiter, user: User, environ: "WSGIEnvironment") -> int:
    """Count a user's request, once per request. Return 0, or the number of seconds to wait."""
    if (seconds := environ.get(_SECONDS_TO_WAIT)) is None:
        kind = "read" if environ["REQUEST_METHOD"] in _READ_METHODS else "write"
        seconds = environ[_SECONDS_TO_WAIT] = limiter.seconds_to_wait(f"user:{user.id}", kind)
    return int(seconds)


def _parse_path_ids(request: Request) -> None:
    """Convert the IDs in the path to integers. Raises InvalidRequest."""
    ids = request.view_args or {}
    for name, value in ids.items():
        if not re.fullmatch("[0-9]{1,10}", value) or int(value) > MAX_ID:
            message = integer_range(0, MAX_ID)
            raise InvalidRequest([FieldError(location="path", field=name, message=message)])
        ids[name] = int(value)


def _check_query_names(request: Request) -> None:
    """Reject unknown and repeated query parameters. A typo must not be ignored silently."""
    if not request.query_string:
        return
    declared = contract().query_parameters(cast("Rule", request.url_rule), request.method)
    errors = [
        FieldError(location="query", field=name, message=message)
        for name, values in request.args.lists()
        for message, is_wrong in (
            (UNKNOWN_PARAMETER, name not in declared),
            (REPEATED_PARAMETER, len(values) > 1),
        )
        if is_wrong
    ]
    if errors:
        raise InvalidRequest(errors)


def _check_content_type(request: Request) -> None:
    if request.method in _BODY_METHODS and not request.is_json:
        raise UnsupportedMediaType


def _check_body_size(request: Request) -> None:
    """Reject a body that is too large, or incomplete because the client disconnected."""
    if request.method not in _BODY_METHODS:
        return
    # Werkzeug rejects a Content-Length that is too large, but truncates a chunked body.
    with admission.without_slot(request.environ, current_user().id):
        size = len(request.get_data())
    if size > MAX_BODY_SIZE:
        raise RequestEntityTooLarge
    if size < (request.content_length or 0):
        raise BadRequest


def _with_security_headers(app: "WSGIApplication") -> "WSGIApplication":
    """Wrap an app so that each of its responses has the security headers.

    They are appended to the list that goes to the server. Setting them on Flask's response takes
    10 µs longer.
    """

    def middleware(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            # The documentation page sets its own policy, which is the first of these headers.
            has_policy = any(name == "Content-Security-Policy" for name, _ in headers)
            added = _SECURITY_HEADERS[1:] if has_policy else _SECURITY_HEADERS
            return start_response(status, [*headers, *added], *error)

        return app(environ, start)

    return middleware
