"""Authentication by token, authorization by role, and the demo users."""

import hmac
from datetime import datetime, timedelta
from hashlib import sha256

import pytest

from butaca.core.accounts import Accounts, digest, require_role
from butaca.core.errors import PermissionDenied, TokenRejected, UserNotFound
from butaca.core.models import Role, User
from butaca.core.ports import Bearer
from tests.builders import ADMIN, ADMIN_TOKEN, CONSUMER, CONSUMER_TOKEN, NOON
from tests.fakes import FakeAccounts, FakeClock

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def store() -> FakeAccounts:
    return FakeAccounts()


@pytest.fixture
def accounts(store: FakeAccounts) -> Accounts:
    accounts = Accounts(store, FakeClock(NOON).now)
    accounts.enable_demo_users()
    return accounts


def add_token(store: FakeAccounts, token: str, **fields: datetime) -> None:
    store.bearers[digest(token)] = Bearer(CONSUMER, digest(token), **fields)


@pytest.mark.parametrize(("token", "user"), [(ADMIN_TOKEN, ADMIN), (CONSUMER_TOKEN, CONSUMER)])
def test_demo_token_identifies_its_user(accounts: Accounts, token: str, user: User) -> None:
    assert accounts.identify(token) == user


@pytest.mark.parametrize(
    "token", ["", "unknown", CONSUMER_TOKEN + " ", CONSUMER_TOKEN[:-1], "ñ", "\0"]
)
def test_unknown_token_is_rejected(accounts: Accounts, token: str) -> None:
    with pytest.raises(TokenRejected):
        accounts.identify(token)


def test_digest_of_a_token_is_rejected(accounts: Accounts) -> None:
    with pytest.raises(TokenRejected):
        accounts.identify(digest(CONSUMER_TOKEN))


def test_token_is_valid_until_it_expires(accounts: Accounts, store: FakeAccounts) -> None:
    add_token(store, "short-lived", expires_at=NOON + MICROSECOND)
    assert accounts.identify("short-lived") == CONSUMER


@pytest.mark.parametrize("expires_at", [NOON, NOON - MICROSECOND])
def test_expired_token_is_rejected(
    accounts: Accounts, store: FakeAccounts, expires_at: datetime
) -> None:
    add_token(store, "short-lived", expires_at=expires_at)
    with pytest.raises(TokenRejected):
        accounts.identify("short-lived")


def test_revoked_token_is_rejected(accounts: Accounts, store: FakeAccounts) -> None:
    add_token(store, "revoked", revoked_at=NOON, expires_at=NOON + timedelta(days=1))
    with pytest.raises(TokenRejected):
        accounts.identify("revoked")


class MismatchingAccounts(FakeAccounts):
    """A store that returns a user for any token, as a case-insensitive collation might."""

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        return next(iter(self.bearers.values()))


def test_bearer_with_a_different_digest_is_rejected() -> None:
    accounts = Accounts(MismatchingAccounts(), FakeClock().now)
    accounts.enable_demo_users()
    with pytest.raises(TokenRejected):
        accounts.identify("unknown")


def test_digests_are_compared_in_constant_time(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def recording_compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return compare(left, right)

    monkeypatch.setattr(hmac, "compare_digest", recording_compare)
    accounts.identify(CONSUMER_TOKEN)
    assert compared == [(digest(CONSUMER_TOKEN), digest(CONSUMER_TOKEN))]


def test_user_is_found_by_id(accounts: Accounts) -> None:
    assert accounts.user(2) == CONSUMER


def test_unknown_user_id_is_not_found(accounts: Accounts) -> None:
    with pytest.raises(UserNotFound):
        accounts.user(99)


def test_enabling_demo_users_again_changes_nothing(accounts: Accounts, store: FakeAccounts) -> None:
    users, bearers = dict(store.users), dict(store.bearers)
    accounts.enable_demo_users()
    assert (store.users, store.bearers) == (users, bearers)


def test_no_demo_token_is_valid_if_one_demo_name_is_taken() -> None:
    store = FakeAccounts(users={1001: User(1001, CONSUMER.name, Role.USER)})
    accounts = Accounts(store)
    assert not accounts.enable_demo_users()
    for token in (ADMIN_TOKEN, CONSUMER_TOKEN):
        with pytest.raises(TokenRejected):
            accounts.identify(token)


def test_demo_users_are_admin_and_consumer(accounts: Accounts, store: FakeAccounts) -> None:
    assert store.users == {1: ADMIN, 2: CONSUMER}


def test_disabled_demo_tokens_are_rejected(accounts: Accounts) -> None:
    accounts.enable_demo_users()
    assert accounts.disable_demo_users()
    for token in (ADMIN_TOKEN, CONSUMER_TOKEN):
        with pytest.raises(TokenRejected):
            accounts.identify(token)


def test_disabling_returns_false_if_demo_users_were_never_enabled() -> None:
    assert not Accounts(FakeAccounts()).disable_demo_users()


def test_reenabled_demo_token_is_valid(accounts: Accounts) -> None:
    accounts.enable_demo_users()
    accounts.disable_demo_users()
    assert accounts.enable_demo_users()
    assert accounts.identify(CONSUMER_TOKEN) == CONSUMER


def test_demo_users_are_not_enabled_if_a_demo_id_is_taken() -> None:
    store = FakeAccounts()
    store.grant_token(User(ADMIN.id, "alice", Role.ADMIN), "0" * 64, NOON)
    accounts = Accounts(store)
    assert not accounts.enable_demo_users()
    with pytest.raises(TokenRejected):
        accounts.identify(ADMIN_TOKEN)


def test_only_the_sha256_of_a_token_is_stored(accounts: Accounts, store: FakeAccounts) -> None:
    expected = {sha256(token.encode()).hexdigest() for token in (ADMIN_TOKEN, CONSUMER_TOKEN)}
    assert set(store.bearers) == expected
    assert CONSUMER_TOKEN not in repr(store)
    assert ADMIN_TOKEN not in repr(store)


@pytest.mark.parametrize(
    ("user", "role"), [(CONSUMER, Role.USER), (ADMIN, Role.USER), (ADMIN, Role.ADMIN)]
)
def test_user_with_the_required_role_is_permitted(user: User, role: Role) -> None:
    require_role(user, role)


def test_user_without_the_required_role_is_denied() -> None:
    with pytest.raises(PermissionDenied):
        require_role(CONSUMER, Role.ADMIN)
