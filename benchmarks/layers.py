"""Measure the time of a warm GET by layer, through Flask and in the express lane.

The calls run in this process, one after the other, without sockets. The time of a layer is the time
of its functions without the layers they call. Instrumentation takes time as well, about the same
for each layer. The shares therefore come from instrumented calls, and the total that they are
multiplied with comes from calls without instrumentation.
"""

import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from statistics import median
from typing import Any
from unittest.mock import patch

import click
from apiflask import APIFlask
from werkzeug.datastructures import Headers
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

from benchmarks.compared_servers import POPULAR
from benchmarks.document import Document
from benchmarks.growth import LONG_TTL
from benchmarks.progress import progress_bar
from benchmarks.testbed import AUTHORIZED, THREADS, start_testbed
from butaca.admission import Admission
from butaca.app import create_from_environment, prepare
from butaca.core.accounts import Accounts
from butaca.core.movies import Movies
from butaca.draining import ConnectionCloser
from butaca.settings import Settings, read_settings
from butaca.web import express, movies, observability, protection
from butaca.web.compression import Compression

ROUNDS, CALLS = 40, 250
VARIANTS = ("through Flask", "express lane")
MIN_SECONDS = 0.5e-6
"""Seconds below which the cell of a layer stays empty."""

OUTERMOST = "Admission, draining"

LAYERS: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "Proxies, security headers": ((ProxyFix, "__call__"),),
    "Flask: contexts, routing, query, response": ((APIFlask, "wsgi_app"),),
    "Request checks": ((protection, "_guard"),),
    "Express lane: lookup, per-request headers": ((express.Express, "__call__"),),
    "Authentication": ((Accounts, "identify"),),
    "Rate limit": ((protection, "seconds_to_wait"), (express, "seconds_to_wait")),
    "Catalogue cache": ((Movies, "popular"),),
    "Body, ETag, Cache-Control": ((movies, "catalogue_response"),),
    "Coding": ((Compression, "__call__"),),
    "Request ID, trace context": ((observability.Observer, "begin"),),
    "Metrics": ((observability.Metrics, "count"),),
    "Log": ((observability, "_log"),),
}

Call = Callable[[], None]


class LayerProfiler:
    """Measures the time of each layer without the layers it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}
        self._stack = [OUTERMOST]
        self._since = 0.0

    @contextmanager
    def instrument(self, variant: str) -> Iterator[None]:
        """Instrument every layer, and attribute the time to this variant."""
        self._seconds = self.seconds.setdefault(variant, dict.fromkeys((OUTERMOST, *LAYERS), 0.0))
        with ExitStack() as stack:
            for layer, functions in LAYERS.items():
                for owner, name in functions:
                    instrumented = self._instrumented(layer, getattr(owner, name))
                    stack.enter_context(patch.object(owner, name, instrumented))
            self._since = time.perf_counter()
            yield
            self._attribute_time()

    def _instrumented(self, layer: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def instrumented(*args: Any, **kwargs: Any) -> Any:
            self._attribute_time()
            self._stack.append(layer)
            try:
                return function(*args, **kwargs)
            finally:
                self._attribute_time()
                self._stack.pop()

        return instrumented

    def _attribute_time(self) -> None:
        now = time.perf_counter()
        self._seconds[self._stack[-1]] += now - self._since
        self._since = now


def measure(rounds: int, calls: int, document: Document) -> None:
    """Measure calls with and without instrumentation, and write the table into a document."""
    with start_testbed() as testbed, patch.dict(os.environ, {**testbed.settings, **LONG_TTL}):
        prepare(read_settings(Settings))
        plain = _create_calls()
        profiler = LayerProfiler()
        with profiler.instrument("startup"):  # Flask stores references to functions at startup.
            instrumented = _create_calls()
        totals: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in progress_bar(range(rounds), "layers"):
            for variant in VARIANTS:
                totals[variant].append(_seconds(plain[variant], calls))
                with profiler.instrument(variant):
                    _seconds(instrumented[variant], calls)
    lines = list(_rows({variant: median(totals[variant]) for variant in VARIANTS}, profiler))
    click.echo("\n".join(["\nLayers", *lines]))
    document.write("layers", lines)


def _create_calls() -> dict[str, Call]:
    """Create an app; return a call for each variant."""
    with redirect_stdout(io.StringIO()):  # The log goes to memory, to exclude the disk.
        app = create_from_environment()
    lane: Any = app.wsgi_app
    without_lane = lane._app  # noqa: SLF001 - only this bypasses the lane
    return dict(zip(VARIANTS, (_call(without_lane), _call(lane)), strict=True))


def _call(app: Any) -> Call:
    wrapped = ConnectionCloser(Admission(app, THREADS))
    environ = EnvironBuilder(POPULAR, headers=Headers(AUTHORIZED)).get_environ()

    def call() -> None:
        statuses: list[str] = []
        parts: Any = wrapped(dict(environ), lambda status, *_: statuses.append(status))  # type: ignore[arg-type]
        body = b"".join(parts)
        if close := getattr(parts, "close", None):  # Releases the request slot.
            close()
        assert statuses == ["200 OK"], body

    return call


def _seconds(call: Call, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def _rows(totals: Mapping[str, float], profiler: LayerProfiler) -> Iterator[str]:
    yield f"| layer | {' | '.join(VARIANTS)} |"
    yield "| - | -: | -: |"
    for layer in (OUTERMOST, *LAYERS):
        cells = (_cell(totals[variant], profiler.seconds[variant], layer) for variant in VARIANTS)
        yield f"| {layer} | {' | '.join(cells)} |"
    cells = (f"**{totals[variant] * 1e6:.0f} µs**" for variant in VARIANTS)
    yield f"| **total** | {' | '.join(cells)} |"


def _cell(total: float, seconds: Mapping[str, float], layer: str) -> str:
    share = total * seconds[layer] / sum(seconds.values())
    return f"{share * 1e6:.0f} µs" if share > MIN_SECONDS else ""
