"""What is found by its method and its path, and by nothing else of a request."""

import pytest

from butaca.web import WebOptions
from tests.builders import CONSUMER_TOKEN
from tests.conftest import World
from tests.web.scene import API, furnish

POPULAR = f"{API}/movies/popular"
ODD_HOSTS = ["a..b", "a" * 64, ".", "", "a/b", "[::1"]


@pytest.mark.parametrize("host", ODD_HOSTS, ids=range(len(ODD_HOSTS)))
@pytest.mark.parametrize("express", [False, True], ids=["flask", "express"])
def test_an_odd_host_changes_nothing(express: bool, host: str, world: World) -> None:
    furnish(world)
    client = world.client(WebOptions(express=express), CONSUMER_TOKEN)
    plain = client.get(POPULAR)

    answer = client.get(POPULAR, headers={"Host": host})

    assert (answer.status_code, answer.data) == (200, plain.data)


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_upgrade_is_ignored(protocol: str, world: World) -> None:
    headers = {"Connection": "keep-alive, Upgrade", "Upgrade": protocol}

    answer = world.client(token=CONSUMER_TOKEN).get(f"{API}/me", headers=headers)

    assert answer.status_code == 200
