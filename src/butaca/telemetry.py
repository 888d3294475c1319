"""OpenTelemetry tracing of requests and their dependencies, if its environment variables are set.

Otherwise nothing of OpenTelemetry is imported, and it need not be installed.
"""

import os
from importlib.util import find_spec
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from butaca import __version__
from butaca.operator_error import OperatorError

if TYPE_CHECKING:
    from flask import Flask
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import Span
    from requests import PreparedRequest
    from sqlalchemy import Engine

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# Their parents are namespace packages, which other distributions create as well.
_REQUIRED = (
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.flask",
    "opentelemetry.instrumentation.redis",
    "opentelemetry.instrumentation.requests",
)
_PROBES = "^https?://[^/]+/(livez|readyz|metrics)$"


def is_enabled() -> bool:
    """Return whether the environment defines an endpoint to export spans to.

    Raises OperatorError if it does, but the exporter or an instrumentation is not installed.
    """
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    has_other_exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    if is_disabled or has_other_exporter or not any(os.environ.get(name) for name in _ENDPOINTS):
        return False
    if not all(map(_is_installed, _REQUIRED)):
        raise OperatorError("OTEL_EXPORTER_OTLP_ENDPOINT: requires pip install 'butaca[otel]'")
    return True


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # Not even its parent package is installed.
        return False


def start(app: "Flask", engine: "Engine") -> None:
    """Trace the requests of an app, its calls to TMDB and Redis, and its SQL statements."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=_resource())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    Finalize(None, provider.shutdown, exitpriority=0)  # Workers do not run `atexit` handlers.
    _trace_requests(app)
    RequestsInstrumentor().instrument(request_hook=_redact_call)
    RedisInstrumentor().instrument()
    _trace_statements(engine)


def _resource() -> "Resource":
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    attributes = {"service.name": "butaca", "service.version": __version__}
    return Resource.create(attributes).merge(OTELResourceDetector().detect())


def _trace_requests(app: "Flask") -> None:
    """Start the span before any other hook, so that all of them use its IDs."""
    from flask import request
    from opentelemetry import trace
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.propagate import inject

    def continue_trace() -> None:
        carrier: dict[str, str] = {}
        inject(carrier)  # Empty for a probe.
        request.environ["HTTP_TRACEPARENT"] = carrier.get("traceparent", "")
        _hide_query(trace.get_current_span(), request.base_url, request.path)

    others = app.before_request_funcs[None]
    app.before_request_funcs[None] = []
    FlaskInstrumentor().instrument_app(app, excluded_urls=_PROBES)  # type: ignore[no-untyped-call]
    app.before_request_funcs[None] += [continue_trace, *others]


def _trace_statements(engine: "Engine") -> None:
    """Trace SQL statements. OpenTelemetry's own package does not support SQLAlchemy 2.1."""
    from opentelemetry import trace
    from sqlalchemy import event

    tracer, system = trace.get_tracer("butaca"), engine.dialect.name

    def begin(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        attributes = {"db.system.name": system, "db.query.text": statement}
        name = statement.split(maxsplit=1)[0]
        span = tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)
        connection.info[_SPAN] = span

    def end(connection: Any, *_: Any) -> None:
        connection.info.pop(_SPAN).end()

    def fail(context: Any) -> None:
        if context.connection and (span := context.connection.info.pop(_SPAN, None)):
            span.set_status(trace.StatusCode.ERROR)
            span.end()

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


_SPAN = "butaca.span"


def _redact_call(span: "Span", request: "PreparedRequest") -> None:
    """Record the URL of a call without its query."""
    url = (request.url or "").partition("?")[0]
    _hide_query(span, url, url)


def _hide_query(span: Any, url: str, path: str) -> None:
    """Remove the query from a span. It may contain search texts or a token sent by mistake."""
    for name, value in {
        "http.url": url,
        "url.full": url,
        "http.target": path,
        "url.query": "",
    }.items():
        if name in (getattr(span, "attributes", None) or ()):
            span.set_attribute(name, value)
