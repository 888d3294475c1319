"""Connections that stop reading at a deadline, with TLS and without."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme

from butaca.adapters.deadline import within
from butaca.adapters.tmdb.deadline import DeadlineAdapter
from butaca.sandbox import Fault, Sandbox
from tests.adapters.tmdb.wire import OK, Wire


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


def test_without_any_limit_an_answer_is_read(session: requests.Session, wire: Wire) -> None:
    wire.answer = OK + b"\r\n{}"

    assert session.get(wire.url, timeout=None).content == b"{}"


def test_the_read_timeout_holds_without_a_deadline(
    session: requests.Session, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault("hang"))

    with pytest.raises(requests.ReadTimeout):
        session.get(sandbox.url, timeout=0.05)


def test_nothing_is_read_after_the_deadline(session: requests.Session, wire: Wire) -> None:
    wire.answer = OK + b"\r\n{}"

    with within(0), pytest.raises(requests.ReadTimeout):
        session.get(wire.url, timeout=30)


def test_a_connection_forgets_the_deadline_of_the_call_before(
    session: requests.Session, sandbox: Sandbox
) -> None:
    with within(0.15):
        session.get(sandbox.url, timeout=30)
    sandbox.break_with(Fault("delay", seconds=0.2))

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
