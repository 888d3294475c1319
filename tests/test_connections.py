"""The number of connections, and how long a silent one lives."""

import io
import resource
import socket
from collections.abc import Iterable
from typing import Any

import pytest

from butaca import connections
from butaca.connections import MOST, OTHER_FILES, AnnouncedClose, make_room


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits of open files, the last of which holds."""
    kept = [(1024, 524_288)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: kept[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: kept.append(limit))
    return kept


def test_where_more_files_are_allowed_they_are_asked_for(limits: list[tuple[int, int]]) -> None:
    assert make_room() == MOST
    assert limits[-1] == (MOST + OTHER_FILES, 524_288)


def test_where_files_have_no_limit_enough_are_asked_for(limits: list[tuple[int, int]]) -> None:
    limits.append((1024, resource.RLIM_INFINITY))
    assert make_room() == MOST
    assert limits[-1] == (MOST + OTHER_FILES, resource.RLIM_INFINITY)


def test_where_files_are_few_there_are_fewer_connections(limits: list[tuple[int, int]]) -> None:
    limits.append((1024, 1024))
    assert make_room() == 1024 - OTHER_FILES


def test_where_there_are_files_enough_nothing_is_changed(limits: list[tuple[int, int]]) -> None:
    limits.append((100_000, 100_000))
    assert make_room() == MOST
    assert len(limits) == 2


def test_what_is_accepted_sends_at_once_and_ends_when_nobody_takes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections.tune(listener)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            limit = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert limit == connections.SEND_SECONDS * 1000


def test_only_what_was_accepted_at_the_port_is_looked_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as ours:
            found = list(connections._accepted(port))
            peers = [sock.getpeername() for sock in found if connections._is_established(sock)]
            for sock in found:
                sock.close()
            assert peers == [client.getsockname()]
            assert ours.fileno() >= 0


DECLARED = {"CONTENT_LENGTH": "4"}
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked"}
CLOSE = ("Connection", "close")


def headers_of(sent: dict[str, str], *sizes: int) -> list[tuple[str, str]]:
    """Return the headers of an app that reads pieces of these sizes of a body before it answers."""
    answered: list[tuple[str, str]] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for size in sizes:
            environ["wsgi.input"].read(size)
        start_response("401 Unauthorized", [("X-Any", "1")])
        return []

    def start(_: str, headers: list[tuple[str, str]]) -> None:
        answered.extend(headers)

    environ = {**sent, "wsgi.input": io.BytesIO(b"body")}
    AnnouncedClose(app)(environ, start)  # type: ignore[arg-type]
    return answered


@pytest.mark.parametrize("sent", [DECLARED, CHUNKED], ids=["declared", "chunked"])
@pytest.mark.parametrize("sizes", [(), (2,), (2, 2)], ids=["nothing", "half", "end-not-seen"])
def test_an_answer_before_the_end_of_a_body_says_that_the_connection_closes(
    sent: dict[str, str], sizes: tuple[int, ...]
) -> None:
    assert headers_of(sent, *sizes) == [("X-Any", "1"), CLOSE]


@pytest.mark.parametrize("sent", [DECLARED, CHUNKED], ids=["declared", "chunked"])
@pytest.mark.parametrize("sizes", [(-1,), (64, 64)], ids=["at-once", "piece-by-piece"])
def test_an_answer_after_the_end_of_a_body_keeps_the_connection(
    sent: dict[str, str], sizes: tuple[int, ...]
) -> None:
    assert headers_of(sent, *sizes) == [("X-Any", "1")]


@pytest.mark.parametrize("sent", [{}, {"CONTENT_LENGTH": "0"}, {"CONTENT_LENGTH": ""}])
def test_an_answer_to_a_request_without_a_body_keeps_the_connection(sent: dict[str, str]) -> None:
    assert headers_of(sent) == [("X-Any", "1")]
