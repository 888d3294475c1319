"""The link to Redis: what an unreachable Redis costs, and what is logged about it."""

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
from tests.own_valkey import own_valkey

REST = 3.0
Connect = Callable[..., RedisLink]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def connect(clock: FakeClock) -> Iterator[Connect]:
    """Return what makes a link on the test's clock."""
    links: list[RedisLink] = []

    def connect(url: str, timeout: float = 5.0) -> RedisLink:
        link = RedisLink(url, timeout=timeout, rest=REST, clock=clock.monotonic)
        links.append(link)
        return link

    yield connect
    for link in links:
        link.client.close()


@pytest.fixture
def link(connect: Connect, empty_redis: str) -> RedisLink:
    """A link to a Redis that is there."""
    return connect(empty_redis)


@pytest.fixture
def hung_url() -> Iterator[str]:
    """The URL of a port that takes connections, and where nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def closed_url() -> Iterator[str]:
    """The URL of a port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{taken.getsockname()[1]}/0"


class Calls:
    """A call that counts itself, and fails while it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.error:
            raise self.error
        return "answer"


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg for record in caplog.records]


def test_what_the_call_returns_is_returned(link: RedisLink) -> None:
    assert link.attempt(link.client.ping, otherwise=False) is True


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
def test_a_call_that_fails_is_otherwise(link: RedisLink, error: Exception) -> None:
    assert link.attempt(Calls(error), otherwise="otherwise") == "otherwise"


def test_a_mistake_of_ours_is_not_hidden(link: RedisLink) -> None:
    with pytest.raises(ZeroDivisionError):
        link.attempt(Calls(ZeroDivisionError()), otherwise="otherwise")


def test_after_a_failure_no_call_is_made_until_the_rest_is_over(
    link: RedisLink, clock: FakeClock
) -> None:
    link.attempt(Calls(RedisConnectionError()), otherwise="otherwise")
    calls = Calls()
    clock.move(REST - 0.01)

    assert link.attempt(calls, otherwise="otherwise") == "otherwise"
    assert calls.count == 0


def test_after_the_rest_a_call_is_made(link: RedisLink, clock: FakeClock) -> None:
    link.attempt(Calls(RedisConnectionError()), otherwise="otherwise")
    clock.move(REST)

    assert link.attempt(Calls(), otherwise="otherwise") == "answer"
    assert link.attempt(Calls(), otherwise="otherwise") == "answer"


def test_every_failure_is_followed_by_a_rest(link: RedisLink, clock: FakeClock) -> None:
    calls = Calls(RedisConnectionError())
    for _ in range(3):
        link.attempt(calls, otherwise="otherwise")
        link.attempt(calls, otherwise="otherwise")
        clock.move(REST)

    assert calls.count == 3


def test_a_rest_begins_when_the_call_has_failed(link: RedisLink, clock: FakeClock) -> None:
    calls = Calls(RedisConnectionError())
    link.attempt(calls, otherwise=None)
    clock.move(REST)

    def fail_late() -> None:
        clock.move(2)
        raise RedisConnectionError

    link.attempt(fail_late, otherwise=None)
    clock.move(REST - 0.01)
    link.attempt(calls, otherwise=None)

    assert calls.count == 1


def test_after_the_rest_one_thread_tries_and_the_others_do_not(
    link: RedisLink, clock: FakeClock
) -> None:
    link.attempt(Calls(RedisConnectionError()), otherwise="otherwise")
    clock.move(REST)
    calls, others_are_done = Calls(), Event()

    def slow_call() -> str:
        answer = calls()
        assert others_are_done.wait(10)
        return answer

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(link.attempt, slow_call, "otherwise") for _ in range(8)]
        done = as_completed(futures, timeout=10)
        others = [next(done).result() for _ in range(7)]
        others_are_done.set()
        (last,) = (future.result() for future in done)

    assert others == ["otherwise"] * 7
    assert last == "answer"
    assert calls.count == 1


def test_one_line_is_said_on_the_way_down(
    link: RedisLink, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        link.attempt(Calls(RedisConnectionError("redis://:secret@host")), otherwise=None)
        clock.move(REST)

    (line,) = caplog.records
    assert (line.levelno, line.msg) == (logging.ERROR, "redis.went_away")
    assert vars(line)["reason"] == "ConnectionError"
    assert "secret" not in str(vars(line))


def test_one_line_is_said_on_the_way_up(
    link: RedisLink, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    link.attempt(Calls(RedisConnectionError()), otherwise=None)
    clock.move(REST)
    for _ in range(3):
        link.attempt(Calls(), otherwise="otherwise")

    assert events(caplog) == ["redis.went_away", "redis.came_back"]


def test_a_redis_that_is_there_is_nothing_to_talk_about(
    link: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    link.attempt(Calls(), otherwise="otherwise")

    assert events(caplog) == []


# --- real servers --------------------------------------------------------------------------


def test_nobody_listening_is_told_at_once(connect: Connect, closed_url: str) -> None:
    link = connect(closed_url)
    started = time.monotonic()

    assert link.attempt(link.client.ping, otherwise=False) is False
    assert time.monotonic() - started < 1


def test_a_hung_server_costs_its_timeout(connect: Connect, hung_url: str) -> None:
    link = connect(hung_url, timeout=0.2)
    started = time.monotonic()

    assert link.attempt(link.client.ping, otherwise=False) is False
    assert 0.19 <= time.monotonic() - started < 1


def test_a_hung_server_costs_its_timeout_once(connect: Connect, hung_url: str) -> None:
    link = connect(hung_url, timeout=0.4)
    link.attempt(link.client.ping, otherwise=False)
    started = time.monotonic()

    for _ in range(10):
        link.attempt(link.client.ping, otherwise=False)

    assert time.monotonic() - started < 0.4


@contextmanager
def stopped(server: Any) -> Iterator[None]:
    """Let a server hang (SIGSTOP), and go on."""
    server._process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server._process.send_signal(signal.SIGCONT)


def test_after_a_server_hung_every_answer_is_to_its_own_question(
    connect: Connect, clock: FakeClock
) -> None:
    with own_valkey() as server:
        link = connect(f"redis://127.0.0.1:{server.port}/0", timeout=0.2)
        client: Any = link.client
        client.set("one", "1")
        with stopped(server):
            assert link.attempt(lambda: client.get("one"), otherwise=None) is None
        clock.move(REST)

        assert link.attempt(lambda: client.echo("two"), otherwise=None) == b"two"


def test_a_server_that_died_and_came_back_is_used_again(
    connect: Connect, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    with own_valkey() as server:
        link = connect(f"redis://127.0.0.1:{server.port}/0")
        assert link.attempt(link.client.ping, otherwise=False)
    assert not link.attempt(link.client.ping, otherwise=False)
    clock.move(REST)
    with server:
        assert link.attempt(link.client.ping, otherwise=False)

    assert events(caplog) == ["redis.went_away", "redis.came_back"]
