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

from butaca.adapters.deadline import seconds_left, within
from butaca.adapters.tmdb import deadline
from butaca.adapters.tmdb.deadline import DeadlineAdapter
from butaca.sandbox import Fault, Sandbox
from tests.adapters.tmdb.wire import OK, Wire
from tests.black_hole import black_hole

HOST = "tmdb.test"
RECORD = b"\x16\x03\x03\x40\x00"
"""The head of a TLS record of 16 KiB that belongs to a handshake."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Somebody who vouches for 127.0.0.1."""
    return trustme.CA()


@pytest.fixture
def session(authority: trustme.CA, tmp_path: Path) -> Iterator[requests.Session]:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(tmp_path / "authority.pem")
        session.mount("http://", DeadlineAdapter())
        session.mount("https://", DeadlineAdapter())
        yield session


@pytest.fixture
def secure_wire(authority: trustme.CA) -> Iterator[Wire]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    running = Wire(context)
    yield running
    running.close()


@pytest.fixture
def known(resolve: Callable[..., None]) -> Callable[..., None]:
    """Return what gives HOST its addresses."""

    def known(*addresses: str) -> None:
        resolve(lambda: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in addresses])

    return known


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what sets how HOST is looked up; other hosts are what they are."""
    others = socket.getaddrinfo

    def resolve(look_up: Callable[[], list[Any]]) -> None:
        monkeypatch.setattr(
            "socket.getaddrinfo",
            lambda host, *args: look_up() if host == HOST else others(host, *args),
        )

    return resolve


@pytest.fixture
def late() -> Iterator[Event]:
    """Something that does not happen before the test is over."""
    event = Event()
    yield event
    event.set()


def at_host(url: str) -> str:
    return url.replace("127.0.0.1", HOST)


def test_without_any_limit_an_answer_is_read(session: requests.Session, wire: Wire) -> None:
    wire.answer = OK + b"\r\n{}"

    assert session.get(wire.url, timeout=None).content == b"{}"


def test_the_read_timeout_holds_without_a_deadline(
    session: requests.Session, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("hang"))

    with pytest.raises(requests.ReadTimeout):
        session.get(sandbox.url, timeout=0.05)


def test_nothing_is_read_after_the_deadline(session: requests.Session, sandbox: Sandbox) -> None:
    session.get(sandbox.url, timeout=30)

    with within(0), pytest.raises(requests.ReadTimeout):
        session.get(sandbox.url, timeout=30)


def test_nobody_is_met_after_the_deadline(session: requests.Session, wire: Wire) -> None:
    with within(0), pytest.raises(requests.ConnectTimeout):
        session.get(wire.url, timeout=30)

    assert wire.requests == []


def test_a_connection_forgets_the_deadline_of_the_call_before(
    session: requests.Session, sandbox: Sandbox
) -> None:
    with within(0.15):
        session.get(sandbox.url, timeout=30)
    sandbox.inject(Fault("delay", seconds=0.2))

    assert session.get(sandbox.url, timeout=30).status_code == 401


def test_an_answer_is_read_over_tls(session: requests.Session, secure_wire: Wire) -> None:
    secure_wire.answer = OK + b"\r\n{}"

    with within(30):
        assert session.get(secure_wire.url, timeout=30).content == b"{}"


@pytest.mark.parametrize("head", [b"", OK + b"Content-Length: 1000\r\n\r\n"], ids=["head", "body"])
def test_dripping_over_tls_ends_at_the_deadline(
    session: requests.Session, secure_wire: Wire, head: bytes
) -> None:
    secure_wire.answer = head + OK * 20
    secure_wire.drip = 0.005
    started = time.monotonic()

    with within(0.3), pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
        session.get(secure_wire.url, timeout=30)

    assert 0.29 <= time.monotonic() - started < 1.2


# --- meeting -------------------------------------------------------------------------------


def test_an_address_that_refuses_gives_its_turn_to_the_next(
    session: requests.Session, wire: Wire, known: Callable[..., None]
) -> None:
    known("127.0.0.2", "127.0.0.1")
    wire.answer = OK + b"\r\n{}"

    assert session.get(at_host(wire.url), timeout=30).content == b"{}"


def test_an_address_that_never_answers_leaves_time_for_the_next(
    session: requests.Session, wire: Wire, known: Callable[..., None]
) -> None:
    known("127.0.0.2", "127.0.0.1")
    wire.answer = OK + b"\r\n{}"

    with within(1.0), black_hole("127.0.0.2", int(wire.url.rpartition(":")[2])):
        assert session.get(at_host(wire.url), timeout=30).content == b"{}"
        assert 0 < seconds_left() <= 0.5


def test_each_address_has_the_connect_timeout(
    session: requests.Session, known: Callable[..., None]
) -> None:
    known("127.0.0.1", "127.0.0.1", "127.0.0.1")
    started = time.monotonic()

    with within(30), black_hole() as port, pytest.raises(requests.ConnectTimeout):
        session.get(f"http://{HOST}:{port}", timeout=0.1)

    assert 0.3 <= time.monotonic() - started < 1.3


def test_many_addresses_that_never_answer_end_at_the_deadline(
    session: requests.Session, known: Callable[..., None]
) -> None:
    known(*["127.0.0.1"] * 8)
    with black_hole() as port:
        started = time.monotonic()
        with within(0.6), pytest.raises(requests.ConnectTimeout):
            session.get(f"http://{HOST}:{port}", timeout=0.5)

    assert 0.6 <= time.monotonic() - started < 1.5


def test_a_host_that_is_not_known_cannot_be_met(
    session: requests.Session, resolve: Callable[..., None]
) -> None:
    def fail() -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    resolve(fail)

    with pytest.raises(requests.ConnectionError, match="not known"):
        session.get(f"http://{HOST}", timeout=30)


def test_a_host_without_addresses_cannot_be_met(
    session: requests.Session, known: Callable[..., None]
) -> None:
    known()

    with pytest.raises(requests.ConnectionError, match="has no addresses"):
        session.get(f"http://{HOST}", timeout=30)


def test_a_socket_that_comes_too_late_is_closed(
    session: requests.Session, wire: Wire, late: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:
        opened.append(socket.create_connection(address))
        late.wait(seconds_left())
        return opened[0]

    monkeypatch.setattr(deadline, "create_connection", connect)
    with within(0.05), pytest.raises(requests.ConnectTimeout):
        session.get(wire.url, timeout=30)

    assert opened[0].fileno() == -1


# --- shaking hands -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(30, 0.3), (0.3, 30)], ids=["deadline", "timeout"]
)
@pytest.mark.parametrize("answer", [RECORD + bytes(1000), b""], ids=["drips", "is silent"])
def test_a_handshake_without_end_ends(
    session: requests.Session, wire: Wire, answer: bytes, timeout: float, seconds: float
) -> None:
    wire.answer = answer or b"\0"
    wire.drip = 0.005 if answer else 600
    started = time.monotonic()

    with within(seconds), pytest.raises(requests.ReadTimeout):
        session.get(wire.url.replace("http", "https"), timeout=timeout)

    assert 0.29 <= time.monotonic() - started < 1.2


# --- finding -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(30, 0.1), (0.1, 30)], ids=["deadline", "timeout"]
)
def test_a_lookup_without_end_ends(
    session: requests.Session,
    resolve: Callable[..., None],
    late: Event,
    timeout: float,
    seconds: float,
) -> None:
    resolve(late.wait)
    started = time.monotonic()

    with within(seconds), pytest.raises(requests.ConnectTimeout):
        session.get(f"http://{HOST}", timeout=timeout)

    assert 0.1 <= time.monotonic() - started < 1.0
