"""The cache in a real Redis: expiry, and every way in which Redis can fail."""

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
from butaca.adapters.cache.health import AILING, RESTING
from butaca.adapters.cache.redis import FORMAT, entry_key, lease_key
from butaca.adapters.rate_limits import RateLimits
from butaca.adapters.redis import RedisLink
from butaca.settings import YEAR
from tests.adapters.cache.scene import REST
from tests.fakes import FakeClock
from tests.faults.pods import wait_until
from tests.own_valkey import own_valkey

DAY = 86_400
ENTRY, HELD = entry_key("popular:1"), lease_key("popular:1")


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
    return RedisCache(link, kept_for=DAY)


# --- keeping -------------------------------------------------------------------------------


def test_redis_drops_an_entry_when_it_was_kept_long_enough(cache: RedisCache, client: Any) -> None:
    cache.put("popular:1", b"one")

    assert DAY - 5 < client.ttl(ENTRY) <= DAY


def test_an_entry_has_aged_by_what_its_answer_took(link: RedisLink) -> None:
    moments = count(step=10)
    cache = RedisCache(link, kept_for=DAY, clock=lambda: next(moments))
    cache.put("popular:1", b"one")

    entry = cache.get("popular:1")

    assert entry is not None
    assert 10 <= entry.age < 15


def test_an_entry_is_gone_when_redis_dropped_it(cache: RedisCache, client: Any) -> None:
    cache.put("popular:1", b"one")
    client.pexpire(ENTRY, 0)

    assert cache.get("popular:1") is None


def test_all_that_is_written_can_expire(cache: RedisCache, client: Any) -> None:
    cache.put("popular:1", b"one")
    with cache.lease("popular:1", 60):
        assert client.dbsize() == 2
        assert all(client.pttl(key) > 0 for key in client.scan_iter())


def test_pods_share_what_is_kept(cache: RedisCache, empty_redis: str) -> None:
    other = RedisLink(empty_redis, timeout=5.0)
    cache.put("popular:1", b"one")

    entry = RedisCache(other, kept_for=DAY).get("popular:1")

    assert entry is not None
    assert entry.value == b"one"
    other.client.close()


def test_an_age_does_not_depend_on_our_clock(
    cache: RedisCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("popular:1", b"one")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 300)

    entry = cache.get("popular:1")

    assert entry is not None
    assert 0 <= entry.age < 5


def test_an_age_is_right_for_a_pod_that_keeps_for_longer(
    cache: RedisCache, link: RedisLink, client: Any
) -> None:
    cache.put("popular:1", b"one")
    client.pexpire(ENTRY, (DAY - 100) * 1000)

    entry = RedisCache(link, kept_for=10 * DAY).get("popular:1")

    assert entry is not None
    assert 100 <= entry.age < 105


def test_an_entry_that_is_kept_as_long_as_can_be_set_is_read(link: RedisLink) -> None:
    cache = RedisCache(link, kept_for=YEAR)
    cache.put("popular:1", b"one")

    assert cache.get("popular:1") is not None


# --- what cannot be read -------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", [b"", b"body", b"\nbody", b"-5\nbody", b"1.5\nbody", b"1000", b"9" * 5000 + b"\nx"]
)
def test_an_entry_of_another_format_is_a_miss(
    cache: RedisCache, client: Any, written: bytes
) -> None:
    client.set(ENTRY, written, px=60_000)

    assert cache.get("popular:1") is None


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.binary() | st.builds(lambda n, b: b"%d\n%s" % (n, b), st.integers(), st.binary()))
def test_whatever_is_written_is_an_entry_or_a_miss(
    cache: RedisCache, client: Any, written: bytes
) -> None:
    client.set(ENTRY, written, px=60_000)

    assert isinstance(cache.get("popular:1"), CacheEntry | None)


@pytest.fixture
def listed(client: Any) -> None:
    """A list under the key of an entry."""
    client.rpush(ENTRY, b"86400000\nbody")


@pytest.mark.usefixtures("listed")
def test_an_entry_of_another_type_is_a_miss(cache: RedisCache, link: RedisLink) -> None:
    assert cache.get("popular:1") is None
    assert link.is_up


