"""Draining: new connections are kept out, waiting ones are served, and last responses say so."""

import socket
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any

import pytest

from butaca.draining import (
    ConnectionCloser,
    is_listening,
    keep_out_newcomers,
    wait_until_settled,
    waiting,
)

SO_LOCK_FILTER = 44


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=0.2)


def test_a_socket_that_is_only_bound_is_not_listening() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not is_listening(bound)


def test_a_socket_that_lets_people_in_is_listening(listener: socket.socket) -> None:
    assert is_listening(listener)


def test_a_newcomer_is_kept_out(listener: socket.socket) -> None:
    keep_out_newcomers(listener)
    with pytest.raises(TimeoutError):
        connect(listener)
    assert waiting(listener) == 0


def test_who_waits_already_is_let_in_and_heard(listener: socket.socket) -> None:
    with connect(listener) as caller:
        keep_out_newcomers(listener)
        caller.sendall(b"hello")
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


def test_where_the_system_forbids_it_newcomers_still_come(listener: socket.socket) -> None:
    listener.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
    keep_out_newcomers(listener)
    with connect(listener):
        assert waiting(listener) == 1


def test_it_is_settled_once_everybody_is_let_in(listener: socket.socket) -> None:
    with connect(listener), connect(listener):
        settling = Thread(target=wait_until_settled, args=(listener,))
        settling.start()
        accepted = [listener.accept()[0] for _ in range(2)]
        settling.join()
        assert waiting(listener) == 0
    for each in accepted:
        each.close()


def test_it_is_not_waited_for_ever(listener: socket.socket) -> None:
    with connect(listener):
        wait_until_settled(listener, limit=0.2)
        assert waiting(listener) == 1


def headers_of(app: Callable[..., Iterable[bytes]]) -> list[tuple[str, str]]:
    given: list[tuple[str, str]] = []
    assert list(app({}, lambda status, headers: given.extend(headers))) == [b"welcome"]
    return given


def welcome(_: Any, start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("X-Seat", "7")])
    return [b"welcome"]


def test_before_the_farewell_answers_are_as_they_were() -> None:
    assert headers_of(ConnectionCloser(welcome)) == [("X-Seat", "7")]


def test_after_the_farewell_an_answer_closes_its_connection() -> None:
    app = ConnectionCloser(welcome)
    app.say()
    assert headers_of(app) == [("X-Seat", "7"), ("Connection", "close")]
