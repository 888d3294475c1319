"""The cache in a real Redis: expiry, leases, and all the ways in which Redis can fail."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from butaca.adapters.cache import RedisCache, SharedHealth
from butaca.adapters.cache.entries import CacheEntry, Lease
from butaca.adapters.cache.health import COOLDOWN_KEY, UNHEALTHY_KEY
from butaca.adapters.cache.redis import FORMAT, entry_key, lease_key
from butaca.adapters.rate_limits import RateLimits
from butaca.adapters.redis import RedisLink
from butaca.settings import MAX_STALE_SECONDS
from tests.adapters.cache.harness import REDIS_COOLDOWN
from tests.fakes import FakeClock
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

DAY = 86_400
ENTRY_KEY, LEASE_KEY = entry_key("popular:1"), lease_key("popular:1")


@pytest.fixture
def link(empty_redis: str) -> Iterator[RedisLink]:
    link = RedisLink(empty_redis, timeout=5.0)
    yield link
    link.client.close()


@pytest.fixture
def client(link: RedisLink) -> Any:
    return link.client


@pytest.fixture
def cache(link: RedisLink) -> RedisCache:
    return RedisCache(link, retention=DAY)


# --- entries -------------------------------------------------------------------------------


def test_entry_expires_in_redis_after_the_retention(cache: RedisCache, client: Any) -> None:
    cache.put("popular:1", b"one")

    assert DAY - 5 < client.ttl(ENTRY_KEY) <= DAY


def test_age_includes_the_round_trip_to_redis(link: RedisLink) -> None:
    times = count(step=10)
    cache = RedisCache(link, retention=DAY, clock=lambda: next(times))
    cache.put("popular:1", b"one")

    entry = cache.get("popular:1")

    assert entry is not None
    assert 10 <= entry.age < 15


def test_expired_entry_is_a_miss(cache: RedisCache, client: Any) -> None:
    cache.put("popular:1", b"one")
    client.pexpire(ENTRY_KEY, 0)

    assert cache.get("popular:1") is None


def test_all_keys_expire(cache: RedisCache, client: Any) -> None:
    cache.put("popular:1", b"one")
    with cache.lease("popular:1", 60):
        assert client.dbsize() == 2
        assert all(client.pttl(key) > 0 for key in client.scan_iter())


def test_pods_share_entries(cache: RedisCache, empty_redis: str) -> None:
    other = RedisLink(empty_redis, timeout=5.0)
    cache.put("popular:1", b"one")

    entry = RedisCache(other, retention=DAY).get("popular:1")

    assert entry is not None
    assert entry.value == b"one"
    other.client.close()


def test_age_does_not_depend_on_the_wall_clock(
    cache: RedisCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("popular:1", b"one")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 300)

    entry = cache.get("popular:1")

    assert entry is not None
    assert 0 <= entry.age < 5


def test_age_is_correct_for_a_pod_with_a_longer_retention(
    cache: RedisCache, link: RedisLink, client: Any
) -> None:
    cache.put("popular:1", b"one")
    client.pexpire(ENTRY_KEY, (DAY - 100) * 1000)

    entry = RedisCache(link, retention=10 * DAY).get("popular:1")

    assert entry is not None
    assert 100 <= entry.age < 105


def test_entry_with_the_maximum_retention_is_readable(link: RedisLink) -> None:
    cache = RedisCache(link, retention=MAX_STALE_SECONDS)
    cache.put("popular:1", b"one")

    assert cache.get("popular:1") is not None


# --- unreadable entries --------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored", [b"", b"body", b"\nbody", b"-5\nbody", b"1.5\nbody", b"1000", b"9" * 5000 + b"\nx"]
)
def test_entry_in_the_wrong_format_is_a_miss(cache: RedisCache, client: Any, stored: bytes) -> None:
    client.set(ENTRY_KEY, stored, px=60_000)

    assert cache.get("popular:1") is None


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=st.binary() | st.builds(lambda n, b: b"%d\n%s" % (n, b), st.integers(), st.binary()))
def test_arbitrary_value_is_an_entry_or_a_miss(
    cache: RedisCache, client: Any, stored: bytes
) -> None:
    client.set(ENTRY_KEY, stored, px=60_000)

    assert isinstance(cache.get("popular:1"), CacheEntry | None)


@pytest.fixture
def entry_is_a_list(client: Any) -> None:
    """Store a list under the key of the entry."""
    client.rpush(ENTRY_KEY, b"86400000\nbody")


@pytest.mark.usefixtures("entry_is_a_list")
def test_entry_of_the_wrong_type_is_a_miss(cache: RedisCache, link: RedisLink) -> None:
    assert cache.get("popular:1") is None
    assert link.is_up


@pytest.mark.usefixtures("entry_is_a_list")
def test_lease_is_held_if_the_entry_has_the_wrong_type(
    cache: RedisCache, other: RedisCache
) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert (lease.is_leader, lease.entry, lease.upstream_healthy) == (True, None, True)
        assert not acquires_lease(other)


@pytest.mark.usefixtures("entry_is_a_list")
def test_entry_of_the_wrong_type_is_overwritten(cache: RedisCache) -> None:
    assert cache.put("popular:1", b"one")
    assert cache.get("popular:1") is not None


def test_lease_of_the_wrong_type_does_not_block_the_entry(
    cache: RedisCache, client: Any, link: RedisLink
) -> None:
    client.rpush(LEASE_KEY, b"value")

    assert cache.put("popular:1", b"one")
    assert link.is_up


def test_entry_without_an_expiry_is_a_miss(cache: RedisCache, client: Any) -> None:
    client.set(ENTRY_KEY, b"86400000\nbody")

    assert cache.get("popular:1") is None


def test_entry_of_an_older_release_is_a_miss(cache: RedisCache, client: Any) -> None:
    client.set(ENTRY_KEY.replace(f":{FORMAT}:", ":0:"), b"86400000\nbody", px=60_000)

    assert cache.get("popular:1") is None


def test_unreadable_entry_can_be_replaced(cache: RedisCache, client: Any) -> None:
    client.set(ENTRY_KEY, b"garbage", px=60_000)

    assert cache.put("popular:1", b"one")
    assert cache.get("popular:1") is not None


# --- leases --------------------------------------------------------------------------------


@pytest.fixture
def other(empty_redis: str) -> Iterator[RedisCache]:
    """Another pod's cache on the same Redis."""
    link = RedisLink(empty_redis, timeout=5.0)
    yield RedisCache(link, retention=DAY)
    link.client.close()


