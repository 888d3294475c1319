"""Starting, stopping, and what happens to open connections."""

import socket
import struct
from collections.abc import Callable
from threading import Thread
from threading import enumerate as threads
from typing import Any

import pytest
import requests

from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.listener import _shut


def test_the_addresses_fit_together(sandbox: Sandbox) -> None:
    origin = sandbox.url.removesuffix("/3")

    assert origin.startswith("http://127.0.0.1:")
    assert sandbox.image_url == f"{origin}/t/p"
    assert sandbox.control_url == f"{origin}/_sandbox"


def test_a_taken_port_is_an_oserror(sandbox: Sandbox) -> None:
    port = int(sandbox.url.removesuffix("/3").rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port).start()


def test_a_stopped_sandbox_refuses_connections(sandbox: Sandbox, ask: Any) -> None:
    sandbox.stop()

    with pytest.raises(requests.ConnectionError, match="refused"):
        ask("/movie/550")


def test_a_stopped_sandbox_comes_back_at_its_address(sandbox: Sandbox, ask: Any) -> None:
    sandbox.stop()
    sandbox.start()

    assert ask("/movie/550").status_code == 200


def test_faults_outlive_a_restart(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("503"))
    sandbox.stop()
    sandbox.start()

    assert ask("/movie/550").status_code == 503


def test_stopping_twice_is_stopping_once(sandbox: Sandbox) -> None:
    sandbox.stop()
    sandbox.stop()


@pytest.fixture
def new_threads() -> Callable[[], set[Thread]]:
    """Return what tells the threads that are there now, and were not before the test.

    Of the others some may end meanwhile: the memory of a rate limiter leaves a short timer behind.
    """
    before = set(threads())
    return lambda: set(threads()) - before


def test_stopping_ends_idle_connections_and_leaves_no_thread(
    new_threads: Callable[[], set[Thread]],
) -> None:
    with requests.Session() as session:
        with Sandbox() as sandbox:
            session.get(sandbox.control_url, timeout=10)
        left = new_threads()

    assert left == set()


def test_stopping_leaves_no_thread_of_a_call_that_hangs(
    ask_of: Any, new_threads: Callable[[], set[Thread]]
) -> None:
    with Sandbox() as sandbox:
        sandbox.inject(Fault("hang"))
        with pytest.raises(requests.ReadTimeout):
            ask_of(sandbox)("/movie/550", timeout=0.05)

    assert new_threads() == set()


def test_hanging_works_after_a_restart(sandbox: Sandbox, ask: Any) -> None:
    sandbox.stop()
    sandbox.start()
    sandbox.inject(Fault("hang"))

    with pytest.raises(requests.ReadTimeout):
        ask("/movie/550", timeout=0.05)


@pytest.mark.parametrize("started", [True, False])
def test_serving_for_ever_ends_when_stopped(started: bool, until: Any) -> None:
    sandbox = Sandbox()
    if started:
        sandbox.start()
    thread = Thread(target=sandbox.serve_forever)
    thread.start()
    until(lambda: sandbox._listener and sandbox._thread)
    until(lambda: requests.get(sandbox.control_url, timeout=10).ok)
    sandbox.stop()
    thread.join(10)

    assert not thread.is_alive()


def test_a_caller_who_goes_away_is_nobodys_business(
    sandbox: Sandbox, dial: Any, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.inject(Fault("delay", times=1, seconds=60))
    connection = dial("/3/movie/550")
    until(lambda: sandbox._desk.breakage.as_json()[0]["left"] == 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    sandbox.clear_faults()
    sandbox.stop()

    assert capsys.readouterr().err == ""


def test_a_mistake_of_ours_is_seen(
    sandbox: Sandbox,
    ask: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sandbox._desk, "_source", None)
    with pytest.raises(requests.ConnectionError):
        ask("/movie/550")

    assert "AttributeError" in capsys.readouterr().err


def test_serving_is_quiet(sandbox: Sandbox, ask: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ask("/movie/550")
    requests.request("BREW", sandbox.url, timeout=10)

    assert capsys.readouterr() == ("", "")


def test_hanging_up_on_who_is_gone_is_no_error() -> None:
    gone = socket.socket()
    gone.close()

    _shut(gone)
