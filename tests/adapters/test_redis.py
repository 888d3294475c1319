"""The link to Redis: the cost of an outage, and its log events."""

import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from butaca.adapters.redis import RedisLink
from tests.fakes import FakeClock
from tests.valkey_server import valkey_server

REDIS_COOLDOWN = 3.0
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
