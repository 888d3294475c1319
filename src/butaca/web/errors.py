"""Turns exceptions into problem responses."""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from apiflask import APIFlask, HTTPError
from flask import Response
from pydantic import ValidationError
from pydantic_core import to_json
from werkzeug.exceptions import HTTPException

from butaca.core import errors
from butaca.web import error_messages
from butaca.web.context import current_request, request_id
from butaca.web.outputs import FieldError, Problem
from butaca.web.problems import (
    INTERNAL_ERROR,
    PROBLEM_JSON,
    UNPROCESSABLE,
    InvalidRequest,
    ProblemType,
    type_for_error,
    type_for_status,
)

log = logging.getLogger("butaca.web")

_LOCATIONS: Mapping[str, Literal["query", "body"]] = {"query": "query", "json": "body"}
_CHALLENGE = 'Bearer realm="butaca"'


def register(app: APIFlask) -> None:
    """Register handlers that turn every error of the app into a problem."""
    app.register_error_handler(errors.DomainError, _handle_domain_error)
    app.register_error_handler(InvalidRequest, _handle_invalid_request)
    app.register_error_handler(HTTPError, _handle_validation_error)
    app.register_error_handler(HTTPException, _handle_http_exception)
    app.register_error_handler(Exception, _handle_unexpected_error)


def _handle_domain_error(error: errors.DomainError) -> Response:
    return problem_response(type_for_error(type(error)), str(error), _headers(error))


def _headers(error: errors.DomainError) -> dict[str, str]:
    match error:
        case errors.TokenRejected() if not _has_bearer_token():
            return {"WWW-Authenticate": _CHALLENGE}
        case errors.TokenRejected():
            return {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'}
        case errors.PermissionDenied():
            return {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope"'}
        case (
            errors.CatalogueUnavailable(retry_after=seconds)
            | errors.CatalogueTimedOut(retry_after=seconds)
            | errors.LibraryUnavailable(retry_after=seconds)
        ):
            return {"Retry-After": str(seconds)}
        case _:
            return {}


def _has_bearer_token() -> bool:
    """Return whether the request has a token. Without one, `error` is omitted (RFC 6750, 3.1)."""
    authorization = current_request().authorization
    return authorization is not None and authorization.type == "bearer"


def _handle_invalid_request(error: InvalidRequest) -> Response:
    return problem_response(UNPROCESSABLE, str(error), field_errors=error.field_errors)


def _handle_validation_error(error: HTTPError) -> Response:
    """Convert APIFlask's error to a problem with our messages."""
    (location,) = error.detail
    cause = cast("ValidationError", error.__cause__)
    return _handle_invalid_request(
        InvalidRequest(error_messages.field_errors(_LOCATIONS[location], cause))
    )


def _handle_http_exception(error: HTTPException) -> Response:
    problem_type = type_for_status(error.code or INTERNAL_ERROR.status)
    # Keep its headers, such as Allow and Retry-After, but not its description, which may quote
    # the request.
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return problem_response(problem_type, problem_type.detail, headers)


def _handle_unexpected_error(error: Exception) -> Response:
    log.error("request.failed", exc_info=error)
    return problem_response(INTERNAL_ERROR, INTERNAL_ERROR.detail)


def problem_response(
    problem_type: ProblemType,
    detail: str,
    headers: Mapping[str, str] | None = None,
    field_errors: Sequence[FieldError] = (),
    extra: Mapping[str, object] | None = None,
) -> Response:
    """Return a problem response. `extra` adds members that the contract omits (RFC 9457, 3.2)."""
    body = Problem(
        type=problem_type.type,
        title=problem_type.title,
        status=problem_type.status,
        detail=detail,
        code=problem_type.code,
        instance=current_request().path,
        request_id=request_id(),
        **({"errors": list(field_errors)} if field_errors else {}),
    )
    content = {**body.model_dump(mode="json", exclude_unset=True), **(extra or {})}
    response = Response(to_json(content), problem_type.status, headers)
    response.content_type = PROBLEM_JSON
    response.headers["Cache-Control"] = "no-store"
    return response
