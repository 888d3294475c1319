"""The upstream health that pods share over Redis, and its fallback without Redis."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import pytest
from prometheus_client import CollectorRegistry
from redis.crc import key_slot

from butaca.adapters.cache import SharedHealth
from butaca.adapters.cache.health import AILING, RESTING
from butaca.adapters.redis import RedisLink
from tests.adapters.cache.scene import REST
from tests.fakes import FakeClock
from tests.redis_time import let_pass

T = TypeVar("T")
COOLDOWN, PROBE = 600.0, 60.0
KEY = "popular:1:en-US:"


class OvertakenLink(RedisLink):
    """A link whose answers something overtakes on their way."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        super().__init__(url, timeout=5.0, clock=clock.monotonic)
        self.overtakes: list[Callable[[], None]] = []

    def attempt(self, call: Callable[[], T], otherwise: T) -> T:
        answer = super().attempt(call, otherwise)
        if self.overtakes:
            self.overtakes.pop()()
        return answer


@pytest.fixture
def links(empty_redis: str, clock: FakeClock) -> Iterator[list[OvertakenLink]]:
    links = [OvertakenLink(empty_redis, clock) for _ in range(2)]
    yield links
    for link in links:
        link.client.close()


@pytest.fixture
def client(links: list[OvertakenLink]) -> Any:
    return links[0].client


@pytest.fixture
def one(links: list[OvertakenLink], clock: FakeClock) -> SharedHealth:
    return SharedHealth(links[0], COOLDOWN, PROBE, clock.monotonic)


@pytest.fixture
def other(links: list[OvertakenLink], clock: FakeClock) -> SharedHealth:
    return SharedHealth(links[1], COOLDOWN, PROBE, clock.monotonic)


@pytest.fixture
def pass_seconds(empty_redis: str, clock: FakeClock) -> Callable[[float], None]:
    def pass_seconds(seconds: float) -> None:
        clock.move(seconds)
        let_pass(empty_redis, seconds)

    return pass_seconds


def test_the_two_keys_are_in_one_slot_of_a_cluster() -> None:
    assert key_slot(RESTING.encode()) == key_slot(AILING.encode())


def test_a_rest_whose_key_is_of_another_type_is_a_rest(
    one: SharedHealth, links: list[OvertakenLink], client: Any
) -> None:
    client.rpush(RESTING, b"nobody")
    client.pexpire(RESTING, 60_000)

    assert one.claim() == pytest.approx(60, abs=5)
    assert links[0].is_up


# --- where all was seen to be calm ---------------------------------------------------------


def test_where_all_is_calm_nobody_is_asked(one: SharedHealth, other: SharedHealth) -> None:
    one.failed()

    assert other.claim(is_calm=True) == 0


def test_what_a_pod_knows_itself_is_newer_than_the_calm(one: SharedHealth) -> None:
    one.failed()

    assert one.claim(is_calm=True) == COOLDOWN


def test_a_calm_that_a_refusal_overtook_is_none(one: SharedHealth) -> None:
    one.refused()

    assert one.claim(is_calm=True) == COOLDOWN


# --- two pods on one Redis -----------------------------------------------------------------


def test_when_one_pod_fails_no_pod_goes(one: SharedHealth, other: SharedHealth) -> None:
    one.failed()

    assert COOLDOWN - 5 < other.claim() <= COOLDOWN


def test_a_pod_that_was_told_of_a_rest_need_not_ask_again(
    one: SharedHealth, other: SharedHealth, clock: FakeClock
) -> None:
    one.failed()
    assert other.seconds_of_rest(KEY) == 0
    other.claim()

    assert COOLDOWN - 5 < other.seconds_of_rest(KEY) <= COOLDOWN
    clock.move(COOLDOWN)
    assert other.seconds_of_rest(KEY) == 0


def test_over_all_pods_one_goes_after_the_rest(
    one: SharedHealth, other: SharedHealth, pass_seconds: Callable[[float], None]
) -> None:
    one.failed()
    pass_seconds(COOLDOWN)
    barrier = Barrier(16, timeout=20)

    def claim(health: SharedHealth) -> float:
        barrier.wait()
        return health.claim()

    with ThreadPoolExecutor(16) as pool:
        claims = [pool.submit(claim, health) for health in [one, other] * 8]
        waits = [each.result(20) for each in claims]

    assert waits.count(0) == 1
    assert all(PROBE - 5 < wait <= PROBE for wait in waits if wait)


def test_a_probe_that_succeeds_frees_every_pod(
    one: SharedHealth, other: SharedHealth, pass_seconds: Callable[[float], None]
) -> None:
    one.failed()
    pass_seconds(COOLDOWN)
    assert one.claim() == 0
    assert other.claim() > 0
    one.answered()

    assert other.seconds_of_rest(KEY) == 0
    assert other.claim() == 0
    assert other.claim() == 0


def test_a_probe_that_fails_stops_every_pod(
    one: SharedHealth, other: SharedHealth, pass_seconds: Callable[[float], None]
) -> None:
    one.failed()
    pass_seconds(COOLDOWN)
    other.claim()
    other.failed()

    assert COOLDOWN - 5 < one.claim() <= COOLDOWN


def test_a_probe_of_a_pod_that_died_is_replaced_by_another_pod(
    one: SharedHealth, other: SharedHealth, pass_seconds: Callable[[float], None]
) -> None:
    one.failed()
    pass_seconds(COOLDOWN)
    one.claim()
    pass_seconds(PROBE)

    assert other.claim() == 0
    assert one.claim() > 0


