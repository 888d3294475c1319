"""Only a valid token identifies a user, and the role decides what the user may do."""

import hmac
from datetime import datetime, timedelta
from hashlib import sha256

import pytest

from butaca.core.accounts import Accounts, digest, permit
from butaca.core.errors import RoleMissing, TokenRejected, UserNotFound
from butaca.core.models import Role, User
from butaca.core.ports import Bearer
from tests.builders import ADMIN, ADMIN_TOKEN, CONSUMER, CONSUMER_TOKEN, NOON
from tests.fakes import FakeAccounts, FakeClock

A_MOMENT = timedelta(microseconds=1)


@pytest.fixture
def store() -> FakeAccounts:
    return FakeAccounts()


@pytest.fixture
def accounts(store: FakeAccounts) -> Accounts:
    accounts = Accounts(store, FakeClock(NOON).now)
    accounts.enable_demo_users()
    return accounts


def give(store: FakeAccounts, token: str, **ends: datetime) -> None:
    store.bearers[digest(token)] = Bearer(CONSUMER, digest(token), **ends)


@pytest.mark.parametrize(("token", "user"), [(ADMIN_TOKEN, ADMIN), (CONSUMER_TOKEN, CONSUMER)])
def test_a_demo_user_is_identified_by_their_token(
    accounts: Accounts, token: str, user: User
) -> None:
    assert accounts.identify(token) == user


@pytest.mark.parametrize(
    "token", ["", "unknown", CONSUMER_TOKEN + " ", CONSUMER_TOKEN[:-1], "ñ", "\0"]
)
def test_an_unknown_token_is_rejected(accounts: Accounts, token: str) -> None:
    with pytest.raises(TokenRejected):
        accounts.identify(token)


def test_the_digest_of_a_token_is_no_token(accounts: Accounts) -> None:
    with pytest.raises(TokenRejected):
        accounts.identify(digest(CONSUMER_TOKEN))


def test_a_token_is_good_until_it_expires(accounts: Accounts, store: FakeAccounts) -> None:
    give(store, "fleeting", expires_at=NOON + A_MOMENT)
    assert accounts.identify("fleeting") == CONSUMER


@pytest.mark.parametrize("expires_at", [NOON, NOON - A_MOMENT])
def test_a_token_is_rejected_from_the_moment_it_expires(
    accounts: Accounts, store: FakeAccounts, expires_at: datetime
) -> None:
    give(store, "fleeting", expires_at=expires_at)
    with pytest.raises(TokenRejected):
        accounts.identify("fleeting")


def test_a_revoked_token_is_rejected(accounts: Accounts, store: FakeAccounts) -> None:
    give(store, "revoked", revoked_at=NOON, expires_at=NOON + timedelta(days=1))
    with pytest.raises(TokenRejected):
        accounts.identify("revoked")


class CarelessAccounts(FakeAccounts):
    """A store that finds somebody whatever the token, as a collation without case might."""

    def find_bearer(self, token_sha256: str) -> Bearer | None:
        return next(iter(self.bearers.values()))


def test_a_token_that_the_store_confuses_with_another_is_rejected() -> None:
    accounts = Accounts(CarelessAccounts(), FakeClock().now)
    accounts.enable_demo_users()
    with pytest.raises(TokenRejected):
        accounts.identify("unknown")


def test_digests_are_compared_in_constant_time(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def compare_and_tell(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare_and_tell)
    accounts.identify(CONSUMER_TOKEN)
    assert compared == [(digest(CONSUMER_TOKEN), digest(CONSUMER_TOKEN))]


def test_somebody_is_found_by_id(accounts: Accounts) -> None:
    assert accounts.person(2) == CONSUMER


def test_nobody_is_found_by_an_unknown_id(accounts: Accounts) -> None:
    with pytest.raises(UserNotFound):
        accounts.person(99)


def test_adding_the_demo_users_again_changes_nothing(
    accounts: Accounts, store: FakeAccounts
) -> None:
    users, bearers = dict(store.users), dict(store.bearers)
    accounts.enable_demo_users()
    assert (store.users, store.bearers) == (users, bearers)


def test_where_one_demo_user_cannot_be_let_in_neither_may_call() -> None:
    store = FakeAccounts(users={1001: User(1001, CONSUMER.name, Role.USER)})
    accounts = Accounts(store)
    assert not accounts.enable_demo_users()
    for token in (ADMIN_TOKEN, CONSUMER_TOKEN):
        with pytest.raises(TokenRejected):
            accounts.identify(token)


def test_the_demo_users_are_those_of_the_brief(accounts: Accounts, store: FakeAccounts) -> None:
    assert store.users == {1: ADMIN, 2: CONSUMER}


def test_demo_users_who_are_shut_out_may_not_call(accounts: Accounts) -> None:
    accounts.enable_demo_users()
    assert accounts.disable_demo_users()
    for token in (ADMIN_TOKEN, CONSUMER_TOKEN):
        with pytest.raises(TokenRejected):
            accounts.identify(token)


def test_demo_users_who_were_never_let_in_are_not_shut_out() -> None:
    assert not Accounts(FakeAccounts()).disable_demo_users()


def test_demo_users_who_are_let_in_again_may_call(accounts: Accounts) -> None:
    accounts.enable_demo_users()
    accounts.disable_demo_users()
    assert accounts.enable_demo_users()
    assert accounts.identify(CONSUMER_TOKEN) == CONSUMER


def test_demo_users_are_not_let_in_where_somebody_has_their_id() -> None:
    store = FakeAccounts()
    store.grant_token(User(ADMIN.id, "alice", Role.ADMIN), "0" * 64, NOON)
    accounts = Accounts(store)
    assert not accounts.enable_demo_users()
    with pytest.raises(TokenRejected):
        accounts.identify(ADMIN_TOKEN)


def test_of_a_token_only_its_sha256_is_kept(accounts: Accounts, store: FakeAccounts) -> None:
    expected = {sha256(token.encode()).hexdigest() for token in (ADMIN_TOKEN, CONSUMER_TOKEN)}
    assert set(store.bearers) == expected
    assert CONSUMER_TOKEN not in repr(store)
    assert ADMIN_TOKEN not in repr(store)


@pytest.mark.parametrize(
    ("user", "role"), [(CONSUMER, Role.USER), (ADMIN, Role.USER), (ADMIN, Role.ADMIN)]
)
def test_whoever_has_the_role_passes(user: User, role: Role) -> None:
    permit(user, role)


def test_whoever_lacks_the_role_does_not_pass() -> None:
    with pytest.raises(RoleMissing):
        permit(CONSUMER, Role.ADMIN)
