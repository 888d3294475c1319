"""The web listens and answers. It knows the core; how things are fetched and kept, it does not."""

from collections.abc import Callable
from functools import cache
from typing import Any

from apiflask import APIFlask
from flask.json.provider import DefaultJSONProvider
from prometheus_client import CollectorRegistry
from pydantic_core import from_json

from butaca import __version__
from butaca.web import admin, docs, errors, health, me, movies, observability, protection
from butaca.web.compression import Compression
from butaca.web.context import Services, WebOptions, provide
from butaca.web.contract import Contract, configure, contract_of
from butaca.web.express import Express
from butaca.web.observability import Observer
from butaca.web.routes import Routes

__all__ = ["Services", "WebOptions", "create_web", "describe"]


class _StrictJson(DefaultJSONProvider):
    """JSON with no nesting so deep that the stack overflows; what may be NaN, the schemas say."""

    sort_keys = False

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return from_json(s)


class _Web(APIFlask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as it is: none of ours is a coroutine, and to look takes five calls."""
        return func


def create_web(
    services: Services, options: WebOptions, registry: CollectorRegistry | None = None
) -> APIFlask:
    """Return the Flask app that answers for these services."""
    observer, compression = Observer(registry or CollectorRegistry()), Compression()
    app = _app(options, observer, compression)
    provide(app, services, options, describe())
    if options.express:
        app.wsgi_app = Express(app.wsgi_app, services, observer, compression)  # type: ignore[method-assign]
    return app


@cache
def describe() -> Contract:
    """Return the contract, for which nobody needs to answer."""
    return contract_of(_app(WebOptions(), Observer(CollectorRegistry()), Compression()))


def _app(options: WebOptions, observer: Observer, compression: Compression) -> APIFlask:
    app = _Web("butaca", title="Butaca", version=__version__, spec_path=None, docs_path=None)
    app.json = _StrictJson(app)
    configure(app)
    observability.register(app, observer)
    app.after_request(compression)  # They run from the last to the first: only the log is later.
    protection.register(app, options)
    errors.register(app)
    app.register_blueprint(_api())
    app.register_blueprint(health.make_blueprint(observer.registry))
    docs.register(app)
    return app


def _api() -> Routes:
    api = Routes("api", __name__, url_prefix=protection.API)
    for routes in (movies.bp, me.bp, admin.bp):
        api.register_blueprint(routes)
    return api
