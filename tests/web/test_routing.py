"""Routes are matched by method and path only."""

import pytest

from butaca.web import WebOptions
from tests.builders import CONSUMER_TOKEN
from tests.conftest import FakeBackend
from tests.web.helpers import API, add_sample_data

POPULAR = f"{API}/movies/popular"
INVALID_HOSTS = ["a..b", "a" * 64, ".", "", "a/b", "[::1"]


@pytest.mark.parametrize("host", INVALID_HOSTS, ids=range(len(INVALID_HOSTS)))
@pytest.mark.parametrize("express", [False, True], ids=["flask", "express"])
def test_invalid_host_header_is_ignored(express: bool, host: str, backend: FakeBackend) -> None:
    add_sample_data(backend)
    client = backend.client(WebOptions(express=express), CONSUMER_TOKEN)
    expected = client.get(POPULAR)

    response = client.get(POPULAR, headers={"Host": host})

    assert (response.status_code, response.data) == (200, expected.data)


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_upgrade_header_is_ignored(protocol: str, backend: FakeBackend) -> None:
    headers = {"Connection": "keep-alive, Upgrade", "Upgrade": protocol}

    response = backend.client(token=CONSUMER_TOKEN).get(f"{API}/me", headers=headers)

    assert response.status_code == 200
