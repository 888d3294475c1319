"""Connections with a deadline: lookup, connect and read, with and without TLS."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests
import trustme

from butaca.adapters.deadline import deadline_in, seconds_left
from butaca.adapters.tmdb import deadline
from butaca.adapters.tmdb.deadline import DeadlineAdapter
from butaca.sandbox import Fault, Sandbox
from tests.adapters.tmdb.raw_server import OK, RawServer
from tests.black_hole import black_hole

HOST = "tmdb.test"
TLS_HANDSHAKE_RECORD = b"\x16\x03\x03\x40\x00"
"""The header of a 16 KiB TLS handshake record."""


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """A certificate authority for 127.0.0.1."""
    return trustme.CA()


@pytest.fixture
def session(ca: trustme.CA, tmp_path: Path) -> Iterator[requests.Session]:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(tmp_path / "ca.pem")
        session.mount("http://", DeadlineAdapter())
        session.mount("https://", DeadlineAdapter())
        yield session


@pytest.fixture
def tls_server(ca: trustme.CA) -> Iterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    server = RawServer(context)
    yield server
    server.close()


@pytest.fixture
def set_addresses(set_lookup: Callable[..., None]) -> Callable[..., None]:
    """Return a function that sets the addresses of HOST."""

    def set_addresses(*addresses: str) -> None:
        set_lookup(lambda: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in addresses])

    return set_addresses


@pytest.fixture
def set_lookup(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that replaces the lookup of HOST; other hosts are resolved as usual."""
    real_getaddrinfo = socket.getaddrinfo

    def set_lookup(look_up: Callable[[], list[Any]]) -> None:
        monkeypatch.setattr(
            "socket.getaddrinfo",
            lambda host, *args: look_up() if host == HOST else real_getaddrinfo(host, *args),
        )

    return set_lookup


@pytest.fixture
def never_set() -> Iterator[Event]:
    """An event that is not set before the end of the test."""
    event = Event()
    yield event
    event.set()


def at_test_host(url: str) -> str:
    return url.replace("127.0.0.1", HOST)


def test_response_is_read_without_timeout_and_deadline(
    session: requests.Session, raw_server: RawServer
) -> None:
    raw_server.response = OK + b"\r\n{}"

    assert session.get(raw_server.url, timeout=None).content == b"{}"


def test_read_timeout_applies_without_a_deadline(
    session: requests.Session, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("hang"))

    with pytest.raises(requests.ReadTimeout):
        session.get(sandbox.url, timeout=0.05)


def test_read_after_the_deadline_times_out(session: requests.Session, sandbox: Sandbox) -> None:
    session.get(sandbox.url, timeout=30)

    with deadline_in(0), pytest.raises(requests.ReadTimeout):
        session.get(sandbox.url, timeout=30)


def test_connect_after_the_deadline_times_out(
    session: requests.Session, raw_server: RawServer
) -> None:
    with deadline_in(0), pytest.raises(requests.ConnectTimeout):
        session.get(raw_server.url, timeout=30)

    assert raw_server.requests == []


def test_reused_connection_ignores_the_previous_deadline(
    session: requests.Session, sandbox: Sandbox
) -> None:
    with deadline_in(0.15):
        session.get(sandbox.url, timeout=30)
    sandbox.inject(Fault("delay", seconds=0.2))

    assert session.get(sandbox.url, timeout=30).status_code == 401


def test_response_is_read_over_tls(session: requests.Session, tls_server: RawServer) -> None:
    tls_server.response = OK + b"\r\n{}"

    with deadline_in(30):
        assert session.get(tls_server.url, timeout=30).content == b"{}"


@pytest.mark.parametrize("head", [b"", OK + b"Content-Length: 1000\r\n\r\n"], ids=["head", "body"])
def test_slow_response_over_tls_ends_at_the_deadline(
    session: requests.Session, tls_server: RawServer, head: bytes
) -> None:
    tls_server.response = head + OK * 20
    tls_server.byte_delay = 0.005
    started = time.monotonic()

    with deadline_in(0.3), pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
        session.get(tls_server.url, timeout=30)

    assert 0.29 <= time.monotonic() - started < 1.2


# --- connect -------------------------------------------------------------------------------


