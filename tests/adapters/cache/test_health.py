"""The upstream health that pods share over Redis, and its fallback without Redis."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import pytest
from prometheus_client import CollectorRegistry
from redis.crc import key_slot

from butaca.adapters.cache import SharedHealth
from butaca.adapters.cache.health import COOLDOWN_KEY, UNHEALTHY_KEY
from butaca.adapters.redis import RedisLink
from tests.adapters.cache.harness import REDIS_COOLDOWN
from tests.fakes import FakeClock
from tests.redis_time import advance_redis

T = TypeVar("T")
COOLDOWN, PROBE_TIMEOUT = 600.0, 60.0
KEY = "popular:1:en-US:"


class InterleavingLink(RedisLink):
    """A link that runs a hook between the reply of Redis and its delivery to the caller."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        super().__init__(url, timeout=5.0, clock=clock.monotonic)
        self.on_reply: list[Callable[[], None]] = []

    def attempt(self, call: Callable[[], T], fallback: T) -> T:
        result = super().attempt(call, fallback)
        if self.on_reply:
            self.on_reply.pop()()
        return result


@pytest.fixture
def links(empty_redis: str, clock: FakeClock) -> Iterator[list[InterleavingLink]]:
    links = [InterleavingLink(empty_redis, clock) for _ in range(2)]
    yield links
    for link in links:
        link.client.close()


@pytest.fixture
def client(links: list[InterleavingLink]) -> Any:
    return links[0].client


@pytest.fixture
def one(links: list[InterleavingLink], clock: FakeClock) -> SharedHealth:
    return SharedHealth(links[0], COOLDOWN, PROBE_TIMEOUT, clock.monotonic)


@pytest.fixture
def other(links: list[InterleavingLink], clock: FakeClock) -> SharedHealth:
    return SharedHealth(links[1], COOLDOWN, PROBE_TIMEOUT, clock.monotonic)


@pytest.fixture
def advance(empty_redis: str, clock: FakeClock) -> Callable[[float], None]:
    def advance(seconds: float) -> None:
        clock.advance(seconds)
        advance_redis(empty_redis, seconds)

    return advance


def test_both_keys_share_a_cluster_slot() -> None:
    assert key_slot(COOLDOWN_KEY.encode()) == key_slot(UNHEALTHY_KEY.encode())


def test_cooldown_key_of_the_wrong_type_is_a_cooldown(
    one: SharedHealth, links: list[InterleavingLink], client: Any
) -> None:
    client.rpush(COOLDOWN_KEY, b"value")
    client.pexpire(COOLDOWN_KEY, 60_000)

    assert one.claim_call() == pytest.approx(60, abs=5)
    assert links[0].is_up


# --- two pods on one Redis -----------------------------------------------------------------


def test_failure_of_one_pod_stops_all_pods(one: SharedHealth, other: SharedHealth) -> None:
    one.record_failure()

    assert COOLDOWN - 5 < other.claim_call() <= COOLDOWN


def test_cooldown_read_from_redis_is_cached_locally(
    one: SharedHealth, other: SharedHealth, clock: FakeClock
) -> None:
    one.record_failure()
    assert other.cooldown_left(KEY) == 0
    other.claim_call()

    assert COOLDOWN - 5 < other.cooldown_left(KEY) <= COOLDOWN
    clock.advance(COOLDOWN)
    assert other.cooldown_left(KEY) == 0


def start_probe(health: SharedHealth, advance: Callable[[float], None]) -> None:
    """Make the upstream unhealthy, and claim the probe after the cooldown."""
    health.record_failure()
    advance(COOLDOWN)
    assert health.claim_call() == 0


