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
from butaca.web import wording
from butaca.web.context import current_request, request_id
from butaca.web.outputs import FieldError, Problem
from butaca.web.problems import (
    BROKEN,
    PROBLEM_JSON,
    UNPROCESSABLE,
    ProblemType,
    Unacceptable,
    of_refusal,
    of_status,
)

log = logging.getLogger("butaca.web")

_LOCATIONS: Mapping[str, Literal["query", "body"]] = {"query": "query", "json": "body"}
_CHALLENGE = 'Bearer realm="butaca"'


def register(app: APIFlask) -> None:
    """Register handlers that turn every error of the app into a problem."""
    app.register_error_handler(errors.Refusal, _refused)
    app.register_error_handler(Unacceptable, _unacceptable)
    app.register_error_handler(HTTPError, _invalid)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _broken)


def _refused(refusal: errors.Refusal) -> Response:
    return problem(of_refusal(type(refusal)), str(refusal), _headers(refusal))


def _headers(refusal: errors.Refusal) -> dict[str, str]:
    match refusal:
        case errors.TokenRejected() if not _carries_bearer():
            return {"WWW-Authenticate": _CHALLENGE}
        case errors.TokenRejected():
            return {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'}
        case errors.RoleMissing():
            return {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope"'}
        case (
            errors.CatalogueUnavailable(retry_after=seconds)
            | errors.CatalogueTimedOut(retry_after=seconds)
            | errors.LibraryUnavailable(retry_after=seconds)
        ):
            return {"Retry-After": str(seconds)}
        case _:
            return {}


def _carries_bearer() -> bool:
    """Return whether the request has a token. Without one, no error is named (RFC 6750, 3.1)."""
    sent = current_request().authorization
    return sent is not None and sent.type == "bearer"


def _unacceptable(error: Unacceptable) -> Response:
    return problem(UNPROCESSABLE, str(error), mistakes=error.mistakes)


def _invalid(error: HTTPError) -> Response:
    """Return what APIFlask rejected, in our words, as a problem."""
    (location,) = error.detail
    cause = cast("ValidationError", error.__cause__)
    return _unacceptable(Unacceptable(wording.field_errors(_LOCATIONS[location], cause)))


def _http(error: HTTPException) -> Response:
    kind = of_status(error.code or BROKEN.status)
    # Keep its headers, such as Allow and Retry-After, but not its description, which may quote
    # the request.
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return problem(kind, kind.detail, headers)


def _broken(error: Exception) -> Response:
    log.error("request.broke", exc_info=error)
    return problem(BROKEN, BROKEN.detail)


def problem(
    kind: ProblemType,
    detail: str,
    headers: Mapping[str, str] | None = None,
    mistakes: Sequence[FieldError] = (),
    saw: Mapping[str, object] | None = None,
) -> Response:
    """Return a problem response. `saw` adds members that the contract omits (RFC 9457, 3.2)."""
    body = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail,
        code=kind.code,
        instance=current_request().path,
        request_id=request_id(),
        **({"errors": list(mistakes)} if mistakes else {}),
    )
    told = {**body.model_dump(mode="json", exclude_unset=True), **(saw or {})}
    response = Response(to_json(told), kind.status, headers)
    response.content_type = PROBLEM_JSON
    response.headers["Cache-Control"] = "no-store"
    return response
