"""Accounts that are remembered, for a little while and while the database is away."""

from dataclasses import dataclass, field

import pytest

from butaca.adapters.cache import Memory
from butaca.adapters.remembered_accounts import RememberedAccounts
from butaca.core.errors import LibraryUnavailable
from butaca.core.ports import Bearer
from tests.builders import CONSUMER, NOON
from tests.fakes import FakeAccounts, FakeClock

TOKEN = "1" * 64
KEPT_FOR = 900.0


@dataclass
class Lookups(FakeAccounts):
    """Accounts that count how often they are asked, and that may be away."""

    asked: int = 0
    is_away: bool = False

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        self.asked += 1
        if self.is_away:
            raise LibraryUnavailable
        return super().find_bearer(token_sha256)


@dataclass
class Scene:
    clock: FakeClock = field(default_factory=FakeClock)
    lookups: Lookups = field(default_factory=Lookups)

    def __post_init__(self) -> None:
        memory = Memory(2, KEPT_FOR, self.clock.monotonic)
        self.accounts = RememberedAccounts(self.lookups, memory, fresh_for=5.0)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.lookups.let_in(CONSUMER, TOKEN, NOON)
    return scene


def test_whoever_was_found_just_now_is_not_looked_up_again(scene: Scene) -> None:
    for _ in range(3):
        assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)
    assert scene.lookups.asked == 1


def test_after_five_seconds_a_revoked_token_is_seen_to_be_so(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.lookups.revoke(TOKEN, NOON)
    scene.clock.move(5)
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN, revoked_at=NOON)


def test_a_token_that_is_gone_is_forgotten(scene: Scene) -> None:
    scene.accounts.find_bearer(TOKEN)
    scene.lookups.bearers.clear()
    scene.clock.move(5)
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
    assert scene.accounts.let_in(CONSUMER, TOKEN, NOON)
    assert scene.accounts.find_bearer(TOKEN) == Bearer(CONSUMER, TOKEN)


def test_people_are_found_as_ever(scene: Scene) -> None:
    assert scene.accounts.find_user(CONSUMER.id) == CONSUMER
    assert scene.accounts.find_user(99) is None
