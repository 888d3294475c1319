"""A clock that tests move, and a Redis that they may ruin."""

from collections.abc import Iterator
from typing import Any

import pytest

from butaca.adapters.redis import RedisLink
from tests.adapters.cache.scene import REST
from tests.fakes import FakeClock
from tests.own_valkey import own_valkey


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server() -> Iterator[Any]:
    """A Redis that a test may ruin."""
    with own_valkey() as server:
        yield server


@pytest.fixture
def ruined(server: Any, clock: FakeClock) -> Iterator[RedisLink]:
    """A link to the Redis that a test may ruin, on the test's clock."""
    url = f"redis://127.0.0.1:{server.port}/0"
    link = RedisLink(url, timeout=5.0, rest=REST, clock=clock.monotonic)
    yield link
    link.client.close()
