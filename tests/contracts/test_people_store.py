"""The contract of every store for managing users and tokens, the fake included."""

from datetime import datetime, timedelta, timezone

import pytest

from butaca.adapters.sql import SqlAccounts
from butaca.core.errors import NameTaken
from butaca.core.models import Role, Token, User
from butaca.core.ports import Bearer
from tests.builders import ADMIN, CONSUMER, NOON
from tests.fakes import FakeAccounts

ONE, OTHER = "1" * 64, "f" * 64
LATER = NOON + timedelta(hours=1)

Store = FakeAccounts | SqlAccounts


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "fake":
        return FakeAccounts()
    return SqlAccounts(request.getfixturevalue(request.param))


@pytest.fixture
def ana(store: Store) -> User:
    return store.add_user("ana", Role.USER, NOON)


def test_somebody_added_is_found_by_id_and_by_name(store: Store) -> None:
    oscar = store.add_user("Óscar", Role.ADMIN, NOON)
    assert oscar == User(oscar.id, "Óscar", Role.ADMIN)
    assert store.find_user(oscar.id) == oscar
    assert store.find_user_named("Óscar") == oscar


@pytest.mark.parametrize("name", ["ANA", "an", "ana ", "%", "' OR '1'='1"])
def test_a_name_is_compared_exactly(store: Store, ana: User, name: str) -> None:
    assert store.find_user_named(name) is None


def test_the_longest_name_fits(store: Store) -> None:
    longest = "ñ" * 100
    assert store.add_user(longest, Role.USER, NOON).name == longest


def test_ids_begin_above_a_thousand(store: Store) -> None:
    ids = [store.add_user(name, Role.USER, NOON).id for name in ("ana", "oscar")]
    assert ids == [1001, 1002]


def test_ids_begin_above_a_thousand_where_the_demo_users_are(store: Store) -> None:
    store.let_in(ADMIN, ONE, NOON)
    store.let_in(CONSUMER, OTHER, NOON)
    assert store.add_user("ana", Role.USER, NOON).id == 1001


def test_the_demo_users_still_find_their_ids_free(store: Store, ana: User) -> None:
    assert store.let_in(ADMIN, ONE, NOON)
    assert store.let_in(CONSUMER, OTHER, NOON)


def test_a_name_that_is_taken_is_not_given_again(store: Store, ana: User) -> None:
    with pytest.raises(NameTaken):
        store.add_user("ana", Role.ADMIN, LATER)
    assert store.everybody() == (ana,)


def test_a_name_that_was_refused_costs_nobody_else_theirs(store: Store, ana: User) -> None:
    with pytest.raises(NameTaken):
        store.add_user("ana", Role.USER, NOON)
    assert store.add_user("oscar", Role.USER, NOON).id > ana.id


def test_everybody_is_told_in_the_order_of_their_ids(store: Store) -> None:
    assert store.everybody() == ()
    zoe, ana = (store.add_user(name, Role.USER, NOON) for name in ("zoe", "ana"))
    store.let_in(CONSUMER, ONE, NOON)
    assert store.everybody() == (CONSUMER, zoe, ana)


def test_a_token_added_lets_its_owner_in(store: Store, ana: User) -> None:
    store.add_token(ana, ONE, NOON, LATER)
    assert store.find_bearer(ONE) == Bearer(ana, ONE, expires_at=LATER)


@pytest.mark.parametrize("expires_at", [None, LATER])
def test_a_token_added_is_found_by_id(store: Store, ana: User, expires_at: datetime | None) -> None:
    token = store.add_token(ana, ONE, NOON, expires_at)
    assert token == Token(token.id, ana, created_at=NOON, expires_at=expires_at)
    assert store.find_token(token.id) == token


def test_the_end_of_a_token_is_the_same_moment_wherever_it_was_told(
    store: Store, ana: User
) -> None:
    elsewhere = LATER.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert store.add_token(ana, ONE, NOON, elsewhere).expires_at == LATER


def test_no_token_is_found_by_an_unknown_id(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    assert store.find_token(token.id + 1) is None


def test_tokens_are_told_in_the_order_of_their_ids(store: Store, ana: User) -> None:
    store.let_in(CONSUMER, "0" * 64, NOON)
    first = store.add_token(ana, OTHER, LATER, None)
    second = store.add_token(ana, ONE, NOON, LATER)
    assert [token.owner for token in store.tokens()] == [CONSUMER, ana, ana]
    assert store.tokens()[1:] == (first, second)


def test_somebodys_tokens_are_told_alone(store: Store, ana: User) -> None:
    store.let_in(CONSUMER, ONE, NOON)
    token = store.add_token(ana, OTHER, NOON, None)
    assert store.tokens(ana.id) == (token,)
    assert store.tokens(99) == ()


def test_a_token_revoked_by_id_tells_when(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    assert store.revoke_token(token.id, LATER)
    assert store.tokens() == (Token(token.id, ana, NOON, revoked_at=LATER),)
    assert store.find_bearer(ONE) == Bearer(ana, ONE, revoked_at=LATER)


def test_a_token_is_revoked_by_id_once(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    store.revoke_token(token.id, NOON)
    assert not store.revoke_token(token.id, LATER)
    assert store.find_bearer(ONE) == Bearer(ana, ONE, revoked_at=NOON)


def test_revoking_a_token_by_id_leaves_the_others(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    store.add_token(ana, OTHER, NOON, None)
    store.revoke_token(token.id, LATER)
    assert store.find_bearer(OTHER) == Bearer(ana, OTHER)


def test_an_unknown_id_revokes_nothing(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    assert not store.revoke_token(token.id + 1, LATER)
    assert store.find_bearer(ONE) == Bearer(ana, ONE)
