"""Routes for operators: the liveness and readiness probes, and the metrics."""

import time
from collections.abc import Callable
from http import HTTPStatus

from apiflask import APIBlueprint
from flask import Response, jsonify
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from butaca.core.errors import LibraryUnavailable
from butaca.draining import is_draining
from butaca.web.context import current_request, services
from butaca.web.errors import problem_response
from butaca.web.problems import ProblemType, type_for_error

SHUTTING_DOWN = ProblemType(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "shutting-down",
    "Shutting down",
    "This pod is shutting down. It only completes the requests that it has already accepted.",
)

Json = dict[str, str]


class Readiness:
    """Decides whether this pod should receive traffic. Only the database is checked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_reachable_at: float | None = None

    def check(self) -> Response:
        """Return 200 or 503, with the state of the database."""
        if is_draining(current_request().environ):
            return problem_response(SHUTTING_DOWN, SHUTTING_DOWN.detail)
        try:
            services().check_database()
        except LibraryUnavailable as error:
            return self._database_unavailable(error)
        self._last_reachable_at = self._clock()
        return jsonify(status="ok", database="ok")

    def _database_unavailable(self, error: LibraryUnavailable) -> Response:
        since = self._last_reachable_at
        seconds = None if since is None else round(self._clock() - since, 1)
        return problem_response(
            type_for_error(type(error)),
            str(error),
            {"Retry-After": str(error.retry_after)},
            extra={"database": "unreachable", "seconds_without_database": seconds},
        )


def make_blueprint(registry: CollectorRegistry, readiness: Readiness | None = None) -> APIBlueprint:
    """Return the routes for operators, which are not part of the API contract."""
    bp = APIBlueprint("health", __name__, enable_openapi=False)
    readiness = readiness or Readiness()

    @bp.get("/livez")
    def livez() -> Json:
        """Report that the process is alive, without checking any dependency."""
        return {"status": "ok"}

    @bp.get("/readyz")
    def readyz() -> Response:
        """Report whether the database is reachable. TMDB and Redis do not affect readiness."""
        return readiness.check()

    @bp.get("/metrics")
    def metrics() -> Response:
        """Return the metrics for Prometheus."""
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return bp
