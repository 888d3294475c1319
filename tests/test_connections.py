"""The number of connections, and how long a silent one lives."""

import resource
import socket

import pytest

from butaca import connections
from butaca.connections import MOST, OTHER_FILES, make_room


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