@pytest.mark.usefixtures("listed")
def test_an_entry_of_another_type_ends_no_lead(cache: RedisCache, other: RedisCache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert (lease.leads, lease.found, lease.is_calm) == (True, None, True)
        assert not leads(other)


@pytest.mark.usefixtures("listed")
def test_an_entry_of_another_type_is_overwritten(cache: RedisCache) -> None:
    assert cache.put("popular:1", b"one")
    assert cache.get("popular:1") is not None


def test_a_lease_of_another_type_does_not_keep_an_entry_from_being_written(
    cache: RedisCache, client: Any, link: RedisLink
) -> None:
    client.rpush(HELD, b"nobody")

    assert cache.put("popular:1", b"one")
    assert link.is_up


def test_an_entry_that_never_expires_is_not_ours(cache: RedisCache, client: Any) -> None:
    client.set(ENTRY, b"86400000\nbody")

    assert cache.get("popular:1") is None


def test_an_entry_of_another_release_is_a_miss(cache: RedisCache, client: Any) -> None:
    client.set(ENTRY.replace(f":{FORMAT}:", ":0:"), b"86400000\nbody", px=60_000)

    assert cache.get("popular:1") is None


def test_a_miss_can_be_put_right(cache: RedisCache, client: Any) -> None:
    client.set(ENTRY, b"garbage", px=60_000)

    assert cache.put("popular:1", b"one")
    assert cache.get("popular:1") is not None


# --- leading -------------------------------------------------------------------------------


@pytest.fixture
def other(empty_redis: str) -> Iterator[RedisCache]:
    """Another pod's cache on the same Redis."""
    link = RedisLink(empty_redis, timeout=5.0)
    yield RedisCache(link, kept_for=DAY)
    link.client.close()


def leads(cache: RedisCache, key: str = "popular:1") -> bool:
    """Tell whether a cache may lead now, and let go at once."""
    with cache.lease(key, 60) as lease:
        return lease.leads


def test_one_pod_leads_at_a_time(cache: RedisCache, other: RedisCache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert lease.leads
        assert not leads(other)
        assert not leads(cache)


def test_when_a_pod_has_led_another_one_leads(cache: RedisCache, other: RedisCache) -> None:
    assert leads(cache)
    assert leads(other)


def test_a_lease_lasts_for_as_long_as_it_is_taken(cache: RedisCache, client: Any) -> None:
    with cache.lease("popular:1", 7.5):
        assert 2_500 < client.pttl(HELD) <= 7_500


def test_every_lease_has_an_owner_of_its_own(cache: RedisCache, client: Any) -> None:
    owners = set()
    for _ in range(3):
        with cache.lease("popular:1", 60):
            owners.add(client.get(HELD))

    assert len(owners) == 3


def test_a_lease_that_was_let_go_leaves_nothing(cache: RedisCache, client: Any) -> None:
    leads(cache)

    assert client.dbsize() == 0


def test_a_lease_runs_out(cache: RedisCache, other: RedisCache, client: Any) -> None:
    with cache.lease("popular:1", 60):
        client.pexpire(HELD, 0)

        assert leads(other)


def test_a_lease_that_ran_out_does_not_end_the_next_one(
    cache: RedisCache, other: RedisCache, client: Any
) -> None:
    first = cache.lease("popular:1", 60)
    first.__enter__()
    client.pexpire(HELD, 0)
    with other.lease("popular:1", 60) as lease:
        assert lease.leads
        first.__exit__(None, None, None)

        assert not leads(cache)


def test_what_was_fetched_for_too_long_does_not_end_the_next_lease(
    cache: RedisCache, other: RedisCache, client: Any
) -> None:
    with cache.lease("popular:1", 60) as late:
        client.pexpire(HELD, 0)
        with other.lease("popular:1", 60):
            assert cache.put("popular:1", b"one", late)
            assert not leads(cache)


def test_a_lease_that_was_given_back_costs_no_other_trip(cache: RedisCache, client: Any) -> None:
    def commands() -> int:
        return int(client.info("stats")["total_commands_processed"])

    with cache.lease("popular:1", 60) as lease:
        cache.put("popular:1", b"one", lease)
        before = commands()
    assert commands() == before + 1  # That of looking.


def test_a_lease_tells_that_all_is_calm(cache: RedisCache) -> None:
    with cache.lease("popular:1", 60) as lease:
        assert lease.is_calm


@pytest.mark.parametrize("verdict", [RESTING, AILING])
def test_a_lease_tells_that_upstream_ails(cache: RedisCache, client: Any, verdict: str) -> None:
    client.set(verdict, b"", px=60_000)

    with cache.lease("popular:1", 60) as lease:
        assert not lease.is_calm


def test_whoever_does_not_lead_ends_no_lease(cache: RedisCache, other: RedisCache) -> None:
    with cache.lease("popular:1", 60):
        leads(other)

        assert not leads(other)


def test_a_lease_that_ran_out_is_no_fault_of_redis(
    cache: RedisCache, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with cache.lease("popular:1", 60):
        client.flushdb()

    assert caplog.records == []
    assert cache.put("popular:1", b"one")


def test_of_many_threads_one_leads(cache: RedisCache, other: RedisCache) -> None:
    barrier = Barrier(16, timeout=20)

    def lead(cache: RedisCache) -> bool:
        barrier.wait()
        with cache.lease("popular:1", 60) as lease:
            barrier.wait()
            return lease.leads

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(lead, each) for each in [cache, other] * 8]
        assert [future.result(20) for future in futures].count(True) == 1


def test_a_redis_that_goes_away_ends_no_lead(server: Any, ruined: RedisLink) -> None:
    with RedisCache(ruined, kept_for=DAY).lease("popular:1", 60) as lease:
        server.stop()

        assert lease.leads
    server.start()  # For the fixture, which stops it.


# --- no use --------------------------------------------------------------------------------


def assert_useless(cache: RedisCache) -> None:
    assert cache.get("popular:1") is None
    assert cache.put("popular:1", b"one") is False
    with cache.lease("popular:1", 60) as one, cache.lease("popular:1", 60) as other:
        assert (one, other) == (Lease(True, None), Lease(True, None))


def test_without_redis_the_cache_is_empty_and_says_nothing(server: Any, ruined: RedisLink) -> None:
    server.stop()

    assert_useless(RedisCache(ruined, kept_for=DAY))
    server.start()  # For the fixture, which stops it.


def test_redis_may_be_away_at_the_start_and_come_later(
    server: Any, ruined: RedisLink, clock: FakeClock
) -> None:
    server.stop()
    cache = RedisCache(ruined, kept_for=DAY)
    assert not cache.put("popular:1", b"one")
    server.start()
    clock.move(REST)

    assert cache.put("popular:1", b"one")
    assert cache.get("popular:1") is not None


def test_a_read_only_redis_keeps_nothing(
    ruined: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = ruined.client
    client.replicaof("127.0.0.1", 1)

    assert_useless(RedisCache(ruined, kept_for=DAY))
    assert [vars(line)["reason"] for line in caplog.records] == ["ReadOnlyError"]


def test_a_redis_that_lacks_its_replicas_keeps_nothing(ruined: RedisLink) -> None:
    client: Any = ruined.client
    client.config_set("min-replicas-to-write", 1)

    assert_useless(RedisCache(ruined, kept_for=DAY))


def test_a_full_redis_keeps_nothing_more(ruined: RedisLink, clock: FakeClock) -> None:
    client: Any = ruined.client
    cache = RedisCache(ruined, kept_for=DAY)
    cache.put("popular:1", b"one")
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1mb")

    assert cache.put("popular:2", b"two") is False
    clock.move(REST)
    assert cache.get("popular:1") is not None
    assert cache.get("popular:2") is None


def test_a_lease_under_which_nothing_could_be_kept_ends_nonetheless(
    ruined: RedisLink, clock: FakeClock
) -> None:
    client: Any = ruined.client
    cache = RedisCache(ruined, kept_for=DAY)
    with cache.lease("popular:1", 60) as lease:
        client.config_set("maxmemory", "1mb")
        assert cache.put("popular:1", b"one", lease) is False
        assert not client.exists(HELD)
        client.config_set("maxmemory", "0")

    clock.move(REST)
    assert leads(cache)


def test_a_redis_that_has_lost_our_scripts_is_told_them_again(
    cache: RedisCache, client: Any
) -> None:
    client.script_flush()

    with cache.lease("popular:1", 60) as lease:
        assert cache.put("popular:1", b"one", lease)


def test_a_redis_with_room_again_keeps_again(ruined: RedisLink, clock: FakeClock) -> None:
    client: Any = ruined.client
    cache = RedisCache(ruined, kept_for=DAY)
    client.config_set("maxmemory", "1mb")
    cache.put("popular:1", b"one")
    client.config_set("maxmemory", "0")
    clock.move(REST)

    assert cache.put("popular:1", b"one")


# --- a Redis that does not allow everything ------------------------------------------------


@pytest.fixture
def allowed(server: Any, ruined: RedisLink) -> Iterator[Callable[[str], RedisLink]]:
    """Make a link to a Redis whose ACL has these rules."""
    with ExitStack() as stack:

        def link(rules: str) -> RedisLink:
            client: Any = ruined.client
            client.execute_command(f"ACL SETUSER butaca on >secret ~* {rules}")
            link = RedisLink(f"redis://butaca:secret@127.0.0.1:{server.port}/0", timeout=5.0)
            stack.callback(link.client.close)
            return link

        yield link


def test_a_lease_is_known_where_the_state_of_upstream_cannot_be_read(
    allowed: Callable[[str], RedisLink], ruined: RedisLink
) -> None:
    client: Any = ruined.client
    with RedisCache(allowed("+@all -exists"), kept_for=DAY).lease("popular:1", 60) as lease:
        assert (lease.leads, lease.is_calm) == (True, False)
        assert lease.token == client.get(HELD).decode()
    assert not client.exists(HELD)


def test_upstream_can_be_claimed_where_nothing_may_be_asked_to_exist(
    allowed: Callable[[str], RedisLink],
) -> None:
    link = allowed("+@all -exists")
    health = SharedHealth(link, cooldown=5, probe=6)

    assert health.claim() == 0
    health.failed()
    assert health.claim() > 0
    assert link.is_up


def test_a_redis_that_does_not_allow_to_read_is_away(
    allowed: Callable[[str], RedisLink],
) -> None:
    link = allowed("+@all -get")

    assert RedisCache(link, kept_for=DAY).get("popular:1") is None
    assert not link.is_up


# --- a cluster -----------------------------------------------------------------------------


@pytest.fixture
def slotted() -> Iterator[RedisLink]:
    """A link to a cluster of one node, which refuses a call about keys of two slots."""
    # Of itself it takes for its bus a port that is 10 000 higher, and there may be none. The bus'
    # is held while the server's own is chosen, lest they be the same.
    with socket.create_server(("127.0.0.1", 0)) as held:
        bus = str(held.getsockname()[1])
        chosen = own_valkey(**{"cluster-enabled": "yes", "cluster-port": bus})
    with chosen as server:
        link = RedisLink(f"redis://127.0.0.1:{server.port}/0", timeout=5.0)
        client: Any = link.client
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        yield link
        client.close()


def test_each_call_is_about_keys_of_one_slot(slotted: RedisLink) -> None:
    cache = RedisCache(slotted, kept_for=DAY)
    health = SharedHealth(slotted, cooldown=5, probe=6)
    with cache.lease("popular:1", 60) as lease:
        assert lease.is_calm
        assert health.claim() == 0
        assert cache.put("popular:1", b"one", lease)
    assert cache.get("popular:1")
    health.failed()
    assert health.claim() > 0
    health.answered()
    assert health.claim() == 0
    limits = RateLimits(slotted, reads="9/minute", writes="9/minute")
    assert limits.seconds_to_wait("1", "read") == 0
    assert slotted.is_up