def test_a_success_of_one_pod_is_known_to_whoever_asks(
    one: SharedHealth, other: SharedHealth, pass_seconds: Callable[[float], None]
) -> None:
    one.failed()
    pass_seconds(COOLDOWN)
    other.claim()
    other.answered()

    assert [one.claim() for _ in range(3)] == [0, 0, 0]
    assert one.seconds_of_rest(KEY) == 0


def test_a_call_that_left_before_another_failed_ends_no_rest(
    one: SharedHealth, other: SharedHealth
) -> None:
    other.claim()
    one.failed()
    other.answered()

    assert one.claim() > COOLDOWN - 5


def test_whoever_never_heard_of_a_failure_tells_redis_of_no_success(
    one: SharedHealth, client: Any
) -> None:
    one.claim()
    client.config_resetstat()
    one.answered()

    assert not {"cmdstat_del", "cmdstat_unlink"} & client.info("commandstats").keys()


def test_a_failure_is_forgotten_after_an_hour(
    one: SharedHealth, other: SharedHealth, pass_seconds: Callable[[float], None]
) -> None:
    one.failed()
    pass_seconds(3600)

    assert [other.claim() for _ in range(3)] == [0, 0, 0]


def test_all_that_is_written_can_expire(
    one: SharedHealth, client: Any, pass_seconds: Callable[[float], None]
) -> None:
    one.failed()
    pass_seconds(COOLDOWN)
    one.claim()

    assert client.dbsize() == 2
    assert all(client.pttl(key) > 0 for key in client.scan_iter())


def test_a_success_leaves_nothing_behind(one: SharedHealth, client: Any) -> None:
    one.failed()
    one.answered()

    assert client.dbsize() == 0


def test_a_rest_of_less_than_a_millisecond_harms_nothing(
    links: list[OvertakenLink], clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    health = SharedHealth(links[0], 0.0001, 0.0001, clock.monotonic)
    health.failed()

    assert health.claim() <= 0.001
    assert caplog.records == []


def test_a_redis_that_forgot_our_script_is_told_it_again(one: SharedHealth, client: Any) -> None:
    one.failed()
    one.claim()
    client.script_flush()

    assert one.claim() > 0


# --- what overtakes what -------------------------------------------------------------------


def test_a_failure_is_not_undone_by_an_older_answer_of_redis(
    one: SharedHealth, links: list[OvertakenLink]
) -> None:
    links[0].overtakes.append(one.failed)

    assert one.claim() == 0
    assert one.seconds_of_rest(KEY) == COOLDOWN


def test_a_success_is_not_undone_by_an_older_answer_of_redis(
    one: SharedHealth, other: SharedHealth, links: list[OvertakenLink]
) -> None:
    other.failed()
    links[0].overtakes.append(one.answered)

    assert one.claim() > 0
    assert one.seconds_of_rest(KEY) == 0


# --- without Redis -------------------------------------------------------------------------


@pytest.fixture
def health(ruined: RedisLink, clock: FakeClock) -> SharedHealth:
    return SharedHealth(ruined, COOLDOWN, PROBE, clock.monotonic)


def test_a_rest_outlives_the_redis_that_it_was_told(
    server: Any, health: SharedHealth, clock: FakeClock
) -> None:
    health.failed()
    server.stop()

    assert health.claim() == COOLDOWN
    clock.move(COOLDOWN)
    assert health.claim() == 0
    assert health.claim() == PROBE
    server.start()  # For the fixture, which stops it.


def test_a_rest_that_another_pod_began_outlives_redis(
    server: Any, ruined: RedisLink, health: SharedHealth, clock: FakeClock
) -> None:
    SharedHealth(ruined, COOLDOWN, PROBE, clock.monotonic).failed()
    health.claim()
    server.stop()

    assert COOLDOWN - 5 < health.claim() <= COOLDOWN
    server.start()


def test_a_failure_without_redis_is_our_own(
    server: Any, health: SharedHealth, ruined: RedisLink, clock: FakeClock
) -> None:
    server.stop()
    other = SharedHealth(ruined, COOLDOWN, PROBE, clock.monotonic)
    health.failed()

    assert health.claim() == COOLDOWN
    assert other.claim() == 0
    server.start()


def test_a_success_without_redis_ends_our_own_rest(server: Any, health: SharedHealth) -> None:
    server.stop()
    health.failed()
    health.answered()

    assert health.seconds_of_rest(KEY) == 0
    assert health.claim() == 0
    server.start()


def test_a_redis_that_came_back_is_asked_again(
    server: Any, health: SharedHealth, ruined: RedisLink, clock: FakeClock
) -> None:
    server.stop()
    health.claim()
    server.start()
    clock.move(REST)
    SharedHealth(ruined, COOLDOWN, PROBE, clock.monotonic).failed()

    assert health.claim() > 0


def test_with_a_read_only_redis_a_rest_is_our_own(ruined: RedisLink, health: SharedHealth) -> None:
    client: Any = ruined.client
    client.replicaof("127.0.0.1", 1)
    health.failed()

    assert health.seconds_of_rest(KEY) == COOLDOWN
    assert health.claim() == COOLDOWN


def test_every_rest_is_counted(links: list[OvertakenLink]) -> None:
    registry = CollectorRegistry()
    health = SharedHealth(links[0], COOLDOWN, PROBE, registry=registry)
    health.failed()
    health.answered()
    health.failed()

    assert registry.get_sample_value("butaca_tmdb_cooldowns_total") == 2
