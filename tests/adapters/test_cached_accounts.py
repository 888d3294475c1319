"""Accounts are cached for a short time, and for longer while the database is unreachable."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Barrier, Event

import pytest

from butaca.adapters.cache import MemoryCache
from butaca.adapters.cached_accounts import FRESH_SECONDS, CachedAccounts
from butaca.adapters.circuit_breaker import CircuitBreaker
from butaca.core.accounts import Accounts, digest
from butaca.core.errors import LibraryUnavailable, TokenRejected
from butaca.core.ports import Bearer
from tests.builders import ADMIN, CONSUMER, NOON
from tests.fakes import FakeAccounts, FakeClock
from tests.waiting import wait_until

TOKEN = "1" * 64
RETENTION = 900.0
COOLDOWN = 2.0
TIMEOUT = 20.0
"""In seconds: how long a test waits for another thread before it fails."""


@dataclass
class CountingAccounts(FakeAccounts):
    """Accounts that count lookups, and that may be down or hang."""

    lookups: int = 0
    is_down: bool = False
    responding: Event = field(default_factory=Event)
    on_lookup: Callable[[], object] = bool

    def __post_init__(self) -> None:
        self.responding.set()

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        self.lookups += 1
        assert self.responding.wait(TIMEOUT)
        if self.is_down:
            raise LibraryUnavailable
        bearer = super().find_bearer(token_sha256)
        self.on_lookup()
        return bearer


@dataclass
class AccountsSetup:
    """Cached accounts, the store behind them, and their clock."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: CountingAccounts = field(default_factory=CountingAccounts)

    def __post_init__(self) -> None:
        self.accounts = self.make_accounts(TIMEOUT)

    def make_accounts(self, max_wait: float, threads: int = 1) -> CachedAccounts:
        memory = MemoryCache(2, RETENTION, self.clock.monotonic)
        breaker = CircuitBreaker(COOLDOWN, COOLDOWN, self.clock.monotonic)
        return CachedAccounts(
            self.store,
            memory,
            breaker,
            max_wait=max_wait,
            threads=threads,
            clock=self.clock.monotonic,
        )


@pytest.fixture
def setup() -> Iterator[AccountsSetup]:
    setup = AccountsSetup()
    setup.store.grant_token(CONSUMER, TOKEN, NOON)
    yield setup
    setup.store.responding.set()


def test_lookups_run_in_parallel_up_to_the_number_of_threads(setup: AccountsSetup) -> None:
    accounts, tokens = setup.make_accounts(TIMEOUT, threads=2), (TOKEN, "2" * 64)
    setup.store.grant_token(ADMIN, tokens[1], NOON)
    for token in tokens:
        accounts.find_bearer(token)
    setup.clock.advance(FRESH_SECONDS)
    setup.store.on_lookup = partial(Barrier(2).wait, TIMEOUT)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(accounts.find_bearer, tokens))
    assert found == [Bearer(CONSUMER, TOKEN), Bearer(ADMIN, tokens[1])]


def test_lookup_runs_in_the_context_of_its_request(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    setup.clock.advance(FRESH_SECONDS)
    request_id: ContextVar[str] = ContextVar("request_id", default="")
    seen: list[str] = []
    setup.store.on_lookup = lambda: seen.append(request_id.get())
    request_id.set("request-1")
    setup.accounts.find_bearer(TOKEN)
    assert seen == ["request-1"]


def test_fresh_token_is_not_looked_up_again(setup: AccountsSetup) -> None:
    for _ in range(3):
        assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)
    assert setup.store.lookups == 1


