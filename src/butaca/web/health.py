"""Is it alive, is it ready (Kubernetes' probes), and what do the metrics say."""

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
from butaca.web.problems import Kind, of_refusal

ENDING = Kind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "ending",
    "This pod ends",
    "It answers whom it has let in, and nobody else.",
)

Answer = dict[str, str]


class Readiness:
    """Whether callers should be sent here: the database is asked, and nobody else."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered_at: float | None = None

    def look(self) -> Response:
        """Answer 200 or 503, each with what was seen."""
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
    """Return the routes that operators use; clients have no contract about them."""
    bp = APIBlueprint("health", __name__, enable_openapi=False)
    ready = readiness or Readiness()

    @bp.get("/livez")
    def live() -> Answer:
        """Ask nobody: whoever answers is alive."""
        return {"status": "ok"}

    @bp.get("/readyz")
    def look() -> Response:
        """Ask the database, and it alone: neither TMDB nor Redis takes a pod out."""
        return ready.look()

    @bp.get("/metrics")
    def metrics() -> Response:
        """Tell Prometheus how it goes."""
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return bp
