"""The counter of calls."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from butaca.sandbox import Calls, Fault, Sandbox


def test_calls_are_counted_by_path_alone(sandbox: Sandbox, get: Any) -> None:
    get("/movie/popular", page=1)
    get("/movie/popular", page=2)
    get("/movie/550")

    assert dict(sandbox.calls) == {"/3/movie/popular": 2, "/3/movie/550": 1}
    assert sandbox.calls.total == 3


def test_calls_are_counted_by_target(sandbox: Sandbox, get: Any) -> None:
    get("/movie/popular", page=2)

    assert sandbox.calls.targets == {"/3/movie/popular?page=2": 1}


def test_path_without_calls_counts_zero() -> None:
    assert Calls()["/3/movie/550"] == 0


def test_reset_clears_the_counts(sandbox: Sandbox, get: Any) -> None:
    get("/movie/550")
    sandbox.calls.reset()

    assert len(sandbox.calls) == sandbox.calls.total == 0


def test_failed_calls_are_counted(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("refuse"))
    with pytest.raises(requests.ConnectionError):
        get("/movie/550")

    assert sandbox.calls["/3/movie/550"] == 1


def test_pictures_and_control_requests_are_not_counted(sandbox: Sandbox) -> None:
    requests.get(f"{sandbox.image_url}/w342/550-poster.svg", timeout=10)
    requests.get(sandbox.control_url, timeout=10)

    assert sandbox.calls.total == 0


def test_concurrent_calls_are_all_counted(sandbox: Sandbox, get: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(get, ["/authentication"] * 100))

    assert sandbox.calls["/3/authentication"] == 100


def test_repr_shows_the_counts() -> None:
    calls = Calls()
    calls.count("/3/movie/550?language=es")

    assert repr(calls) == "Calls({'/3/movie/550': 1})"
