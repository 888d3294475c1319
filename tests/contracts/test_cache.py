"""The contract of every cache: the fake, and the one in Redis."""

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
    return entry.value


def age_of(cache: Cache, key: str) -> float:
    entry = cache.get(key)
    assert entry is not None
    return entry.age


def test_what_was_put_is_kept(cache: Cache) -> None:
    assert cache.put("popular:1", b'{"page":1}')
    assert body_of(cache, "popular:1") == b'{"page":1}'


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
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


def test_whoever_asks_first_leads(cache: Cache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert lease.leads


def test_while_one_leads_nobody_else_does(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        for _ in range(2):
            with cache.lease("popular:1", 60) as lease:
                assert not lease.leads


def test_every_key_is_led_on_its_own(cache: Cache) -> None:
    with cache.lease("popular:1", 60), cache.lease("popular:2", 60) as lease:
        assert lease.leads


def test_after_a_lead_the_next_one_leads(cache: Cache) -> None:
    for _ in range(3):
        with cache.lease("popular:1", 60) as lease:
            assert lease.leads


def test_a_lease_tells_what_is_kept(subject: Subject) -> None:
    with subject.cache.lease("popular:1", 60) as lease:
        assert lease.found is None

    subject.cache.put("popular:1", b"one")
    subject.let_pass(100)
    with subject.cache.lease("popular:1", 60) as lease:
        assert lease.found
        assert lease.found.value == b"one"
        assert 100 <= lease.found.age < 105


def test_whoever_does_not_lead_is_told_what_is_kept(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        cache.put("popular:1", b"one")
        with cache.lease("popular:1", 60) as lease:
            assert lease.found
            assert (lease.leads, lease.found.value) == (False, b"one")


def test_what_was_fetched_under_a_lease_gives_it_back(cache: Cache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert cache.put("popular:1", b"one", lease)
        with cache.lease("popular:1", 60) as next_one:
            assert next_one.leads
            assert next_one.found
            assert next_one.found.value == b"one"


def test_a_lease_that_was_given_back_ends_no_other(cache: Cache) -> None:
    with cache.lease("popular:1", 60) as lease:
        cache.put("popular:1", b"one", lease)
        next_one = cache.lease("popular:1", 60)
        next_one.__enter__()
    with cache.lease("popular:1", 60) as third:
        assert not third.leads
    next_one.__exit__(None, None, None)


def test_what_is_kept_without_a_lead_ends_no_lead_of_others(cache: Cache) -> None:
    with cache.lease("popular:1", 60), cache.lease("popular:1", 60) as mine:
        cache.put("popular:1", b"one", mine)
        with cache.lease("popular:1", 60) as lease:
            assert not lease.leads


def test_a_failure_ends_a_lead(cache: Cache) -> None:
    with pytest.raises(ZeroDivisionError), cache.lease("popular:1", 60):
        raise ZeroDivisionError

    with cache.lease("popular:1", 60) as lease:
        assert lease.leads


def test_a_lead_touches_no_entry(cache: Cache) -> None:
    cache.put("popular:1", b"one")
    with cache.lease("popular:1", 60):
        assert body_of(cache, "popular:1") == b"one"

    assert body_of(cache, "popular:1") == b"one"


def test_a_lead_is_no_entry(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        assert cache.get("popular:1") is None


def test_an_entry_touches_no_lead(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        cache.put("popular:1", b"one")
        with cache.lease("popular:1", 60) as lease:
            assert not lease.leads
