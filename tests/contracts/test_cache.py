"""What every cache promises: the fake one, and the one in Redis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from butaca.adapters.cache import RedisCache
from butaca.adapters.cache.entries import Cache
from butaca.adapters.redis import RedisLink
from tests.fakes import FakeCache


@dataclass
class Subject:
    """A cache, and how to let seconds pass for all that is in it."""

    cache: Cache
    let_pass: Callable[[float], None]


def fake_subject() -> Iterator[Subject]:
    cache = FakeCache()
    yield Subject(cache, cache.clock.move)


def redis_subject(url: str) -> Iterator[Subject]:
    link = RedisLink(url, timeout=5.0)
    client: Any = link.client

    def let_pass(seconds: float) -> None:
        for key in client.scan_iter():
            client.pexpire(key, client.pttl(key) - int(seconds * 1000))

    yield Subject(RedisCache(link, kept_for=86_400), let_pass)
    client.close()


@pytest.fixture(params=["fake", "redis"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "fake":
        yield from fake_subject()
    else:
        yield from redis_subject(request.getfixturevalue("empty_redis"))


@pytest.fixture
def cache(subject: Subject) -> Cache:
    return subject.cache


def body_of(cache: Cache, key: str) -> bytes:
    entry = cache.get(key)
    assert entry is not None
    return entry.body


def age_of(cache: Cache, key: str) -> float:
    entry = cache.get(key)
    assert entry is not None
    return entry.age


def test_what_was_put_is_kept(cache: Cache) -> None:
    assert cache.put("popular:1", b'{"page":1}')
    assert body_of(cache, "popular:1") == b'{"page":1}'


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(key=st.text(), body=st.binary())
def test_any_body_is_kept_under_any_key(cache: Cache, key: str, body: bytes) -> None:
    cache.put(key, body)

    assert body_of(cache, key) == body


def test_what_was_put_last_counts(cache: Cache) -> None:
    cache.put("popular:1", b"old")
    cache.put("popular:1", b"new")

    assert body_of(cache, "popular:1") == b"new"


def test_keys_are_apart(cache: Cache) -> None:
    cache.put("popular:1", b"one")
    cache.put("popular:2", b"two")

    assert body_of(cache, "popular:1") == b"one"


def test_an_unknown_key_is_nothing(cache: Cache) -> None:
    cache.put("popular:1", b"one")

    assert cache.get("popular:2") is None


def test_what_was_just_put_has_no_age(cache: Cache) -> None:
    cache.put("popular:1", b"one")

    assert 0 <= age_of(cache, "popular:1") < 5


def test_an_entry_ages(subject: Subject) -> None:
    subject.cache.put("popular:1", b"one")
    subject.let_pass(100)

    assert 100 <= age_of(subject.cache, "popular:1") < 105


def test_putting_again_makes_an_entry_young(subject: Subject) -> None:
    subject.cache.put("popular:1", b"one")
    subject.let_pass(100)
    subject.cache.put("popular:1", b"one")

    assert 0 <= age_of(subject.cache, "popular:1") < 5


def test_an_entry_is_kept_for_long(subject: Subject) -> None:
    subject.cache.put("popular:1", b"one")
    subject.let_pass(80_000)

    assert body_of(subject.cache, "popular:1") == b"one"


def test_upstream_does_not_rest_unless_it_is_told_to(cache: Cache) -> None:
    assert cache.resting() == 0


def test_upstream_rests_for_as_long_as_it_is_told_to(cache: Cache) -> None:
    cache.rest(60)

    assert 55 < cache.resting() <= 60


def test_a_rest_of_less_than_a_millisecond_harms_nothing(cache: Cache) -> None:
    cache.rest(0.0001)

    assert cache.resting() < 0.01
    assert cache.put("popular:1", b"one")


def test_a_rest_grows_shorter(subject: Subject) -> None:
    subject.cache.rest(60)
    subject.let_pass(50)

    assert 5 < subject.cache.resting() <= 10


def test_a_rest_ends(subject: Subject) -> None:
    subject.cache.rest(60)
    subject.let_pass(61)

    assert subject.cache.resting() == 0


def test_resting_again_counts_from_the_start(subject: Subject) -> None:
    subject.cache.rest(60)
    subject.let_pass(50)
    subject.cache.rest(60)

    assert 55 < subject.cache.resting() <= 60


def test_a_rest_touches_no_entry(cache: Cache) -> None:
    cache.put("resting", b"one")
    cache.rest(60)

    assert body_of(cache, "resting") == b"one"


def test_an_entry_touches_no_rest(cache: Cache) -> None:
    cache.put("resting", b"one")

    assert cache.resting() == 0
