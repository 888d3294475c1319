"""The HTTP API. It depends on the core, and not on how data is fetched and stored."""

from collections.abc import Callable
from functools import cache
from typing import Any

from apiflask import APIFlask
from flask import Request
from flask.json.provider import DefaultJSONProvider
from prometheus_client import CollectorRegistry
from pydantic_core import from_json
from werkzeug.routing import MapAdapter

from butaca import __version__
from butaca.web import admin, docs, errors, health, me, movies, observability, protection
from butaca.web.compression import Compression
from butaca.web.context import Services, WebOptions, attach_services
from butaca.web.contract import Contract, configure, contract_of
from butaca.web.express import Express
from butaca.web.observability import Observer
from butaca.web.response_builders import UntypedResponse
from butaca.web.routes import Routes

__all__ = ["Services", "WebOptions", "create_web", "describe"]


class _StrictJson(DefaultJSONProvider):
    """Parses JSON with a limit on nesting, so that the stack cannot overflow.

    NaN is accepted here and rejected by the schemas.
    """

    sort_keys = False

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return from_json(s)


class _Web(APIFlask):
    response_class = UntypedResponse  # For the responses to `OPTIONS`, which Flask creates.

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Match requests by method and path only, as the express lane does.

        Werkzeug rejects some values of `Host`, and every `Upgrade` to WebSocket, which a server
        that does not support it ignores (RFC 9110, 7.8).
        """
        if request is None:
            return super().create_url_adapter(None)
        return self.url_map.bind("", path_info=request.path, default_method=request.method)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function unchanged. No route is a coroutine, and checking takes five calls."""
        return func


def create_web(
    services: Services, options: WebOptions, registry: CollectorRegistry | None = None
) -> APIFlask:
    """Return the Flask app that exposes these services."""
    observer, compression = Observer(registry or CollectorRegistry()), Compression()
    app = _app(options, observer, compression)
    attach_services(app, services, options, describe())
    if options.express:
        app.wsgi_app = Express(app.wsgi_app, services, observer, compression)  # type: ignore[method-assign]
    return app


@cache
def describe() -> Contract:
    """Return the contract. This does not require any services."""
    return contract_of(_app(WebOptions(), Observer(CollectorRegistry()), Compression()))


def _app(options: WebOptions, observer: Observer, compression: Compression) -> APIFlask:
    app = _Web("butaca", title="Butaca", version=__version__, spec_path=None, docs_path=None)
    app.json = _StrictJson(app)
    app.url_map.merge_slashes = False  # Otherwise, even unknown paths would redirect.
    configure(app)
    observability.register(app, observer)
    # These functions run in reverse order: only the access log comes after compression.
    app.after_request(compression)
    protection.register(app, options)
    errors.register(app)
    app.register_blueprint(_api())
    app.register_blueprint(health.make_blueprint(observer.registry))
    docs.register(app)
    return app


def _api() -> Routes:
    api = Routes("api", __name__, url_prefix=protection.API_PREFIX)
    for routes in (movies.bp, me.bp, admin.bp):
        api.register_blueprint(routes)
    return api
