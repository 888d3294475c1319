"""The link to Redis: the cost of an outage, its log events, and its connections."""

import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import trustme
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from butaca.adapters.deadline import deadline_in
from butaca.adapters.redis import MIN_ADDRESS_TIMEOUT, RedisLink
from tests.adapters.tmdb.raw_server import RawServer
from tests.black_hole import black_hole
from tests.fakes import FakeClock
from tests.valkey_server import valkey_server

REDIS_COOLDOWN = 3.0
HOST = "redis.test"
TLS_HANDSHAKE_RECORD = b"\x16\x03\x03\x40\x00"
"""The header of a 16 KiB TLS handshake record."""

Connect = Callable[..., RedisLink]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def connect(clock: FakeClock) -> Iterator[Connect]:
    """Return a factory of links on the test's clock."""
    links: list[RedisLink] = []

    def connect(url: str, timeout: float = 5.0) -> RedisLink:
        link = RedisLink(url, timeout=timeout, cooldown=REDIS_COOLDOWN, clock=clock.monotonic)
        links.append(link)
        return link

    yield connect
    for link in links:
        link.client.close()


@pytest.fixture
def link(connect: Connect, empty_redis: str) -> RedisLink:
    """A link to an available Redis."""
    return connect(empty_redis)


@pytest.fixture
def hung_url() -> Iterator[str]:
    """The URL of a port that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def closed_url() -> Iterator[str]:
    """The URL of a port that refuses connections: it is reserved, but not listening."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{reserved.getsockname()[1]}/0"


