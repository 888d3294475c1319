"""The contract of every cache: the fake, and the one in Redis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from butaca.adapters.cache import RedisCache
from butaca.adapters.cache.entries import Cache
from butaca.adapters.redis import RedisLink
from tests.fakes import FakeCache
from tests.redis_time import advance_redis


@dataclass
class Subject:
    """A cache, and a function that advances its time by some seconds."""

    cache: Cache
    advance: Callable[[float], None]


def fake_subject() -> Iterator[Subject]:
    cache = FakeCache()
    yield Subject(cache, cache.clock.advance)


def redis_subject(url: str) -> Iterator[Subject]:
    link = RedisLink(url, timeout=5.0)
    yield Subject(RedisCache(link, retention=86_400), partial(advance_redis, url))
    link.client.close()


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


def test_body_can_be_read_back(cache: Cache) -> None:
    assert cache.put("popular:1", b'{"page":1}')
    assert body_of(cache, "popular:1") == b'{"page":1}'


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(key=st.text(), body=st.binary())
def test_any_body_is_stored_under_any_key(cache: Cache, key: str, body: bytes) -> None:
    cache.put(key, body)

    assert body_of(cache, key) == body


def test_last_body_wins(cache: Cache) -> None:
    cache.put("popular:1", b"old")
    cache.put("popular:1", b"new")

    assert body_of(cache, "popular:1") == b"new"


def test_keys_are_independent(cache: Cache) -> None:
    cache.put("popular:1", b"one")
    cache.put("popular:2", b"two")

    assert body_of(cache, "popular:1") == b"one"


def test_unknown_key_is_a_miss(cache: Cache) -> None:
    cache.put("popular:1", b"one")

    assert cache.get("popular:2") is None


def test_new_entry_has_no_age(cache: Cache) -> None:
    cache.put("popular:1", b"one")

    assert 0 <= age_of(cache, "popular:1") < 5


def test_entry_ages_with_time(subject: Subject) -> None:
    subject.cache.put("popular:1", b"one")
    subject.advance(100)

    assert 100 <= age_of(subject.cache, "popular:1") < 105


def test_storing_again_resets_the_age(subject: Subject) -> None:
    subject.cache.put("popular:1", b"one")
    subject.advance(100)
    subject.cache.put("popular:1", b"one")

    assert 0 <= age_of(subject.cache, "popular:1") < 5


def test_entry_is_available_for_most_of_a_day(subject: Subject) -> None:
    subject.cache.put("popular:1", b"one")
    subject.advance(80_000)

    assert body_of(subject.cache, "popular:1") == b"one"


def test_first_caller_leads(cache: Cache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert lease.is_leader


def test_others_do_not_lead_during_a_lease(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        for _ in range(2):
            with cache.lease("popular:1", 60) as lease:
                assert not lease.is_leader


def test_each_key_has_its_own_lease(cache: Cache) -> None:
    with cache.lease("popular:1", 60), cache.lease("popular:2", 60) as lease:
        assert lease.is_leader


def test_released_lease_can_be_acquired_again(cache: Cache) -> None:
    for _ in range(3):
        with cache.lease("popular:1", 60) as lease:
            assert lease.is_leader


def test_lease_contains_the_entry(subject: Subject) -> None:
    with subject.cache.lease("popular:1", 60) as lease:
        assert lease.entry is None

    subject.cache.put("popular:1", b"one")
    subject.advance(100)
    with subject.cache.lease("popular:1", 60) as lease:
        assert lease.entry
        assert lease.entry.value == b"one"
        assert 100 <= lease.entry.age < 105


def test_lease_of_a_follower_contains_the_entry(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        cache.put("popular:1", b"one")
        with cache.lease("popular:1", 60) as lease:
            assert lease.entry
            assert (lease.is_leader, lease.entry.value) == (False, b"one")


def test_storing_with_a_lease_releases_it(cache: Cache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert cache.put("popular:1", b"one", lease)
        with cache.lease("popular:1", 60) as next_lease:
            assert next_lease.is_leader
            assert next_lease.entry
            assert next_lease.entry.value == b"one"


def test_released_lease_does_not_release_the_next_one(cache: Cache) -> None:
    with cache.lease("popular:1", 60) as lease:
        cache.put("popular:1", b"one", lease)
        next_lease = cache.lease("popular:1", 60)
        next_lease.__enter__()
    with cache.lease("popular:1", 60) as third:
        assert not third.is_leader
    next_lease.__exit__(None, None, None)


def test_storing_as_a_follower_does_not_release_the_lease(cache: Cache) -> None:
    with cache.lease("popular:1", 60), cache.lease("popular:1", 60) as mine:
        cache.put("popular:1", b"one", mine)
        with cache.lease("popular:1", 60) as lease:
            assert not lease.is_leader


def test_failure_releases_the_lease(cache: Cache) -> None:
    with pytest.raises(ZeroDivisionError), cache.lease("popular:1", 60):
        raise ZeroDivisionError

    with cache.lease("popular:1", 60) as lease:
        assert lease.is_leader


def test_lease_does_not_change_the_entry(cache: Cache) -> None:
    cache.put("popular:1", b"one")
    with cache.lease("popular:1", 60):
        assert body_of(cache, "popular:1") == b"one"

    assert body_of(cache, "popular:1") == b"one"


def test_lease_is_not_an_entry(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        assert cache.get("popular:1") is None


def test_storing_without_a_lease_does_not_release_it(cache: Cache) -> None:
    with cache.lease("popular:1", 60):
        cache.put("popular:1", b"one")
        with cache.lease("popular:1", 60) as lease:
            assert not lease.is_leader
