"""The limit on connections, their socket options, and announcements of a close."""

import errno
import io
import os
import resource
import socket
import time
from collections.abc import Iterable
from typing import Any

import pytest

from butaca import connections
from butaca.connections import MAX_CONNECTIONS, OTHER_FILES, CloseAnnouncer, raise_file_limit


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The soft and hard limits on open files; the last pair is in effect."""
    limits = [(1024, 524_288)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    return limits


def test_file_limit_is_raised_if_the_hard_limit_allows_it(limits: list[tuple[int, int]]) -> None:
    assert raise_file_limit() == MAX_CONNECTIONS
    assert limits[-1] == (MAX_CONNECTIONS + OTHER_FILES, 524_288)


def test_file_limit_is_raised_if_there_is_no_hard_limit(limits: list[tuple[int, int]]) -> None:
    limits.append((1024, resource.RLIM_INFINITY))
    assert raise_file_limit() == MAX_CONNECTIONS
    assert limits[-1] == (MAX_CONNECTIONS + OTHER_FILES, resource.RLIM_INFINITY)


def test_low_hard_limit_reduces_the_connections(limits: list[tuple[int, int]]) -> None:
    limits.append((1024, 1024))
    assert raise_file_limit() == 1024 - OTHER_FILES


def test_sufficient_file_limit_is_not_changed(limits: list[tuple[int, int]]) -> None:
    limits.append((100_000, 100_000))
    assert raise_file_limit() == MAX_CONNECTIONS
    assert len(limits) == 2


def test_accepted_connections_inherit_the_tcp_options() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections.set_tcp_options(listener)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            timeout = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert timeout == connections.SEND_TIMEOUT * 1000


def test_only_connections_accepted_at_the_port_are_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0]:
            found = list(connections._accepted_connections(port))
            peers = [sock.getpeername() for sock in found if connections._is_established(sock)]
            for sock in found:
                sock.close()
            assert peers == [client.getsockname()]


def test_closing_a_found_connection_does_not_close_the_original() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client, listener.accept()[0] as accepted:
            for sock in connections._accepted_connections(address[1]):
                sock.close()
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"


class LastCheck(Exception):
    """Ends the loop of checks, which is otherwise endless."""


def test_connections_are_checked_again_after_a_failed_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = iter([OSError(errno.EMFILE, "Too many open files"), LastCheck()])

    def listdir(_: str) -> None:
        raise next(results)

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "listdir", listdir)

    with pytest.raises(LastCheck):
        connections._close_stalled(8000)


DECLARED = {"CONTENT_LENGTH": "4"}
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked"}
CLOSE = ("Connection", "close")


def response_headers(request_headers: dict[str, str], *sizes: int) -> list[tuple[str, str]]:
    """Return the headers of an app that reads chunks of these sizes before it responds."""
    received: list[tuple[str, str]] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for size in sizes:
            environ["wsgi.input"].read(size)
        start_response("401 Unauthorized", [("X-Any", "1")])
        return []

    def start(_: str, headers: list[tuple[str, str]]) -> None:
        received.extend(headers)

    environ = {**request_headers, "wsgi.input": io.BytesIO(b"body")}
    CloseAnnouncer(app)(environ, start)  # type: ignore[arg-type]
    return received


@pytest.mark.parametrize("request_headers", [DECLARED, CHUNKED], ids=["declared", "chunked"])
@pytest.mark.parametrize("sizes", [(), (2,), (2, 2)], ids=["unread", "half-read", "end-not-seen"])
def test_response_sent_before_the_body_is_read_has_connection_close(
    request_headers: dict[str, str], sizes: tuple[int, ...]
) -> None:
    assert response_headers(request_headers, *sizes) == [("X-Any", "1"), CLOSE]


@pytest.mark.parametrize("request_headers", [DECLARED, CHUNKED], ids=["declared", "chunked"])
@pytest.mark.parametrize("sizes", [(-1,), (64, 64)], ids=["whole", "chunks"])
def test_response_sent_after_the_body_is_read_has_no_connection_close(
    request_headers: dict[str, str], sizes: tuple[int, ...]
) -> None:
    assert response_headers(request_headers, *sizes) == [("X-Any", "1")]


@pytest.mark.parametrize("request_headers", [{}, {"CONTENT_LENGTH": "0"}, {"CONTENT_LENGTH": ""}])
def test_request_without_a_body_gets_no_connection_close(
    request_headers: dict[str, str],
) -> None:
    assert response_headers(request_headers) == [("X-Any", "1")]
