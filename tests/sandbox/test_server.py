"""Starting and stopping, with open connections."""

import socket
import struct
from collections.abc import Callable
from threading import Thread
from threading import enumerate as all_threads
from typing import Any

import pytest
import requests

from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.listener import _shut_down
from tests.waiting import wait_until


def test_urls_share_one_origin(sandbox: Sandbox) -> None:
    origin = sandbox.url.removesuffix("/3")

    assert origin.startswith("http://127.0.0.1:")
    assert sandbox.image_url == f"{origin}/t/p"
    assert sandbox.control_url == f"{origin}/_sandbox"


def test_port_in_use_raises_oserror(sandbox: Sandbox) -> None:
    port = int(sandbox.url.removesuffix("/3").rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port).start()


def test_stopped_sandbox_refuses_connections(sandbox: Sandbox, get: Any) -> None:
    sandbox.stop()

    with pytest.raises(requests.ConnectionError, match="refused"):
        get("/movie/550")


def test_restarted_sandbox_has_the_same_address(sandbox: Sandbox, get: Any) -> None:
    sandbox.stop()
    sandbox.start()

    assert get("/movie/550").status_code == 200


def test_faults_survive_a_restart(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("503"))
    sandbox.stop()
    sandbox.start()

    assert get("/movie/550").status_code == 503


def test_stop_is_idempotent(sandbox: Sandbox) -> None:
    sandbox.stop()
    sandbox.stop()


@pytest.fixture
def new_threads() -> Callable[[], set[Thread]]:
    """Return a function that returns the threads started since the test began.

    Older threads may end meanwhile: the in-memory rate limiter leaves a short-lived timer behind.
    """
    before = set(all_threads())
    return lambda: set(all_threads()) - before


def test_stop_closes_idle_connections_and_leaves_no_thread(
    new_threads: Callable[[], set[Thread]],
) -> None:
    with requests.Session() as session:
        with Sandbox() as sandbox:
            session.get(sandbox.control_url, timeout=10)
        remaining = new_threads()

    assert remaining == set()


def test_stop_leaves_no_thread_of_a_hanging_call(
    get_from: Any, new_threads: Callable[[], set[Thread]]
) -> None:
    with Sandbox() as sandbox:
        sandbox.inject(Fault("hang"))
        with pytest.raises(requests.ReadTimeout):
            get_from(sandbox)("/movie/550", timeout=0.05)

    assert new_threads() == set()


def test_hang_works_after_a_restart(sandbox: Sandbox, get: Any) -> None:
    sandbox.stop()
    sandbox.start()
    sandbox.inject(Fault("hang"))

    with pytest.raises(requests.ReadTimeout):
        get("/movie/550", timeout=0.05)


@pytest.mark.parametrize("started", [True, False])
def test_serve_forever_returns_after_stop(started: bool) -> None:
    sandbox = Sandbox()
    if started:
        sandbox.start()
    thread = Thread(target=sandbox.serve_forever)
    thread.start()
    wait_until(lambda: sandbox._listener and sandbox._thread)
    wait_until(lambda: requests.get(sandbox.control_url, timeout=10).ok)
    sandbox.stop()
    thread.join(10)

    assert not thread.is_alive()


def test_client_disconnect_is_not_reported(
    sandbox: Sandbox, send_raw_get: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.inject(Fault("delay", times=1, seconds=60))
    connection = send_raw_get("/3/movie/550")
    wait_until(lambda: sandbox._handler.faults.as_json()[0]["left"] == 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    sandbox.clear_faults()
    sandbox.stop()

    assert capsys.readouterr().err == ""


def test_internal_error_prints_a_traceback(
    sandbox: Sandbox,
    get: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sandbox._handler, "_source", None)
    with pytest.raises(requests.ConnectionError):
        get("/movie/550")

    assert "AttributeError" in capsys.readouterr().err


def test_sandbox_prints_nothing(
    sandbox: Sandbox, get: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    get("/movie/550")
    requests.request("BREW", sandbox.url, timeout=10)

    assert capsys.readouterr() == ("", "")


def test_shutting_down_a_closed_socket_does_not_raise() -> None:
    closed = socket.socket()
    closed.close()

    _shut_down(closed)
