"""A sandbox, a raw server, and sessions with either that try twice and do not sleep."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from butaca.adapters.tmdb import Limits, TmdbHttp
from butaca.sandbox import Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from tests.adapters.tmdb.wire import Wire

Connect = Callable[..., TmdbHttp]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def wire() -> Iterator[Wire]:
    running = Wire()
    yield running
    running.close()


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that sessions made by `connect` would have slept."""
    return []


@pytest.fixture
def connect(pauses: list[float]) -> Iterator[Connect]:
    """Return a function that creates a session with a base URL and, optionally, other limits."""
    opened: list[TmdbHttp] = []

    def connect(url: str, **limits: Any) -> TmdbHttp:
        usual = {"connect_timeout": 5.0, "read_timeout": 5.0, "retries": 1, "backoff": 0.01}
        http = TmdbHttp(url, DEFAULT_TOKEN, Limits(**{**usual, **limits}), sleep=pauses.append)
        opened.append(http)
        return http

    yield connect
    for http in opened:
        http._session.close()


@pytest.fixture
def tmdb(sandbox: Sandbox, connect: Connect) -> TmdbHttp:
    """A session with the sandbox that tries twice."""
    return connect(sandbox.url)


@pytest.fixture
def bare(wire: Wire, connect: Connect) -> TmdbHttp:
    """A session with the raw server that tries twice."""
    return connect(wire.url)
