"""The contract of every store of accounts, including the fake."""

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


def insert_token(store: AccountStore, bearer: Bearer) -> None:
    """Insert a token with any expiry and revocation time."""
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


def test_user_is_found_by_id(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_user(CONSUMER.id) == CONSUMER


def test_users_are_found_by_their_tokens(store: AccountStore) -> None:
    store.grant_token(ADMIN, ONE, NOON)
    store.grant_token(CONSUMER, OTHER, NOON)
    assert store.find_bearer(ONE) == Bearer(ADMIN, ONE)
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_unknown_user_id_finds_no_user(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_user(99) is None


def test_unknown_token_finds_no_bearer(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_bearer(OTHER) is None


@pytest.mark.parametrize("token", ["", "' OR '1'='1", "%"])
def test_token_is_not_interpreted_as_sql(store: AccountStore, token: str) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.find_bearer(token) is None


def test_granting_a_token_again_changes_nothing(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.grant_token(CONSUMER, ONE, LATER)
    assert store.find_user(CONSUMER.id) == CONSUMER
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


def test_granting_a_token_again_does_not_change_name_or_role(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.grant_token(User(CONSUMER.id, "other name", Role.ADMIN), ONE, LATER)
    assert store.find_user(CONSUMER.id) == CONSUMER
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


def test_revoked_token_is_found_with_its_revocation_time(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.revoke_by_digest(ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE, revoked_at=LATER)


def test_token_cannot_be_revoked_twice(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.revoke_by_digest(ONE, NOON)
    assert not store.revoke_by_digest(ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE, revoked_at=NOON)


def test_unknown_token_cannot_be_revoked(store: AccountStore) -> None:
    assert not store.revoke_by_digest(ONE, NOON)


def test_granting_a_revoked_token_makes_it_valid_again(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.revoke_by_digest(ONE, NOON)
    assert store.grant_token(CONSUMER, ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


@pytest.mark.parametrize(
    "other",
    [
        User(CONSUMER.id, "other name", CONSUMER.role),
        User(99, CONSUMER.name, CONSUMER.role),
        User(CONSUMER.id, CONSUMER.name, Role.ADMIN),
    ],
    ids=["id", "name", "role"],
)
def test_grant_with_a_conflicting_user_is_rejected(store: AccountStore, other: User) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert not store.grant_token(other, OTHER, LATER)
    assert store.find_bearer(OTHER) is None
    assert store.find_user(CONSUMER.id) == CONSUMER


def test_user_can_have_two_tokens(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.grant_token(CONSUMER, OTHER, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_token_cannot_be_granted_to_another_user(store: AccountStore) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    assert not store.grant_token(ADMIN, ONE, LATER)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


@pytest.mark.parametrize(("expires_at", "revoked_at"), [(NOON, None), (None, NOON), (LATER, NOON)])
def test_expired_or_revoked_token_is_found_with_its_times(
    store: AccountStore, expires_at: datetime | None, revoked_at: datetime | None
) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    insert_token(store, bearer := Bearer(CONSUMER, OTHER, expires_at, revoked_at))
    assert store.find_bearer(OTHER) == bearer


def test_expiry_in_another_time_zone_round_trips(store: AccountStore) -> None:
    local_time = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    store.grant_token(CONSUMER, ONE, NOON)
    insert_token(store, Bearer(CONSUMER, OTHER, expires_at=local_time))
    bearer = store.find_bearer(OTHER)
    assert bearer is not None
    assert bearer.expires_at == NOON