def test_next_address_is_tried_if_one_refuses_connections(
    session: requests.Session, raw_server: RawServer, set_addresses: Callable[..., None]
) -> None:
    set_addresses("127.0.0.2", "127.0.0.1")
    raw_server.response = OK + b"\r\n{}"

    assert session.get(at_test_host(raw_server.url), timeout=30).content == b"{}"


def test_unresponsive_address_leaves_time_for_the_next(
    session: requests.Session, raw_server: RawServer, set_addresses: Callable[..., None]
) -> None:
    set_addresses("127.0.0.2", "127.0.0.1")
    raw_server.response = OK + b"\r\n{}"

    with deadline_in(1.0), black_hole("127.0.0.2", int(raw_server.url.rpartition(":")[2])):
        assert session.get(at_test_host(raw_server.url), timeout=30).content == b"{}"
        assert 0 < seconds_left() <= 0.5


def test_connect_timeout_applies_to_each_address(
    session: requests.Session, set_addresses: Callable[..., None]
) -> None:
    set_addresses("127.0.0.1", "127.0.0.1", "127.0.0.1")
    started = time.monotonic()

    with deadline_in(30), black_hole() as port, pytest.raises(requests.ConnectTimeout):
        session.get(f"http://{HOST}:{port}", timeout=0.1)

    assert 0.3 <= time.monotonic() - started < 1.3


def test_many_unresponsive_addresses_end_at_the_deadline(
    session: requests.Session, set_addresses: Callable[..., None]
) -> None:
    set_addresses(*["127.0.0.1"] * 8)
    with black_hole() as port:
        started = time.monotonic()
        with deadline_in(0.6), pytest.raises(requests.ConnectTimeout):
            session.get(f"http://{HOST}:{port}", timeout=0.5)

    assert 0.6 <= time.monotonic() - started < 1.5


def test_unknown_host_is_a_connection_error(
    session: requests.Session, set_lookup: Callable[..., None]
) -> None:
    def fail() -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    set_lookup(fail)

    with pytest.raises(requests.ConnectionError, match="not known"):
        session.get(f"http://{HOST}", timeout=30)


def test_host_without_addresses_is_a_connection_error(
    session: requests.Session, set_addresses: Callable[..., None]
) -> None:
    set_addresses()

    with pytest.raises(requests.ConnectionError, match="has no addresses"):
        session.get(f"http://{HOST}", timeout=30)


def test_socket_connected_too_late_is_closed(
    session: requests.Session,
    raw_server: RawServer,
    never_set: Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[socket.socket] = []

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:
        opened.append(socket.create_connection(address))
        never_set.wait(seconds_left())
        return opened[0]

    monkeypatch.setattr(deadline, "create_connection", connect)
    with deadline_in(0.05), pytest.raises(requests.ConnectTimeout):
        session.get(raw_server.url, timeout=30)

    assert opened[0].fileno() == -1


# --- TLS handshake -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(30, 0.3), (0.3, 30)], ids=["deadline", "timeout"]
)
@pytest.mark.parametrize(
    "response", [TLS_HANDSHAKE_RECORD + bytes(1000), b""], ids=["slow", "silent"]
)
def test_endless_handshake_ends_at_the_timeout_or_deadline(
    session: requests.Session,
    raw_server: RawServer,
    response: bytes,
    timeout: float,
    seconds: float,
) -> None:
    raw_server.response = response or b"\0"
    raw_server.byte_delay = 0.005 if response else 600
    started = time.monotonic()

    with deadline_in(seconds), pytest.raises(requests.ReadTimeout):
        session.get(raw_server.url.replace("http", "https"), timeout=timeout)

    assert 0.29 <= time.monotonic() - started < 1.2


# --- lookup --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(30, 0.1), (0.1, 30)], ids=["deadline", "timeout"]
)
def test_endless_lookup_ends_at_the_timeout_or_deadline(
    session: requests.Session,
    set_lookup: Callable[..., None],
    never_set: Event,
    timeout: float,
    seconds: float,
) -> None:
    set_lookup(never_set.wait)
    started = time.monotonic()

    with deadline_in(seconds), pytest.raises(requests.ConnectTimeout):
        session.get(f"http://{HOST}", timeout=timeout)

    assert 0.1 <= time.monotonic() - started < 1.0