def acquires_lease(cache: RedisCache, key: str = "popular:1") -> bool:
    """Return whether a cache can acquire the lease; release it immediately."""
    with cache.lease(key, 60) as lease:
        return lease.is_leader


def test_one_pod_leads_at_a_time(cache: RedisCache, other: RedisCache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert lease.is_leader
        assert not acquires_lease(other)
        assert not acquires_lease(cache)


def test_another_pod_can_lead_after_the_release(cache: RedisCache, other: RedisCache) -> None:
    assert acquires_lease(cache)
    assert acquires_lease(other)


def test_lease_expires_after_the_requested_seconds(cache: RedisCache, client: Any) -> None:
    with cache.lease("popular:1", 7.5):
        assert 2_500 < client.pttl(LEASE_KEY) <= 7_500


def test_every_lease_has_a_unique_token(cache: RedisCache, client: Any) -> None:
    tokens = set()
    for _ in range(3):
        with cache.lease("popular:1", 60):
            tokens.add(client.get(LEASE_KEY))

    assert len(tokens) == 3


def test_released_lease_leaves_no_key(cache: RedisCache, client: Any) -> None:
    acquires_lease(cache)

    assert client.dbsize() == 0


def test_expired_lease_can_be_acquired(cache: RedisCache, other: RedisCache, client: Any) -> None:
    with cache.lease("popular:1", 60):
        client.pexpire(LEASE_KEY, 0)

        assert acquires_lease(other)


def test_expired_lease_does_not_release_the_next_one(
    cache: RedisCache, other: RedisCache, client: Any
) -> None:
    first = cache.lease("popular:1", 60)
    first.__enter__()
    client.pexpire(LEASE_KEY, 0)
    with other.lease("popular:1", 60) as lease:
        assert lease.is_leader
        first.__exit__(None, None, None)

        assert not acquires_lease(cache)


def test_late_store_does_not_release_the_next_lease(
    cache: RedisCache, other: RedisCache, client: Any
) -> None:
    with cache.lease("popular:1", 60) as expired:
        client.pexpire(LEASE_KEY, 0)
        with other.lease("popular:1", 60):
            assert cache.put("popular:1", b"one", expired)
            assert not acquires_lease(cache)


def test_lease_released_by_a_store_costs_no_extra_round_trip(
    cache: RedisCache, client: Any
) -> None:
    def commands() -> int:
        return int(client.info("stats")["total_commands_processed"])

    with cache.lease("popular:1", 60) as lease:
        cache.put("popular:1", b"one", lease)
        before = commands()
    assert commands() == before + 1  # INFO itself.


def test_lease_reports_a_healthy_upstream(cache: RedisCache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert lease.upstream_healthy


@pytest.mark.parametrize("key", [COOLDOWN_KEY, UNHEALTHY_KEY])
def test_lease_reports_an_unhealthy_upstream(cache: RedisCache, client: Any, key: str) -> None:
    client.set(key, b"", px=60_000)

    with cache.lease("popular:1", 60) as lease:
        assert not lease.upstream_healthy


def test_follower_does_not_release_the_lease(cache: RedisCache, other: RedisCache) -> None:
    with cache.lease("popular:1", 60):
        acquires_lease(other)

        assert not acquires_lease(other)


def test_lost_lease_is_not_a_failure_of_redis(
    cache: RedisCache, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with cache.lease("popular:1", 60):
        client.flushdb()

    assert caplog.records == []
    assert cache.put("popular:1", b"one")


def test_one_of_many_threads_leads(cache: RedisCache, other: RedisCache) -> None:
    barrier = Barrier(16, timeout=20)

    def lead(cache: RedisCache) -> bool:
        barrier.wait()
        with cache.lease("popular:1", 60) as lease:
            barrier.wait()
            return lease.is_leader

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(lead, each) for each in [cache, other] * 8]
        assert [future.result(20) for future in futures].count(True) == 1


def test_failed_release_of_a_lease_does_not_raise(server: Any, breakable_link: RedisLink) -> None:
    with RedisCache(breakable_link, retention=DAY).lease("popular:1", 60):
        server.stop()

    assert not breakable_link.is_up
    server.start()  # The fixture stops it.


# --- outages -------------------------------------------------------------------------------


def assert_disabled(cache: RedisCache) -> None:
    assert cache.get("popular:1") is None
    assert cache.put("popular:1", b"one") is False
    with cache.lease("popular:1", 60) as one, cache.lease("popular:1", 60) as other:
        assert (one, other) == (Lease(True, None), Lease(True, None))


def test_cache_is_disabled_without_redis(server: Any, breakable_link: RedisLink) -> None:
    server.stop()

    assert_disabled(RedisCache(breakable_link, retention=DAY))
    server.start()  # The fixture stops it.


def test_redis_may_start_after_the_cache(
    server: Any, breakable_link: RedisLink, clock: FakeClock
) -> None:
    server.stop()
    cache = RedisCache(breakable_link, retention=DAY)
    assert not cache.put("popular:1", b"one")
    server.start()
    clock.advance(REDIS_COOLDOWN)

    assert cache.put("popular:1", b"one")
    assert cache.get("popular:1") is not None


def test_read_only_redis_disables_the_cache(
    breakable_link: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = breakable_link.client
    client.replicaof("127.0.0.1", 1)

    assert_disabled(RedisCache(breakable_link, retention=DAY))
    assert [vars(line)["reason"] for line in caplog.records] == ["ReadOnlyError"]


def test_redis_without_its_replicas_disables_the_cache(breakable_link: RedisLink) -> None:
    client: Any = breakable_link.client
    client.config_set("min-replicas-to-write", 1)

    assert_disabled(RedisCache(breakable_link, retention=DAY))


def test_full_redis_still_serves_existing_entries(
    breakable_link: RedisLink, clock: FakeClock
) -> None:
    client: Any = breakable_link.client
    cache = RedisCache(breakable_link, retention=DAY)
    cache.put("popular:1", b"one")
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1mb")

    assert cache.put("popular:2", b"two") is False
    clock.advance(REDIS_COOLDOWN)
    assert cache.get("popular:1") is not None
    assert cache.get("popular:2") is None


def test_lease_is_released_even_if_the_store_fails(
    breakable_link: RedisLink, clock: FakeClock
) -> None:
    client: Any = breakable_link.client
    cache = RedisCache(breakable_link, retention=DAY)
    with cache.lease("popular:1", 60) as lease:
        client.config_set("maxmemory", "1mb")
        assert cache.put("popular:1", b"one", lease) is False
        assert not client.exists(LEASE_KEY)
        client.config_set("maxmemory", "0")

    clock.advance(REDIS_COOLDOWN)
    assert acquires_lease(cache)


def test_scripts_are_reloaded_after_a_flush(cache: RedisCache, client: Any) -> None:
    client.script_flush()

    with cache.lease("popular:1", 60) as lease:
        assert cache.put("popular:1", b"one", lease)


def test_entries_are_stored_again_after_redis_has_room(
    breakable_link: RedisLink, clock: FakeClock
) -> None:
    client: Any = breakable_link.client
    cache = RedisCache(breakable_link, retention=DAY)
    client.config_set("maxmemory", "1mb")
    cache.put("popular:1", b"one")
    client.config_set("maxmemory", "0")
    clock.advance(REDIS_COOLDOWN)

    assert cache.put("popular:1", b"one")


# --- ACLs ----------------------------------------------------------------------------------


@pytest.fixture
def link_with_acl(server: Any, breakable_link: RedisLink) -> Iterator[Callable[[str], RedisLink]]:
    """Return a factory of links whose Redis user has the given ACL rules."""
    with ExitStack() as stack:

        def link(rules: str) -> RedisLink:
            client: Any = breakable_link.client
            client.execute_command(f"ACL SETUSER butaca on >secret ~* {rules}")
            link = RedisLink(f"redis://butaca:secret@127.0.0.1:{server.port}/0", timeout=5.0)
            stack.callback(link.client.close)
            return link

        yield link


def test_lease_is_acquired_without_permission_to_read_the_health(
    link_with_acl: Callable[[str], RedisLink], breakable_link: RedisLink
) -> None:
    client: Any = breakable_link.client
    with RedisCache(link_with_acl("+@all -exists"), retention=DAY).lease("popular:1", 60) as lease:
        assert (lease.is_leader, lease.upstream_healthy) == (True, False)
        assert lease.token == client.get(LEASE_KEY).decode()
    assert not client.exists(LEASE_KEY)


def test_call_can_be_claimed_without_permission_for_exists(
    link_with_acl: Callable[[str], RedisLink],
) -> None:
    link = link_with_acl("+@all -exists")
    health = SharedHealth(link, cooldown=5, probe_timeout=6)

    assert health.claim_call() == 0
    health.record_failure()
    assert health.claim_call() > 0
    assert link.is_up


def test_redis_without_permission_to_read_counts_as_down(
    link_with_acl: Callable[[str], RedisLink],
) -> None:
    link = link_with_acl("+@all -get")

    assert RedisCache(link, retention=DAY).get("popular:1") is None
    assert not link.is_up


# --- clusters ------------------------------------------------------------------------------


@pytest.fixture
def cluster_link() -> Iterator[RedisLink]:
    """A link to a cluster of one node, which rejects a command with keys of two slots."""
    # By default, the port of the cluster bus is 10,000 higher than that of the server, which may
    # exceed 65,535. It is reserved here until the port of the server is chosen, so they differ.
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        bus = str(reserved.getsockname()[1])
        node = valkey_server(**{"cluster-enabled": "yes", "cluster-port": bus})
    with node as server:
        link = RedisLink(f"redis://127.0.0.1:{server.port}/0", timeout=5.0)
        client: Any = link.client
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        yield link
        client.close()


def test_every_command_uses_keys_of_one_cluster_slot(cluster_link: RedisLink) -> None:
    cache = RedisCache(cluster_link, retention=DAY)
    health = SharedHealth(cluster_link, cooldown=5, probe_timeout=6)
    with cache.lease("popular:1", 60) as lease:
        assert lease.upstream_healthy
        assert health.claim_call() == 0
        assert cache.put("popular:1", b"one", lease)
    assert cache.get("popular:1")
    health.record_failure()
    assert health.claim_call() > 0
    health.record_success()
    assert health.claim_call() == 0
    limits = RateLimits(cluster_link, reads="9/minute", writes="9/minute")
    assert limits.seconds_to_wait("1", "read") == 0
    assert cluster_link.is_up
