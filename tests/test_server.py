"""Free ports, bound ports, and ports that cannot be bound."""

import socket

import pytest

from butaca.operator_error import OperatorError
from butaca.server import bind, free_port


def test_free_port_can_be_bound() -> None:
    port = free_port("127.0.0.1")
    with bind("127.0.0.1", port) as sock:
        assert sock.getsockname() == ("127.0.0.1", port)


def test_bound_port_is_not_returned_as_free() -> None:
    with bind("127.0.0.1", 0) as listener:
        free_ports = {free_port("127.0.0.1") for _ in range(100)}
        assert listener.getsockname()[1] not in free_ports


def test_bound_port_refuses_connections_until_it_is_served() -> None:
    with bind("127.0.0.1", 0) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname(), timeout=10)


def test_port_in_use_raises_operator_error() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OperatorError, match="Address already in use"),
    ):
        bind("127.0.0.1", taken.getsockname()[1])


def test_unusable_host_raises_operator_error() -> None:
    with pytest.raises(OperatorError, match="Cannot listen on port 8000 of 192\\.0\\.2\\.1: "):
        bind("192.0.2.1", 8000)
