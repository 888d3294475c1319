"""Draining: new connections are dropped, waiting ones are served, and all are closed."""

import socket
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any

import pytest

from butaca.draining import (
    ConnectionCloser,
    backlog_size,
    drop_new_connections,
    is_listening,
    wait_for_empty_backlog,
)

SO_LOCK_FILTER = 44


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=0.2)


def test_bound_socket_is_not_listening() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not is_listening(bound)


def test_socket_that_accepts_connections_is_listening(listener: socket.socket) -> None:
    assert is_listening(listener)


def test_new_connection_is_dropped(listener: socket.socket) -> None:
    drop_new_connections(listener)
    with pytest.raises(TimeoutError):
        connect(listener)
    assert backlog_size(listener) == 0


def test_waiting_connection_is_accepted_and_can_send(listener: socket.socket) -> None:
    with connect(listener) as client:
        drop_new_connections(listener)
        client.sendall(b"hello")
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


def test_new_connections_are_accepted_if_filters_are_locked(listener: socket.socket) -> None:
    listener.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
    drop_new_connections(listener)
    with connect(listener):
        assert backlog_size(listener) == 1


def test_wait_ends_once_all_connections_are_accepted(listener: socket.socket) -> None:
    with connect(listener), connect(listener):
        waiter = Thread(target=wait_for_empty_backlog, args=(listener,))
        waiter.start()
        accepted = [listener.accept()[0] for _ in range(2)]
        waiter.join()
        assert backlog_size(listener) == 0
    for connection in accepted:
        connection.close()


def test_wait_for_an_empty_backlog_times_out(listener: socket.socket) -> None:
    with connect(listener):
        wait_for_empty_backlog(listener, timeout=0.2)
        assert backlog_size(listener) == 1


def headers_of(app: Callable[..., Iterable[bytes]]) -> list[tuple[str, str]]:
    received: list[tuple[str, str]] = []
    assert list(app({}, lambda status, headers: received.extend(headers))) == [b"body"]
    return received


def app(_: Any, start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("X-Any", "1")])
    return [b"body"]


def test_responses_are_unchanged_before_draining() -> None:
    assert headers_of(ConnectionCloser(app)) == [("X-Any", "1")]


def test_responses_close_their_connections_while_draining() -> None:
    closer = ConnectionCloser(app)
    closer.start_closing()
    assert headers_of(closer) == [("X-Any", "1"), ("Connection", "close")]