class FakeCall:
    """A call that counts its invocations, and raises `error` if there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.error:
            raise self.error
        return "result"


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg for record in caplog.records]


def test_result_of_the_call_is_returned(link: RedisLink) -> None:
    assert link.attempt(link.client.ping, fallback=False) is True


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError(),
        ResponseError("READONLY"),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failed_call_returns_the_fallback(link: RedisLink, error: Exception) -> None:
    assert link.attempt(FakeCall(error), fallback="fallback") == "fallback"


def test_bug_in_the_call_is_not_hidden(link: RedisLink) -> None:
    with pytest.raises(ZeroDivisionError):
        link.attempt(FakeCall(ZeroDivisionError()), fallback="fallback")


def test_no_call_is_made_during_the_cooldown(link: RedisLink, clock: FakeClock) -> None:
    link.attempt(FakeCall(RedisConnectionError()), fallback="fallback")
    call = FakeCall()
    clock.advance(REDIS_COOLDOWN - 0.01)

    assert link.attempt(call, fallback="fallback") == "fallback"
    assert call.count == 0


def test_calls_resume_after_the_cooldown(link: RedisLink, clock: FakeClock) -> None:
    link.attempt(FakeCall(RedisConnectionError()), fallback="fallback")
    clock.advance(REDIS_COOLDOWN)

    assert link.attempt(FakeCall(), fallback="fallback") == "result"
    assert link.attempt(FakeCall(), fallback="fallback") == "result"


def test_every_failure_starts_a_cooldown(link: RedisLink, clock: FakeClock) -> None:
    call = FakeCall(RedisConnectionError())
    for _ in range(3):
        link.attempt(call, fallback="fallback")
        link.attempt(call, fallback="fallback")
        clock.advance(REDIS_COOLDOWN)

    assert call.count == 3


def test_cooldown_starts_when_the_call_has_failed(link: RedisLink, clock: FakeClock) -> None:
    call = FakeCall(RedisConnectionError())
    link.attempt(call, fallback=None)
    clock.advance(REDIS_COOLDOWN)

    def fail_late() -> None:
        clock.advance(2)
        raise RedisConnectionError

    link.attempt(fail_late, fallback=None)
    clock.advance(REDIS_COOLDOWN - 0.01)
    link.attempt(call, fallback=None)

    assert call.count == 1


def test_one_thread_probes_after_the_cooldown(link: RedisLink, clock: FakeClock) -> None:
    link.attempt(FakeCall(RedisConnectionError()), fallback="fallback")
    clock.advance(REDIS_COOLDOWN)
    call, others_are_done = FakeCall(), Event()

    def slow_call() -> str:
        result = call()
        assert others_are_done.wait(10)
        return result

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(link.attempt, slow_call, "fallback") for _ in range(8)]
        done = as_completed(futures, timeout=10)
        others = [next(done).result() for _ in range(7)]
        others_are_done.set()
        (last,) = (future.result() for future in done)

    assert others == ["fallback"] * 7
    assert last == "result"
    assert call.count == 1


def test_outage_is_logged_once(
    link: RedisLink, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        link.attempt(FakeCall(RedisConnectionError("redis://:secret@host")), fallback=None)
        clock.advance(REDIS_COOLDOWN)

    (line,) = caplog.records
    assert (line.levelno, line.msg) == (logging.ERROR, "redis.unavailable")
    assert vars(line)["reason"] == "ConnectionError"
    assert "secret" not in str(vars(line))


def test_recovery_is_logged_once(
    link: RedisLink, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    link.attempt(FakeCall(RedisConnectionError()), fallback=None)
    clock.advance(REDIS_COOLDOWN)
    for _ in range(3):
        link.attempt(FakeCall(), fallback="fallback")

    assert events(caplog) == ["redis.unavailable", "redis.recovered"]


def test_available_redis_logs_nothing(link: RedisLink, caplog: pytest.LogCaptureFixture) -> None:
    link.attempt(FakeCall(), fallback="fallback")

    assert events(caplog) == []


# --- real servers --------------------------------------------------------------------------


def test_closed_port_fails_immediately(connect: Connect, closed_url: str) -> None:
    link = connect(closed_url)
    started = time.monotonic()

    assert link.attempt(link.client.ping, fallback=False) is False
    assert time.monotonic() - started < 1


def test_call_to_a_hung_server_times_out(connect: Connect, hung_url: str) -> None:
    link = connect(hung_url, timeout=0.2)
    started = time.monotonic()

    assert link.attempt(link.client.ping, fallback=False) is False
    assert 0.19 <= time.monotonic() - started < 1


def test_hung_server_delays_only_the_first_call(connect: Connect, hung_url: str) -> None:
    link = connect(hung_url, timeout=0.4)
    link.attempt(link.client.ping, fallback=False)
    started = time.monotonic()

    for _ in range(10):
        link.attempt(link.client.ping, fallback=False)

    assert time.monotonic() - started < 0.4


@contextmanager
def suspended(server: Any) -> Iterator[None]:
    """Suspend a server (SIGSTOP), and resume it afterwards."""
    server._process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server._process.send_signal(signal.SIGCONT)


def test_replies_match_their_commands_after_a_hang(connect: Connect, clock: FakeClock) -> None:
    with valkey_server() as server:
        link = connect(f"redis://127.0.0.1:{server.port}/0", timeout=0.2)
        client: Any = link.client
        client.set("one", "1")
        with suspended(server):
            assert link.attempt(lambda: client.get("one"), fallback=None) is None
        clock.advance(REDIS_COOLDOWN)

        assert link.attempt(lambda: client.echo("two"), fallback=None) == b"two"


def test_restarted_server_is_used_again(
    connect: Connect, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    with valkey_server() as server:
        link = connect(f"redis://127.0.0.1:{server.port}/0")
        assert link.attempt(link.client.ping, fallback=False)
    assert not link.attempt(link.client.ping, fallback=False)
    clock.advance(REDIS_COOLDOWN)
    with server:
        assert link.attempt(link.client.ping, fallback=False)

    assert events(caplog) == ["redis.unavailable", "redis.recovered"]


# --- connect -------------------------------------------------------------------------------

SetLookup = Callable[[Callable[[], list[str]]], None]


@pytest.fixture
def set_lookup(monkeypatch: pytest.MonkeyPatch) -> SetLookup:
    """Return a function that replaces the lookup of HOST; other hosts are resolved as usual."""
    real_getaddrinfo = socket.getaddrinfo

    def set_lookup(look_up: Callable[[], list[str]]) -> None:
        def getaddrinfo(host: str, *args: Any) -> list[Any]:
            if host != HOST:
                return real_getaddrinfo(host, *args)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in look_up()]

        monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)

    return set_lookup


@pytest.fixture
def hanging_lookup(set_lookup: SetLookup) -> Iterator[None]:
    """Make the lookup of HOST hang until the end of the test."""
    ended = Event()

    def hang() -> list[str]:
        ended.wait()
        return []

    set_lookup(hang)
    yield
    ended.set()


def ping(link: RedisLink) -> bool:
    return link.attempt(link.client.ping, fallback=False)


def connected_socket(link: RedisLink) -> Any:
    """Return the socket of a new connection, which stays open until the link is closed."""
    connection: Any = link.client.connection_pool.get_connection()
    link.client.connection_pool.release(connection)
    return connection._get_socket()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.usefixtures("hanging_lookup")
def test_hanging_lookup_costs_the_timeout(connect: Connect, scheme: str) -> None:
    link = connect(f"{scheme}://{HOST}/0", timeout=0.1)
    started = time.monotonic()

    assert not ping(link)
    assert 0.09 <= time.monotonic() - started < 1


def test_unknown_host_fails_immediately(connect: Connect, set_lookup: SetLookup) -> None:
    def fail() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    set_lookup(fail)
    started = time.monotonic()

    assert not ping(connect(f"redis://{HOST}/0"))
    assert time.monotonic() - started < 1


def test_unresponsive_addresses_share_the_timeout(connect: Connect, set_lookup: SetLookup) -> None:
    set_lookup(lambda: ["127.0.0.1"] * 16)
    with black_hole() as port:
        link = connect(f"redis://{HOST}:{port}/0", timeout=0.2)
        started = time.monotonic()

        assert not ping(link)
        assert 0.19 <= time.monotonic() - started < 1


def test_unresponsive_address_leaves_time_for_the_next(
    connect: Connect, set_lookup: SetLookup, empty_redis: str
) -> None:
    set_lookup(lambda: ["127.0.0.2", "127.0.0.1"])
    with black_hole("127.0.0.2", int(empty_redis.rpartition(":")[2].partition("/")[0])):
        assert ping(connect(empty_redis.replace("127.0.0.1", HOST), timeout=1.0))


def test_host_name_is_resolved(connect: Connect, set_lookup: SetLookup, empty_redis: str) -> None:
    set_lookup(lambda: ["127.0.0.1"])

    assert ping(connect(empty_redis.replace("127.0.0.1", HOST)))


def test_first_of_many_addresses_gets_the_minimum_timeout(
    connect: Connect, set_lookup: SetLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[float] = []

    def create_connection(_: tuple[str, int], timeout: float, **__: Any) -> socket.socket:
        timeouts.append(timeout)
        raise ConnectionRefusedError

    monkeypatch.setattr("butaca.adapters.redis.create_connection", create_connection)
    set_lookup(lambda: ["127.0.0.1"] * 100)
    ping(connect(f"redis://{HOST}/0", timeout=1.0))

    assert timeouts[0] == MIN_ADDRESS_TIMEOUT


def test_ipv6_address_is_supported(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    connected_to: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected_to.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("butaca.adapters.redis.create_connection", create_connection)
    monkeypatch.setattr("butaca.adapters.resolver.allowed_gai_family", lambda: socket.AF_UNSPEC)
    ping(connect("redis://[::1]:6380/0"))

    assert connected_to == [("::1", 6380)]


def test_deadline_of_a_call_to_tmdb_does_not_apply_to_redis(link: RedisLink) -> None:
    with deadline_in(0):
        assert ping(link)


def test_replies_have_the_whole_timeout_after_a_slow_connect(
    connect: Connect, set_lookup: SetLookup, empty_redis: str
) -> None:
    set_lookup(lambda: ["127.0.0.2", "127.0.0.1"])
    link = connect(empty_redis.replace("127.0.0.1", HOST), timeout=2.0)

    assert connected_socket(link).gettimeout() == 2.0


def test_commands_are_sent_immediately_and_idle_connections_are_checked(link: RedisLink) -> None:
    sock = connected_socket(link)

    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60


def test_server_is_not_asked_to_announce_maintenance(link: RedisLink) -> None:
    client: Any = link.client
    client.config_resetstat()
    client.connection_pool.disconnect()

    assert ping(link)
    assert client.info("errorstats") == {}  # It would reject the request.


# --- TLS -----------------------------------------------------------------------------------


@pytest.fixture
def ca() -> trustme.CA:
    """A certificate authority for 127.0.0.1."""
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> Path:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def tls_port(ca: trustme.CA, empty_redis: str) -> Iterator[int]:
    """The port of a proxy that accepts one TLS connection to Redis."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    redis_port = int(empty_redis.rpartition(":")[2].partition("/")[0])

    def serve() -> None:
        with (
            suppress(OSError),  # The client rejects the certificate.
            listener.accept()[0] as accepted,
            context.wrap_socket(accepted, server_side=True) as client,
            socket.create_connection(("127.0.0.1", redis_port)) as redis,
        ):
            while command := client.recv(65536):
                redis.sendall(command)
                client.sendall(redis.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
    thread.join(10)


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


def test_redis_is_used_over_tls(connect: Connect, tls_port: int, ca_file: Path) -> None:
    link = connect(f"rediss://127.0.0.1:{tls_port}/0?ssl_ca_certs={ca_file}")

    assert ping(link)
    assert connected_socket(link).gettimeout() == 5.0
    link.client.close()


def test_untrusted_certificate_is_rejected(connect: Connect, tls_port: int) -> None:
    assert not ping(connect(f"rediss://127.0.0.1:{tls_port}/0"))


@pytest.mark.parametrize(
    "response", [TLS_HANDSHAKE_RECORD + bytes(1000), b""], ids=["slow", "silent"]
)
def test_endless_handshake_costs_the_timeout(
    connect: Connect, raw_server: RawServer, response: bytes
) -> None:
    raw_server.response = response or b"\0"
    raw_server.byte_delay = 0.005 if response else 600
    link = connect(raw_server.url.replace("http", "rediss"), timeout=0.3)
    started = time.monotonic()

    assert not ping(link)
    assert 0.29 <= time.monotonic() - started < 1.2
