"""DNS lookups with a timeout, a deadline and limited threads, and connecting to any address."""

import socket
from collections.abc import Iterator
from threading import Event, Thread
from threading import enumerate as threads
from typing import Any

import pytest

from butaca.adapters.deadline import deadline_in
from butaca.adapters.resolver import Resolver, connect_to_any

SHORT_TIMEOUT = 0.05
"""The timeout, in seconds, of lookups that hang."""


@pytest.fixture
def resolver() -> Resolver:
    """A resolver with one thread."""
    return Resolver(max_threads=1)


@pytest.fixture
def unblock_lookups(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Make every lookup hang until this event is set."""
    event = Event()
    look_up = socket.getaddrinfo

    def hang(*args: Any) -> Any:
        event.wait()
        return look_up(*args)

    monkeypatch.setattr("socket.getaddrinfo", hang)
    yield event
    event.set()


def test_ip_address_resolves_to_itself() -> None:
    assert Resolver().addresses("127.0.0.1", 80, None) == ["127.0.0.1"]


def test_unknown_host_raises_gaierror(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fail)

    with pytest.raises(socket.gaierror, match="not known"):
        resolver.addresses("tmdb.test", 80, 30)


@pytest.mark.parametrize("host", ["x" * 64, "redis..test"])
def test_invalid_host_name_raises_gaierror(resolver: Resolver, host: str) -> None:
    with pytest.raises(socket.gaierror, match="label"):
        resolver.addresses(host, 80, 30)


def test_lookup_ends_at_its_timeout(resolver: Resolver, unblock_lookups: Event) -> None:
    with pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, SHORT_TIMEOUT)


def test_lookup_ends_at_the_deadline(resolver: Resolver, unblock_lookups: Event) -> None:
    with deadline_in(SHORT_TIMEOUT), pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, 30)


def test_lookup_after_the_deadline_times_out(resolver: Resolver) -> None:
    with deadline_in(0), pytest.raises(TimeoutError, match="deadline"):
        resolver.addresses("127.0.0.1", 80, 30)


def test_hanging_lookups_do_not_exceed_the_thread_limit(
    resolver: Resolver, unblock_lookups: Event
) -> None:
    before = set(threads())
    for _ in range(3):
        with pytest.raises(TimeoutError):
            resolver.addresses("127.0.0.1", 80, SHORT_TIMEOUT)

    assert len(set(threads()) - before) == 1


def test_lookup_threads_are_daemons(resolver: Resolver, unblock_lookups: Event) -> None:
    before = set(threads())
    with pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, SHORT_TIMEOUT)

    assert [thread.daemon for thread in set(threads()) - before] == [True]


def test_late_lookup_frees_its_thread(resolver: Resolver, unblock_lookups: Event) -> None:
    with pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, SHORT_TIMEOUT)
    unblock_lookups.set()

    assert resolver.addresses("127.0.0.1", 80, 30) == ["127.0.0.1"]


def test_thread_that_cannot_start_frees_its_slot(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", fail)
        with pytest.raises(OSError, match="no thread"):
            resolver.addresses("127.0.0.1", 80, 30)

    assert resolver.addresses("127.0.0.1", 80, 30) == ["127.0.0.1"]


# --- connect -------------------------------------------------------------------------------


class FakeNetwork:
    """A network on which only some addresses accept connections."""

    def __init__(self, *reachable: str) -> None:
        self.reachable = reachable
        self.attempts: list[tuple[str, int]] = []
        self.socket = socket.socket()
        self.socket.close()

    def connect(self, address: str, remaining: int) -> socket.socket:
        self.attempts.append((address, remaining))
        if address not in self.reachable:
            raise ConnectionRefusedError(address)
        return self.socket


def test_addresses_are_tried_until_one_accepts() -> None:
    network = FakeNetwork("two", "three")

    assert connect_to_any(["one", "two", "three"], network.connect) is network.socket
    assert network.attempts == [("one", 3), ("two", 2)]


def test_error_of_the_last_address_is_raised() -> None:
    with pytest.raises(ConnectionRefusedError, match="two"):
        connect_to_any(["one", "two"], FakeNetwork().connect)


def test_host_without_addresses_cannot_be_reached() -> None:
    with pytest.raises(OSError, match="no addresses"):
        connect_to_any([], FakeNetwork().connect)
