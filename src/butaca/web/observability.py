"""What operators see of each request: its IDs, a log line and metrics."""

import logging
import re
import time
from collections.abc import Callable
from functools import cache
from http import HTTPMethod
from typing import TYPE_CHECKING, NamedTuple, cast

from flask import Flask, Response
from prometheus_client import CollectorRegistry, Counter, Histogram

from butaca import trace
from butaca.core.models import Source
from butaca.web.context import (
    RequestState,
    clear_current_request,
    current_request,
    request_state,
    set_current_request,
)
from butaca.web.headers import SANE_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("butaca.access")

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""In seconds. A cache hit takes less than the first, and no request more than the last but one."""

_METHODS = {str(method): str(method) for method in HTTPMethod}
_VISIT = "butaca.observed"
_SANE_ID = re.compile(SANE_ID, re.ASCII)


class RequestLabels(NamedTuple):
    """The labels of a request, which have few values: method, route template and status."""

    method: str
    route: str
    status: int


class Metrics:
    """The metrics of requests, with labels that have few values.

    The metric of each kind of request is looked up once and cached.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        seconds = Histogram(
            "butaca_request_duration_seconds",
            "Duration of requests, in seconds.",
            RequestLabels._fields,
            buckets=BUCKETS,
            registry=registry,
        )
        catalogue = Counter(
            "butaca_catalogue_answers",
            "Responses of the movie catalogue, by the source that served them.",
            ("source",),
            registry=registry,
        )
        self._observe: Callable[[RequestLabels], Callable[[float], None]] = cache(
            lambda kind: seconds.labels(*kind).observe
        )
        self._sources = {source: catalogue.labels(source.value) for source in Source}

    def count(self, kind: RequestLabels, seconds: float, source: Source | None) -> None:
        """Count a completed request."""
        self._observe(kind)(seconds)
        if source:
            self._sources[source].inc()


class Observer:
    """Identifies, logs and counts requests, for the app and for the express lane."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._metrics = Metrics(registry)

    def begin(self, environ: "WSGIEnvironment") -> RequestState:
        """Return the record of a request. It is created by the first call."""
        if known := environ.get(_VISIT):
            return cast("RequestState", known)
        started = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _SANE_ID.fullmatch(given) else None
        named = trace.begin(request_id, environ.get("HTTP_TRACEPARENT", ""))
        environ[_VISIT] = visit = RequestState(named.request_id, started)
        return visit

    def end(self, kind: RequestLabels, known: RequestState) -> None:
        """Count and log a completed request."""
        seconds = time.perf_counter() - known.started
        source = known.freshness.source if known.freshness else None
        self._metrics.count(kind, seconds, source)
        _log(kind, seconds, known, source)


def register(app: Flask, observer: Observer) -> None:
    """Register the observer for every request of an app."""

    @app.before_request
    def name_request() -> None:
        set_current_request(app, observer.begin)

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        clear_current_request()

    @app.after_request
    def tell(response: Response) -> Response:
        known = request_state()
        response.headers.add("X-Request-Id", known.request_id)
        observer.end(RequestLabels(_method(), _route(), response.status_code), known)
        return response


def _route() -> str:
    """Return the route template. The path itself could contain anything, in endless variety."""
    rule = current_request().url_rule
    return rule.rule if rule else "unmatched"


def _method() -> str:
    """Return a known method, or `other` for a method that a client made up."""
    return _METHODS.get(current_request().method, "other")


def _log(kind: RequestLabels, seconds: float, known: RequestState, source: Source | None) -> None:
    if log.isEnabledFor(logging.INFO):
        said = {
            "method": kind.method,
            "route": kind.route,
            "status": kind.status,
            "milliseconds": round(seconds * 1000, 1),
            "user_id": known.user.id if known.user else None,
            "cache": source.value if source else None,
        }
        log.handle(_record(said))


def _record(said: dict[str, object]) -> logging.LogRecord:
    """Return the record that `log.info` would create, at a sixth of the cost."""
    record = logging.LogRecord.__new__(logging.LogRecord)
    now = time.time()
    record.__dict__ = {**_ANY_LINE, **said, "created": now, "msecs": now % 1 * 1000}
    return record


_ANY_LINE = vars(
    logging.LogRecord(log.name, logging.INFO, __file__, 0, "request.answered", None, None)
)
