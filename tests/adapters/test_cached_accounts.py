"""Cached accounts: for a short time, and while the database is unreachable."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Barrier, Event

import pytest

from butaca.adapters.cache import MemoryCache
from butaca.adapters.cached_accounts import FRESH_FOR, CachedAccounts
from butaca.adapters.circuit_breaker import CircuitBreaker
from butaca.core.accounts import Accounts, digest
from butaca.core.errors import LibraryUnavailable, TokenRejected
from butaca.core.ports import Bearer
from tests.builders import ADMIN, CONSUMER, NOON
from tests.fakes import FakeAccounts, FakeClock

TOKEN = "1" * 64
KEPT_FOR = 900.0
REST = 2.0
LONG = 20.0
"""Seconds that a test waits for a thread before it fails."""


@dataclass
class Lookups(FakeAccounts):
    """Accounts that count how often they are asked, and that may be away, or hang."""

    asked: int = 0
    is_away: bool = False
    answers: Event = field(default_factory=Event)
    meanwhile: Callable[[], object] = bool

    def __post_init__(self) -> None:
        self.answers.set()

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        self.asked += 1
        assert self.answers.wait(LONG)
        if self.is_away:
            raise LibraryUnavailable
        bearer = super().find_bearer(token_sha256)
        self.meanwhile()
        return bearer


@dataclass
class Scene:
    clock: FakeClock = field(default_factory=FakeClock)
    lookups: Lookups = field(default_factory=Lookups)

    def __post_init__(self) -> None:
        self.accounts = self.patient_for(LONG)

    def patient_for(self, seconds: float, threads: int = 1) -> CachedAccounts:
        memory = MemoryCache(2, KEPT_FOR, self.clock.monotonic)
        rest = CircuitBreaker(REST, REST, self.clock.monotonic)
        return CachedAccounts(
            self.lookups,
            memory,
            rest,
            patience=seconds,
            threads=threads,
            clock=self.clock.monotonic,
        )


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    scene.lookups.grant_token(CONSUMER, TOKEN, NOON)
    yield scene
    scene.lookups.answers.set()


def test_as_many_are_looked_up_at_a_time_as_there_are_threads(scene: Scene) -> None:
    accounts, tokens = scene.patient_for(LONG, threads=2), (TOKEN, "2" * 64)
    scene.lookups.grant_token(ADMIN, tokens[1], NOON)
    for token in tokens:
        accounts.find_bearer(token)
    scene.clock.move(FRESH_FOR)
    scene.lookups.meanwhile = partial(Barrier(2).wait, LONG)
    with ThreadPoolExecutor(2) as callers:
        found = list(callers.map(accounts.find_bearer, tokens))
    assert found == [Bearer(CONSUMER, TOKEN), Bearer(ADMIN, tokens[1])]


def test_a_look_up_knows_the_request_that_it_is_for(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.clock.move(FRESH_FOR)
    request_id: ContextVar[str] = ContextVar("request_id", default="")
    known: list[str] = []
    scene.lookups.meanwhile = lambda: known.append(request_id.get())
    request_id.set("of this request")
    scene.accounts.find_bearer(TOKEN)
    assert known == ["of this request"]


def test_whoever_was_found_just_now_is_not_looked_up_again(scene: Scene) -> None:
    for _ in range(3):
        assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)
    assert scene.lookups.asked == 1


def test_within_five_seconds_a_revoked_token_is_seen_to_be_so(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.lookups.revoke(TOKEN, NOON)
    scene.clock.move(FRESH_FOR)
    assert FRESH_FOR < 5
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_an_answer_that_was_slow_to_come_is_as_old_as_its_question(scene: Scene) -> None:
    scene.lookups.meanwhile = lambda: scene.clock.move(3)
    scene.accounts.find_bearer(TOKEN)
    scene.lookups.revoke(TOKEN, NOON)
    scene.clock.move(FRESH_FOR - 3)
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_an_answer_that_was_slow_to_come_does_not_make_a_revoked_token_good(scene: Scene) -> None:
    def another_thread_is_quicker() -> None:
        scene.lookups.meanwhile = bool
        scene.clock.move(1)
        scene.lookups.revoke(TOKEN, NOON)
        scene.accounts.find_bearer(TOKEN)

    scene.lookups.meanwhile = another_thread_is_quicker
    scene.accounts.find_bearer(TOKEN)
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_a_token_that_is_gone_is_forgotten(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.lookups.bearers.clear()
    scene.clock.move(FRESH_FOR)
    assert scene.accounts.find_bearer(TOKEN) is None
    scene.lookups.is_away = True
    with pytest.raises(LibraryUnavailable):
        scene.accounts.find_bearer(TOKEN)


def test_an_unknown_token_is_looked_up_each_time(scene: Scene) -> None:
    for _ in range(2):
        assert scene.accounts.find_bearer("0" * 64) is None
    assert scene.lookups.asked == 2


def test_while_the_database_is_away_whoever_is_remembered_may_call(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.clock.move(60)
    scene.lookups.is_away = True
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)


def test_after_a_look_up_that_failed_nobody_who_is_remembered_is_looked_up(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.clock.move(5)
    scene.lookups.is_away = True
    for _ in range(3):
        assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)
    assert scene.lookups.asked == 2


def test_when_the_database_is_back_a_revoked_token_is_seen_to_be_so(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.clock.move(5)
    scene.lookups.is_away = True
    scene.accounts.find_bearer(TOKEN)
    scene.lookups.is_away = False
    scene.lookups.revoke(TOKEN, NOON)
    scene.clock.move(REST)
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_while_the_database_hangs_whoever_is_remembered_does_not_wait_for_it(scene: Scene) -> None:
    accounts = scene.patient_for(0.01)
    accounts.find_bearer(TOKEN)
    scene.clock.move(5)
    scene.lookups.answers.clear()
    for _ in range(3):
        assert accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)


def test_while_one_look_up_hangs_no_other_is_begun(scene: Scene) -> None:
    accounts = scene.patient_for(0.01)
    accounts.find_bearer(TOKEN)
    scene.clock.move(5)
    scene.lookups.answers.clear()
    for _ in range(3):
        accounts.find_bearer(TOKEN)
        scene.clock.move(REST)
    assert scene.lookups.asked <= 2


def test_while_the_database_is_away_a_token_seen_revoked_stays_so(scene: Scene) -> None:
    scene.lookups.revoke(TOKEN, NOON)
    scene.accounts.find_bearer(TOKEN)
    scene.clock.move(60)
    scene.lookups.is_away = True
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_a_token_that_another_process_issues_is_good_at_once(scene: Scene) -> None:
    assert scene.accounts.find_bearer("0" * 64) is None
    scene.lookups.add_token(CONSUMER, "0" * 64, NOON, None)
    assert scene.accounts.find_bearer("0" * 64) == Bearer(CONSUMER, "0" * 64)


@pytest.mark.parametrize(("seconds", "is_away"), [(3, False), (60, True)])
def test_a_remembered_token_ends_the_moment_it_expires(
    scene: Scene, seconds: float, is_away: bool
) -> None:
    end, accounts = NOON + timedelta(seconds=seconds), Accounts(scene.accounts, scene.clock.now)
    scene.lookups.add_token(CONSUMER, digest("fleeting"), NOON, end)
    accounts.identify("fleeting")
    scene.lookups.is_away = is_away
    scene.clock.move(seconds - 0.1)
    assert accounts.identify("fleeting") == CONSUMER
    scene.clock.move(0.1)
    assert scene.clock.moment == end
    with pytest.raises(TokenRejected):
        accounts.identify("fleeting")


def test_nobody_is_remembered_for_ever(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.clock.move(KEPT_FOR)
    scene.lookups.is_away = True
    with pytest.raises(LibraryUnavailable):
        scene.accounts.find_bearer(TOKEN)


def test_a_token_revoked_here_is_seen_to_be_so_at_once(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    assert scene.accounts.revoke(TOKEN, NOON)
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_a_token_made_valid_here_is_so_at_once(scene: Scene) -> None:
    scene.accounts.revoke(TOKEN, NOON)
    scene.accounts.find_bearer(TOKEN)
    assert scene.accounts.grant_token(CONSUMER, TOKEN, NOON)
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)


def test_people_are_found_as_ever(scene: Scene) -> None:
    assert scene.accounts.find_user(CONSUMER.id) == CONSUMER
    assert scene.accounts.find_user(99) is None
