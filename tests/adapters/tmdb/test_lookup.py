"""DNS lookups: in time or not at all, and with a limited number of threads."""

import socket
from collections.abc import Iterator
from threading import Event, Thread
from threading import enumerate as threads
from typing import Any

import pytest

from butaca.adapters.deadline import deadline_in
from butaca.adapters.tmdb.lookup import Resolver

NOW = 0.05
"""Seconds to wait for what does not come."""


@pytest.fixture
def resolver() -> Resolver:
    """A resolver with one thread."""
    return Resolver(most=1)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Let every lookup hang until this is set."""
    event = Event()
    look_up = socket.getaddrinfo

    def hang(*args: Any) -> Any:
        event.wait()
        return look_up(*args)

    monkeypatch.setattr("socket.getaddrinfo", hang)
    yield event
    event.set()


def test_an_address_is_its_own() -> None:
    assert Resolver().addresses("127.0.0.1", 80, None) == ["127.0.0.1"]


def test_a_host_may_have_none(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fail)

    with pytest.raises(socket.gaierror, match="not known"):
        resolver.addresses("tmdb.test", 80, 30)


def test_a_name_that_cannot_be_one_is_told_to_who_asked(resolver: Resolver) -> None:
    with pytest.raises(UnicodeError):
        resolver.addresses("x" * 64, 80, 30)


def test_a_lookup_ends_at_its_timeout(resolver: Resolver, stuck: Event) -> None:
    with pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, NOW)


def test_a_lookup_ends_at_the_deadline(resolver: Resolver, stuck: Event) -> None:
    with deadline_in(NOW), pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, 30)


def test_nothing_is_looked_up_after_the_deadline(resolver: Resolver) -> None:
    with deadline_in(0), pytest.raises(TimeoutError, match="deadline"):
        resolver.addresses("127.0.0.1", 80, 30)


def test_lookups_that_hang_do_not_pile_up(resolver: Resolver, stuck: Event) -> None:
    before = set(threads())
    for _ in range(3):
        with pytest.raises(TimeoutError):
            resolver.addresses("127.0.0.1", 80, NOW)

    assert len(set(threads()) - before) == 1


def test_the_end_of_the_process_does_not_wait_for_a_lookup(
    resolver: Resolver, stuck: Event
) -> None:
    before = set(threads())
    with pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, NOW)

    assert [thread.daemon for thread in set(threads()) - before] == [True]


def test_a_lookup_that_ends_at_last_makes_room_for_the_next(
    resolver: Resolver, stuck: Event
) -> None:
    with pytest.raises(TimeoutError):
        resolver.addresses("127.0.0.1", 80, NOW)
    stuck.set()

    assert resolver.addresses("127.0.0.1", 80, 30) == ["127.0.0.1"]


def test_a_thread_that_cannot_be_started_takes_nobodys_place(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", fail)
        with pytest.raises(OSError, match="no thread"):
            resolver.addresses("127.0.0.1", 80, 30)

    assert resolver.addresses("127.0.0.1", 80, 30) == ["127.0.0.1"]
