"""A sandbox, a raw server, and clients of both with one retry and without sleeping."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from butaca.adapters.tmdb import Limits, TmdbHttp
from butaca.sandbox import Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from tests.adapters.tmdb.raw_server import RawServer

MakeClient = Callable[..., TmdbHttp]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    running = RawServer()
    yield running
    running.close()


@pytest.fixture
def pauses() -> list[float]:
    """The pauses, in seconds, that clients of `make_client` requested instead of sleeping."""
    return []


@pytest.fixture
def make_client(pauses: list[float]) -> Iterator[MakeClient]:
    """Return a factory of clients from a base URL and, optionally, other limits."""
    clients: list[TmdbHttp] = []

    def make_client(url: str, **limits: Any) -> TmdbHttp:
        defaults = {"connect_timeout": 5.0, "read_timeout": 5.0, "retries": 1, "backoff": 0.01}
        limits = {**defaults, **limits}
        client = TmdbHttp(url, DEFAULT_TOKEN, Limits(**limits), sleep=pauses.append)
        clients.append(client)
        return client

    yield make_client
    for client in clients:
        client._session.close()


@pytest.fixture
def client(sandbox: Sandbox, make_client: MakeClient) -> TmdbHttp:
    """A client of the sandbox with one retry."""
    return make_client(sandbox.url)


@pytest.fixture
def raw_client(raw_server: RawServer, make_client: MakeClient) -> TmdbHttp:
    """A client of the raw server with one retry."""
    return make_client(raw_server.url)
