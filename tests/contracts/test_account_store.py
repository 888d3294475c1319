"""The contract of every store of accounts, the fake included."""

from datetime import datetime, timedelta, timezone

import pytest

from butaca.adapters.sql import SqlAccounts
from butaca.adapters.sql.tables import tokens
from butaca.core.models import Role, User
from butaca.core.ports import AccountStore, Bearer
from tests.builders import ADMIN, CONSUMER, NOON
from tests.fakes import FakeAccounts

ONE, OTHER = "1" * 64, "f" * 64
LATER = NOON + timedelta(hours=1)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> AccountStore:
    if request.param == "fake":
        return FakeAccounts()
    return SqlAccounts(request.getfixturevalue(request.param))


def give_token(store: AccountStore, bearer: Bearer) -> None:
    """Give somebody a token as only an operator can: with an end."""
    if isinstance(store, FakeAccounts):
        store.bearers[bearer.token_sha256] = bearer
        return
    assert isinstance(store, SqlAccounts)
    row = {
        "user_id": bearer.user.id,
        "sha256": bearer.token_sha256,
        "created_at": NOON,
        "expires_at": bearer.expires_at,
        "revoked_at": bearer.revoked_at,
    }
    with store._database.writing() as connection:
        connection.execute(tokens.insert(), row)


def test_somebody_saved_is_found_by_id(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_user(CONSUMER.id) == CONSUMER


def test_somebody_saved_is_found_by_their_token(store: AccountStore) -> None:
    store.grant_token(ADMIN, ONE, NOON)
    store.grant_token(CONSUMER, OTHER, NOON)
    assert store.find_bearer(ONE) == Bearer(ADMIN, ONE)
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_nobody_is_found_by_an_unknown_id(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_user(99) is None


def test_nobody_is_found_by_an_unknown_token(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_bearer(OTHER) is None


@pytest.mark.parametrize("token", ["", "' OR '1'='1", "%"])
def test_a_token_is_compared_and_never_interpreted(store: AccountStore, token: str) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_bearer(token) is None


def test_saving_somebody_again_changes_nothing(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.grant_token(CONSUMER, ONE, LATER)
    assert store.find_user(CONSUMER.id) == CONSUMER
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


def test_saving_somebody_again_does_not_promote_them(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.grant_token(User(CONSUMER.id, "somebody", Role.ADMIN), ONE, LATER)
    assert store.find_user(CONSUMER.id) == CONSUMER
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


def test_a_revoked_token_is_found_with_its_moment(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.revoke(ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE, revoked_at=LATER)


def test_a_token_is_revoked_once(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.revoke(ONE, NOON)
    assert not store.revoke(ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE, revoked_at=NOON)


def test_an_unknown_token_cannot_be_revoked(store: AccountStore) -> None:
    assert not store.revoke(ONE, NOON)


def test_letting_somebody_in_again_makes_a_revoked_token_valid(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.revoke(ONE, NOON)
    assert store.grant_token(CONSUMER, ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


@pytest.mark.parametrize(
    "other",
    [
        User(CONSUMER.id, "somebody else", CONSUMER.role),
        User(99, CONSUMER.name, CONSUMER.role),
        User(CONSUMER.id, CONSUMER.name, Role.ADMIN),
    ],
    ids=["id", "name", "role"],
)
def test_whose_id_or_name_is_taken_is_not_let_in(store: AccountStore, other: User) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert not store.grant_token(other, OTHER, LATER)
    assert store.find_bearer(OTHER) is None
    assert store.find_user(CONSUMER.id) == CONSUMER


def test_somebody_may_carry_two_tokens(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.grant_token(CONSUMER, OTHER, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_a_token_stays_with_whom_it_was_given_to(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert not store.grant_token(ADMIN, ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


@pytest.mark.parametrize(("expires_at", "revoked_at"), [(NOON, None), (None, NOON), (LATER, NOON)])
def test_a_token_that_ended_is_found_with_its_moments(
    store: AccountStore, expires_at: datetime | None, revoked_at: datetime | None
) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    give_token(store, ended := Bearer(CONSUMER, OTHER, expires_at, revoked_at))
    assert store.find_bearer(OTHER) == ended


def test_the_end_of_a_token_is_the_same_moment_wherever_it_was_told(store: AccountStore) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    store.grant_token(CONSUMER, ONE, NOON)
    give_token(store, Bearer(CONSUMER, OTHER, expires_at=elsewhere))
    bearer = store.find_bearer(OTHER)
    assert bearer is not None
    assert bearer.expires_at == NOON
