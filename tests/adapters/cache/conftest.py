"""Fixtures: a cached catalogue, a clock that tests advance, and a Redis that they may break."""

from collections.abc import Iterator
from typing import Any

import pytest

from butaca.adapters.redis import RedisLink
from tests.adapters.cache.harness import FETCHES, REDIS_COOLDOWN, Fetch, Harness
from tests.fakes import FakeClock
from tests.valkey_server import valkey_server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def harness() -> Harness:
    return Harness()


@pytest.fixture(params=list(FETCHES.values()), ids=list(FETCHES))
def fetch(request: pytest.FixtureRequest) -> Fetch:
    """One method of the catalogue at a time."""
    fetch: Fetch = request.param
    return fetch


@pytest.fixture
def server() -> Iterator[Any]:
    """A Redis server that a test may break."""
    with valkey_server() as server:
        yield server


@pytest.fixture
def breakable_link(server: Any, clock: FakeClock) -> Iterator[RedisLink]:
    """A link to a Redis server that a test may break, on the test's clock."""
    url = f"redis://127.0.0.1:{server.port}/0"
    link = RedisLink(url, timeout=5.0, cooldown=REDIS_COOLDOWN, clock=clock.monotonic)
    yield link
    link.client.close()
