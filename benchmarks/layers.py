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

from benchmarks.contenders import POPULAR
from benchmarks.document import Document
from benchmarks.growth import LONG_FRESH
from benchmarks.progress import bar
from benchmarks.testbed import AUTHORIZED, THREADS, surroundings
from butaca.admission import Admission
from butaca.app import create_from_environment, prepare
from butaca.core.accounts import Accounts
from butaca.core.movies import Movies
from butaca.draining import ConnectionCloser
from butaca.settings import Settings, read_settings
from butaca.web import express, movies, observability, protection
from butaca.web.compression import Compression

ROUNDS, CALLS = 40, 250
WAYS = ("through Flask", "express lane")
LEAST = 0.5e-6
"""Seconds below which the cell of a layer stays empty."""

REST = "Admission, draining"

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


class Watch:
    """Measures the time of each layer without the layers it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}
        self._at_work = [REST]
        self._since = 0.0

    @contextmanager
    def watching(self, way: str) -> Iterator[None]:
        """Instrument every layer and attribute the time to this way."""
        self._seconds = self.seconds.setdefault(way, dict.fromkeys((REST, *LAYERS), 0.0))
        with ExitStack() as stack:
            for layer, functions in LAYERS.items():
                for owner, name in functions:
                    watched = self._watched(layer, getattr(owner, name))
                    stack.enter_context(patch.object(owner, name, watched))
            self._since = time.perf_counter()
            yield
            self._pass_on()

    def _watched(self, layer: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._pass_on()
            self._at_work.append(layer)
            try:
                return function(*args, **kwargs)
            finally:
                self._pass_on()
                self._at_work.pop()

        return watched

    def _pass_on(self) -> None:
        now = time.perf_counter()
        self._seconds[self._at_work[-1]] += now - self._since
        self._since = now


def measure(rounds: int, calls: int, document: Document) -> None:
    """Measure calls with and without instrumentation, and write the table into a document."""
    with surroundings() as around, patch.dict(os.environ, {**around.settings, **LONG_FRESH}):
        prepare(read_settings(Settings))
        plain = _ways()
        watch = Watch()
        with watch.watching("made"):  # Flask keeps references to functions from its creation on.
            seen = _ways()
        whole: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in bar(range(rounds), "layers"):
            for way in WAYS:
                whole[way].append(_seconds(plain[way], calls))
                with watch.watching(way):
                    _seconds(seen[way], calls)
    lines = list(_rows({way: median(whole[way]) for way in WAYS}, watch))
    click.echo("\n".join(["\nLayers", *lines]))
    document.write("layers", lines)


def _ways() -> dict[str, Call]:
    """Create an app and return a call for each way through it."""
    with redirect_stdout(io.StringIO()):  # The log goes to memory, to exclude the disk.
        app = create_from_environment()
    lane: Any = app.wsgi_app
    by_flask = lane._app  # noqa: SLF001 - only this bypasses the lane
    return dict(zip(WAYS, (_call(by_flask), _call(lane)), strict=True))


def _call(app: Any) -> Call:
    whole = ConnectionCloser(Admission(app, THREADS))
    environ = EnvironBuilder(POPULAR, headers=Headers(AUTHORIZED)).get_environ()

    def call() -> None:
        said: list[str] = []
        parts: Any = whole(dict(environ), lambda status, *_: said.append(status))  # type: ignore[arg-type]
        body = b"".join(parts)
        if close := getattr(parts, "close", None):  # Releases the request slot.
            close()
        assert said == ["200 OK"], body

    return call


def _seconds(call: Call, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def _rows(whole: Mapping[str, float], watch: Watch) -> Iterator[str]:
    yield f"| layer | {' | '.join(WAYS)} |"
    yield "| - | -: | -: |"
    for layer in (REST, *LAYERS):
        cells = (_told(whole[way], watch.seconds[way], layer) for way in WAYS)
        yield f"| {layer} | {' | '.join(cells)} |"
    yield f"| **total** | {' | '.join(f'**{whole[way] * 1e6:.0f} µs**' for way in WAYS)} |"


def _told(whole: float, seconds: Mapping[str, float], layer: str) -> str:
    taken = whole * seconds[layer] / sum(seconds.values())
    return f"{taken * 1e6:.0f} µs" if taken > LEAST else ""