def test_revocation_is_visible_within_five_seconds(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    setup.store.revoke_by_digest(TOKEN, NOON)
    setup.clock.advance(FRESH_SECONDS)
    assert FRESH_SECONDS < 5
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_age_of_a_lookup_counts_from_its_start(setup: AccountsSetup) -> None:
    setup.store.on_lookup = lambda: setup.clock.advance(3)
    setup.accounts.find_bearer(TOKEN)
    setup.store.revoke_by_digest(TOKEN, NOON)
    setup.clock.advance(FRESH_SECONDS - 3)
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_slow_lookup_does_not_overwrite_a_newer_revocation(setup: AccountsSetup) -> None:
    def look_up_revoked_token() -> None:
        setup.store.on_lookup = bool
        setup.clock.advance(1)
        setup.store.revoke_by_digest(TOKEN, NOON)
        setup.accounts.find_bearer(TOKEN)

    setup.store.on_lookup = look_up_revoked_token
    setup.accounts.find_bearer(TOKEN)
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_deleted_token_is_evicted(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    setup.store.bearers.clear()
    setup.clock.advance(FRESH_SECONDS)
    assert setup.accounts.find_bearer(TOKEN) is None
    setup.store.is_down = True
    with pytest.raises(LibraryUnavailable):
        setup.accounts.find_bearer(TOKEN)


def test_unknown_token_is_looked_up_every_time(setup: AccountsSetup) -> None:
    for _ in range(2):
        assert setup.accounts.find_bearer("0" * 64) is None
    assert setup.store.lookups == 2


def test_cached_token_is_valid_while_the_database_is_down(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    setup.clock.advance(60)
    setup.store.is_down = True
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)


def test_failed_lookup_stops_lookups_of_cached_tokens(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    setup.clock.advance(5)
    setup.store.is_down = True
    for _ in range(3):
        assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)
    assert setup.store.lookups == 2


def test_revocation_is_visible_after_the_database_recovers(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    setup.clock.advance(5)
    setup.store.is_down = True
    setup.accounts.find_bearer(TOKEN)
    setup.store.is_down = False
    setup.store.revoke_by_digest(TOKEN, NOON)
    setup.clock.advance(COOLDOWN)
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_cached_token_does_not_wait_for_a_hung_database(setup: AccountsSetup) -> None:
    accounts = setup.make_accounts(0.01)
    accounts.find_bearer(TOKEN)
    setup.clock.advance(5)
    setup.store.responding.clear()
    for _ in range(3):
        assert accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)


def test_hung_lookup_blocks_further_lookups(setup: AccountsSetup) -> None:
    accounts = setup.make_accounts(0.01)
    accounts.find_bearer(TOKEN)
    setup.clock.advance(5)
    setup.store.responding.clear()

    def find_after_cooldown() -> int:
        accounts.find_bearer(TOKEN)
        setup.clock.advance(COOLDOWN)
        return setup.store.lookups

    wait_until(lambda: find_after_cooldown() == 2)
    assert [find_after_cooldown() for _ in range(3)] == [2, 2, 2]


def test_revoked_token_stays_revoked_while_the_database_is_down(setup: AccountsSetup) -> None:
    setup.store.revoke_by_digest(TOKEN, NOON)
    setup.accounts.find_bearer(TOKEN)
    setup.clock.advance(60)
    setup.store.is_down = True
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_token_issued_by_another_process_is_valid_immediately(setup: AccountsSetup) -> None:
    assert setup.accounts.find_bearer("0" * 64) is None
    setup.store.add_token(CONSUMER, "0" * 64, NOON, None)
    assert setup.accounts.find_bearer("0" * 64) == Bearer(CONSUMER, "0" * 64)


@pytest.mark.parametrize(("seconds", "is_down"), [(3, False), (60, True)])
def test_cached_token_expires_on_time(setup: AccountsSetup, seconds: float, is_down: bool) -> None:
    end, accounts = NOON + timedelta(seconds=seconds), Accounts(setup.accounts, setup.clock.now)
    setup.store.add_token(CONSUMER, digest("short-lived"), NOON, end)
    accounts.identify("short-lived")
    setup.store.is_down = is_down
    setup.clock.advance(seconds - 0.1)
    assert accounts.identify("short-lived") == CONSUMER
    setup.clock.advance(0.1)
    assert setup.clock.moment == end
    with pytest.raises(TokenRejected):
        accounts.identify("short-lived")


def test_cache_entry_expires_after_the_retention(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    setup.clock.advance(RETENTION)
    setup.store.is_down = True
    with pytest.raises(LibraryUnavailable):
        setup.accounts.find_bearer(TOKEN)


def test_local_revocation_is_visible_immediately(setup: AccountsSetup) -> None:
    setup.accounts.find_bearer(TOKEN)
    assert setup.accounts.revoke_by_digest(TOKEN, NOON)
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_local_grant_is_visible_immediately(setup: AccountsSetup) -> None:
    setup.accounts.revoke_by_digest(TOKEN, NOON)
    setup.accounts.find_bearer(TOKEN)
    assert setup.accounts.grant_token(CONSUMER, TOKEN, NOON)
    assert setup.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)


def test_users_are_looked_up_in_the_store(setup: AccountsSetup) -> None:
    assert setup.accounts.find_user(CONSUMER.id) == CONSUMER
    assert setup.accounts.find_user(99) is None
