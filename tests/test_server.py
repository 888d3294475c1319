"""Ports that are ours, and ports that are not."""

import socket

import pytest

from butaca.complaint import Complaint
from butaca.server import check_port, free_port


def test_a_free_port_can_be_listened_at() -> None:
    port = free_port("127.0.0.1")
    check_port("127.0.0.1", port)
    socket.create_server(("127.0.0.1", port)).close()


def test_a_taken_port_is_a_complaint() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(Complaint, match="Address already in use"),
    ):
        check_port("127.0.0.1", taken.getsockname()[1])


def test_a_host_that_is_not_ours_is_a_complaint() -> None:
    with pytest.raises(Complaint, match="Port 8000 of 192\\.0\\.2\\.1: "):
        check_port("192.0.2.1", 8000)
