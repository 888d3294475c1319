"""Routes for operators: the liveness and readiness probes, and the metrics."""

import time
from collections.abc import Callable
from http import HTTPStatus

from apiflask import APIBlueprint
from flask import Response, jsonify
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from butaca.core.errors import LibraryUnavailable
from butaca.web.context import current_request, services
from butaca.web.errors import problem
from butaca.web.problems import ProblemType, of_refusal

ENDING = ProblemType(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "ending",
    "Shutting down",
    "This pod is shutting down. It only completes the requests that it has already accepted.",
)

Answer = dict[str, str]


class Readiness:
    """Decides whether this pod should receive traffic. Only the database is checked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered_at: float | None = None

    def look(self) -> Response:
        """Return 200 or 503, with the state of the database."""
        if current_request().environ.get("butaca.is_ending"):
            return problem(ENDING, ENDING.detail)
        try:
            services().check_database()
        except LibraryUnavailable as refusal:
            return self._without_database(refusal)
        self._answered_at = self._clock()
        return jsonify(status="ok", database="ok")

    def _without_database(self, refusal: LibraryUnavailable) -> Response:
        last = self._answered_at
        seconds = None if last is None else round(self._clock() - last, 1)
        return problem(
            of_refusal(type(refusal)),
            str(refusal),
            {"Retry-After": str(refusal.retry_after)},
            saw={"database": "away", "seconds_without_database": seconds},
        )


def make_blueprint(registry: CollectorRegistry, readiness: Readiness | None = None) -> APIBlueprint:
    """Return the routes for operators, which are not part of the API contract."""
    bp = APIBlueprint("health", __name__, enable_openapi=False)
    ready = readiness or Readiness()

    @bp.get("/livez")
    def live() -> Answer:
        """Report that the process is alive, without checking any dependency."""
        return {"status": "ok"}

    @bp.get("/readyz")
    def look() -> Response:
        """Report whether the database is reachable. TMDB and Redis do not affect readiness."""
        return ready.look()

    @bp.get("/metrics")
    def metrics() -> Response:
        """Return the metrics for Prometheus."""
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return bp
