"""What operators see of a request: its name, one line in the log, its place in the metrics."""

import logging
import re
import time
from http import HTTPMethod
from uuid import uuid4

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from structlog.contextvars import bind_contextvars, clear_contextvars

from butaca.web.context import (
    find_current_user,
    find_freshness,
    request_id,
    set_request_id,
    set_started,
    started,
)

log = logging.getLogger("butaca.access")
_METHODS = frozenset(HTTPMethod)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Metrics:
    """What is counted of requests, by labels of which there are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "butaca_request_duration_seconds",
            "How long requests took.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.catalogue = Counter(
            "butaca_catalogue_answers",
            "How answers of the catalogue were come by.",
            ("source",),
            registry=registry,
        )

    def count(self, status: int, seconds: float) -> None:
        """Count the request that is being answered."""
        self.seconds.labels(_method(), _route(), status).observe(seconds)
        if freshness := find_freshness():
            self.catalogue.labels(freshness.source.value).inc()


def register(app: Flask, registry: CollectorRegistry) -> None:
    """Name, log and count every request of an app."""
    metrics = Metrics(registry)

    @app.before_request
    def name_request() -> None:
        set_started(time.perf_counter())
        given = request.headers.get("X-Request-Id", "")
        set_request_id(given if _SANE_ID.fullmatch(given) else uuid4().hex)
        clear_contextvars()
        bind_contextvars(request_id=request_id())

    @app.after_request
    def tell(response: Response) -> Response:
        seconds = time.perf_counter() - started()
        response.headers["X-Request-Id"] = request_id()
        metrics.count(response.status_code, seconds)
        _log(response.status_code, seconds)
        return response


def _route() -> str:
    """Return the template, not the path: a path may hold anything, and there is no end of them."""
    return request.url_rule.rule if request.url_rule else "unmatched"


def _method() -> str:
    """Return the method, out of few: a client may make one up."""
    return request.method if request.method in _METHODS else "other"


def _log(status: int, seconds: float) -> None:
    user, freshness = find_current_user(), find_freshness()
    log.info(
        "request.answered",
        extra={
            "method": request.method,
            "route": _route(),
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "user_id": user and user.id,
            "cache": freshness and freshness.source.value,
        },
    )
