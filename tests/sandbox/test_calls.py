"""The counter of calls."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from butaca.sandbox import Calls, Fault, Sandbox


def test_calls_are_counted_by_path(sandbox: Sandbox, ask: Any) -> None:
    ask("/movie/popular", page=1)
    ask("/movie/popular", page=2)
    ask("/movie/550")

    assert dict(sandbox.calls) == {"/3/movie/popular": 2, "/3/movie/550": 1}
    assert sandbox.calls.total == 3


def test_calls_are_counted_by_target_too(sandbox: Sandbox, ask: Any) -> None:
    ask("/movie/popular", page=2)

    assert sandbox.calls.targets == {"/3/movie/popular?page=2": 1}


def test_a_path_that_nobody_called_counts_zero() -> None:
    assert Calls()["/3/movie/550"] == 0


def test_calls_can_be_forgotten(sandbox: Sandbox, ask: Any) -> None:
    ask("/movie/550")
    sandbox.calls.reset()

    assert len(sandbox.calls) == sandbox.calls.total == 0


def test_calls_that_fail_are_counted(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("refuse"))
    with pytest.raises(requests.ConnectionError):
        ask("/movie/550")

    assert sandbox.calls["/3/movie/550"] == 1


def test_pictures_and_switches_are_not_counted(sandbox: Sandbox) -> None:
    requests.get(f"{sandbox.image_url}/w342/550-poster.svg", timeout=10)
    requests.get(sandbox.control_url, timeout=10)

    assert sandbox.calls.total == 0


def test_no_call_is_lost_among_threads(sandbox: Sandbox, ask: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, ["/authentication"] * 100))

    assert sandbox.calls["/3/authentication"] == 100


def test_counts_show_when_an_assertion_fails() -> None:
    calls = Calls()
    calls.count("/3/movie/550?language=es")

    assert repr(calls) == "Calls({'/3/movie/550': 1})"