def test_only_one_pod_probes_after_the_cooldown(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    one.record_failure()
    advance(COOLDOWN)
    barrier = Barrier(16, timeout=20)

    def claim(health: SharedHealth) -> float:
        barrier.wait()
        return health.claim_call()

    with ThreadPoolExecutor(16) as pool:
        claims = [pool.submit(claim, health) for health in [one, other] * 8]
        waits = [each.result(20) for each in claims]

    assert waits.count(0) == 1
    assert all(PROBE_TIMEOUT - 5 < wait <= PROBE_TIMEOUT for wait in waits if wait)


def test_successful_probe_allows_calls_from_all_pods(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    start_probe(one, advance)
    assert other.claim_call() > 0
    one.record_success()

    assert other.cooldown_left(KEY) == 0
    assert other.claim_call() == 0
    assert other.claim_call() == 0


def test_failed_probe_stops_all_pods(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    one.record_failure()
    advance(COOLDOWN)
    other.claim_call()
    other.record_failure()

    assert COOLDOWN - 5 < one.claim_call() <= COOLDOWN


def test_probe_with_a_rejected_api_key_is_left_to_another_pod(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    start_probe(one, advance)
    one.record_rejected_api_key()

    assert other.claim_call() == 0
    assert PROBE_TIMEOUT - 5 < other.claim_call() <= PROBE_TIMEOUT


def test_pod_with_a_rejected_api_key_does_not_end_the_probe_of_another(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    start_probe(one, advance)
    advance(PROBE_TIMEOUT)
    other.claim_call()
    one.record_rejected_api_key()

    assert PROBE_TIMEOUT - 5 < other.claim_call() <= PROBE_TIMEOUT


def test_late_rejected_api_key_does_not_end_the_cooldown_of_another_pod(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    start_probe(one, advance)
    other.record_failure()
    one.record_rejected_api_key()

    assert COOLDOWN - 5 < other.claim_call() <= COOLDOWN


def test_rejected_api_key_outside_a_probe_makes_no_call_to_redis(
    one: SharedHealth, client: Any, advance: Callable[[float], None]
) -> None:
    start_probe(one, advance)
    one.record_rejected_api_key()
    client.config_resetstat()
    one.record_rejected_api_key()

    assert client.info("commandstats").keys() <= {"cmdstat_config|resetstat"}


def test_probe_of_a_dead_pod_is_replaced_by_another_pod(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    start_probe(one, advance)
    advance(PROBE_TIMEOUT)

    assert other.claim_call() == 0
    assert one.claim_call() > 0


def test_success_of_one_pod_is_visible_to_the_others(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    one.record_failure()
    advance(COOLDOWN)
    other.claim_call()
    other.record_success()

    assert [one.claim_call() for _ in range(3)] == [0, 0, 0]
    assert one.cooldown_left(KEY) == 0


def test_call_started_before_a_failure_does_not_end_the_cooldown(
    one: SharedHealth, other: SharedHealth
) -> None:
    other.claim_call()
    one.record_failure()
    other.record_success()

    assert one.claim_call() > COOLDOWN - 5


def test_success_without_a_known_failure_deletes_no_keys(one: SharedHealth, client: Any) -> None:
    one.claim_call()
    client.config_resetstat()
    one.record_success()

    assert not {"cmdstat_del", "cmdstat_unlink"} & client.info("commandstats").keys()


def test_failure_expires_after_an_hour(
    one: SharedHealth, other: SharedHealth, advance: Callable[[float], None]
) -> None:
    one.record_failure()
    advance(3600)

    assert [other.claim_call() for _ in range(3)] == [0, 0, 0]


def test_all_keys_expire(one: SharedHealth, client: Any, advance: Callable[[float], None]) -> None:
    start_probe(one, advance)

    assert client.dbsize() == 2
    assert all(client.pttl(key) > 0 for key in client.scan_iter())


def test_success_deletes_all_keys(one: SharedHealth, client: Any) -> None:
    one.record_failure()
    one.record_success()

    assert client.dbsize() == 0


def test_cooldown_shorter_than_a_millisecond_is_valid(
    links: list[InterleavingLink], clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    health = SharedHealth(links[0], 0.0001, 0.0001, clock.monotonic)
    health.record_failure()

    assert health.claim_call() <= 0.001
    assert caplog.records == []


def test_script_is_reloaded_after_a_flush(one: SharedHealth, client: Any) -> None:
    one.record_failure()
    one.claim_call()
    client.script_flush()

    assert one.claim_call() > 0


# --- race conditions -----------------------------------------------------------------------


def test_older_reply_of_redis_does_not_undo_a_failure(
    one: SharedHealth, links: list[InterleavingLink]
) -> None:
    links[0].on_reply.append(one.record_failure)

    assert one.claim_call() == 0
    assert one.cooldown_left(KEY) == COOLDOWN


def test_older_reply_of_redis_does_not_undo_a_success(
    one: SharedHealth, other: SharedHealth, links: list[InterleavingLink]
) -> None:
    other.record_failure()
    links[0].on_reply.append(one.record_success)

    assert one.claim_call() > 0
    assert one.cooldown_left(KEY) == 0


# --- without Redis -------------------------------------------------------------------------


@pytest.fixture
def health(breakable_link: RedisLink, clock: FakeClock) -> SharedHealth:
    return SharedHealth(breakable_link, COOLDOWN, PROBE_TIMEOUT, clock.monotonic)


def test_local_cooldown_outlives_redis(server: Any, health: SharedHealth, clock: FakeClock) -> None:
    health.record_failure()
    server.stop()

    assert health.claim_call() == COOLDOWN
    clock.advance(COOLDOWN)
    assert health.claim_call() == 0
    assert health.claim_call() == PROBE_TIMEOUT
    server.start()  # The fixture stops it.


def test_cooldown_of_another_pod_outlives_redis(
    server: Any, breakable_link: RedisLink, health: SharedHealth, clock: FakeClock
) -> None:
    SharedHealth(breakable_link, COOLDOWN, PROBE_TIMEOUT, clock.monotonic).record_failure()
    health.claim_call()
    server.stop()

    assert COOLDOWN - 5 < health.claim_call() <= COOLDOWN
    server.start()


def test_probe_with_a_rejected_api_key_ends_without_redis(
    server: Any, health: SharedHealth, clock: FakeClock
) -> None:
    health.record_failure()
    advance_redis(f"redis://127.0.0.1:{server.port}/0", COOLDOWN)
    clock.advance(COOLDOWN)
    health.claim_call()
    server.stop()
    health.record_rejected_api_key()

    assert health.claim_call() == COOLDOWN
    server.start()


def test_failure_without_redis_stays_in_the_process(
    server: Any, health: SharedHealth, breakable_link: RedisLink, clock: FakeClock
) -> None:
    server.stop()
    other = SharedHealth(breakable_link, COOLDOWN, PROBE_TIMEOUT, clock.monotonic)
    health.record_failure()

    assert health.claim_call() == COOLDOWN
    assert other.claim_call() == 0
    server.start()


def test_success_without_redis_ends_the_local_cooldown(server: Any, health: SharedHealth) -> None:
    server.stop()
    health.record_failure()
    health.record_success()

    assert health.cooldown_left(KEY) == 0
    assert health.claim_call() == 0
    server.start()


def test_recovered_redis_is_used_again(
    server: Any, health: SharedHealth, breakable_link: RedisLink, clock: FakeClock
) -> None:
    server.stop()
    health.claim_call()
    server.start()
    clock.advance(REDIS_COOLDOWN)
    SharedHealth(breakable_link, COOLDOWN, PROBE_TIMEOUT, clock.monotonic).record_failure()

    assert health.claim_call() > 0


def test_cooldown_is_local_with_a_read_only_redis(
    breakable_link: RedisLink, health: SharedHealth
) -> None:
    client: Any = breakable_link.client
    client.replicaof("127.0.0.1", 1)
    health.record_failure()

    assert health.cooldown_left(KEY) == COOLDOWN
    assert health.claim_call() == COOLDOWN


def test_every_cooldown_is_counted(links: list[InterleavingLink]) -> None:
    registry = CollectorRegistry()
    health = SharedHealth(links[0], COOLDOWN, PROBE_TIMEOUT, registry=registry)
    health.record_failure()
    health.record_success()
    health.record_failure()

    assert registry.get_sample_value("butaca_tmdb_cooldowns_total") == 2
