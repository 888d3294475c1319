"""Is it alive, is it ready (Kubernetes' probes), and what do the metrics say."""

from apiflask import APIBlueprint
from flask import Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from butaca.web.context import services

Answer = dict[str, str]


def make_blueprint(registry: CollectorRegistry) -> APIBlueprint:
    """Return the routes that operators use; clients have no contract about them."""
    bp = APIBlueprint("health", __name__, enable_openapi=False)

    @bp.get("/livez")
    def live() -> Answer:
        """Ask nobody: whoever answers is alive."""
        return {"status": "ok"}

    @bp.get("/readyz")
    def ready() -> Answer:
        """Ask the database, and it alone: neither TMDB nor Redis takes a pod out."""
        services().check_database()
        return {"status": "ok", "database": "ok"}

    @bp.get("/metrics")
    def metrics() -> Response:
        """Tell Prometheus how it goes."""
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return bp
