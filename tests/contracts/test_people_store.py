"""The contract of every store for managing users and tokens, the fake included."""

from datetime import datetime, timedelta, timezone

import pytest

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.core.errors import NameTaken, TokenRejected
from butaca.core.models import Role, Stars, Token, User
from butaca.core.ports import Bearer
from tests.builders import ADMIN, CONSUMER, NOON, make_record
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
    assert store.find_user_by_name("Óscar") == oscar


@pytest.mark.parametrize("name", ["ANA", "an", "ana ", "%", "' OR '1'='1"])
def test_a_name_is_compared_exactly(store: Store, ana: User, name: str) -> None:
    assert store.find_user_by_name(name) is None


def test_the_longest_name_fits(store: Store) -> None:
    longest = "ñ" * 100
    assert store.add_user(longest, Role.USER, NOON).name == longest


def test_ids_begin_above_a_thousand(store: Store) -> None:
    ids = [store.add_user(name, Role.USER, NOON).id for name in ("ana", "oscar")]
    assert ids == [1001, 1002]


def test_ids_begin_above_a_thousand_where_the_demo_users_are(store: Store) -> None:
    store.grant_token(ADMIN, ONE, NOON)
    store.grant_token(CONSUMER, OTHER, NOON)
    assert store.add_user("ana", Role.USER, NOON).id == 1001


def test_the_demo_users_still_find_their_ids_free(store: Store, ana: User) -> None:
    assert store.grant_token(ADMIN, ONE, NOON)
    assert store.grant_token(CONSUMER, OTHER, NOON)


def test_a_name_that_is_taken_is_not_given_again(store: Store, ana: User) -> None:
    with pytest.raises(NameTaken):
        store.add_user("ana", Role.ADMIN, LATER)
    assert store.all_users() == (ana,)


def test_a_name_that_was_refused_costs_nobody_else_theirs(store: Store, ana: User) -> None:
    with pytest.raises(NameTaken):
        store.add_user("ana", Role.USER, NOON)
    assert store.add_user("oscar", Role.USER, NOON).id > ana.id


def test_everybody_is_told_in_the_order_of_their_ids(store: Store) -> None:
    assert store.all_users() == ()
    zoe, ana = (store.add_user(name, Role.USER, NOON) for name in ("zoe", "ana"))
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.all_users() == (CONSUMER, zoe, ana)


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
    store.grant_token(CONSUMER, "0" * 64, NOON)
    first = store.add_token(ana, OTHER, LATER, None)
    second = store.add_token(ana, ONE, NOON, LATER)
    assert [token.owner for token in store.tokens()] == [CONSUMER, ana, ana]
    assert store.tokens()[1:] == (first, second)


def test_somebodys_tokens_are_told_alone(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
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


def test_all_tokens_of_somebody_are_revoked_and_told(store: Store, ana: User) -> None:
    tokens = [store.add_token(ana, sha256, NOON, None) for sha256 in (ONE, OTHER)]
    assert store.revoke_tokens(ana.id, LATER) == tuple(token.id for token in tokens)
    assert [token.revoked_at for token in store.tokens(ana.id)] == [LATER, LATER]


def test_a_token_revoked_before_keeps_its_moment_among_all(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    store.revoke_token(token.id, NOON)
    assert store.revoke_tokens(ana.id, LATER) == ()
    assert store.find_bearer(ONE) == Bearer(ana, ONE, revoked_at=NOON)


def test_revoking_all_tokens_of_somebody_leaves_those_of_others(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, OTHER, NOON)
    assert store.revoke_tokens(ana.id, LATER) == ()
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_a_role_is_changed(store: Store, ana: User) -> None:
    assert store.set_role(ana.id, Role.ADMIN)
    assert store.find_user(ana.id) == User(ana.id, "ana", Role.ADMIN)


def test_a_token_has_the_changed_role_of_its_owner(store: Store, ana: User) -> None:
    store.add_token(ana, ONE, NOON, None)
    store.set_role(ana.id, Role.ADMIN)
    bearer = store.find_bearer(ONE)
    assert bearer is not None
    assert bearer.user.role is Role.ADMIN


def test_changing_a_role_leaves_the_others(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.set_role(ana.id, Role.ADMIN)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


def test_nobodys_role_is_not_changed(store: Store, ana: User) -> None:
    assert not store.set_role(ana.id + 1, Role.ADMIN)
    assert store.all_users() == (ana,)


def test_somebody_removed_is_not_found(store: Store, ana: User) -> None:
    assert store.remove_user(ana.id)
    assert store.all_users() == ()


def test_the_tokens_of_somebody_removed_are_unknown(store: Store, ana: User) -> None:
    store.add_token(ana, ONE, NOON, None)
    store.remove_user(ana.id)
    assert store.find_bearer(ONE) is None
    assert store.tokens() == ()


def test_somebody_is_removed_once(store: Store, ana: User) -> None:
    store.remove_user(ana.id)
    assert not store.remove_user(ana.id)


def test_removing_somebody_leaves_the_others(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, OTHER, NOON)
    store.remove_user(ana.id)
    assert store.all_users() == (CONSUMER,)
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_the_name_of_somebody_removed_is_free(store: Store, ana: User) -> None:
    store.remove_user(ana.id)
    assert store.add_user("ana", Role.USER, LATER).name == "ana"


def test_the_id_of_somebody_removed_is_not_given_again(store: Store) -> None:
    first, second = (store.add_user(name, Role.USER, NOON) for name in ("ana", "oscar"))
    store.remove_user(second.id)
    store.remove_user(first.id)
    assert store.add_user("zoe", Role.USER, LATER).id > second.id


def test_a_demo_user_removed_is_let_in_again(store: Store) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.remove_user(CONSUMER.id)
    assert store.grant_token(CONSUMER, ONE, LATER)


def test_the_movies_of_somebody_removed_are_nobodys(database: Database) -> None:
    accounts, library = SqlAccounts(database), SqlLibrary(database)
    ana, oscar = (accounts.add_user(name, Role.USER, NOON) for name in ("ana", "oscar"))
    for movie_id in (550, 551):
        library.save_movie(make_record(movie_id), NOON)
    for user in (ana, oscar):
        library.add_favorite(user.id, 550, NOON)
        library.rate(user.id, 551, Stars(9), NOON)
    accounts.remove_user(ana.id)
    assert library.entries(ana.id, after=-1, limit=9) == ()
    assert len(library.entries(oscar.id, after=-1, limit=9)) == 2


def test_somebody_removed_meanwhile_can_keep_and_rate_nothing(database: Database) -> None:
    accounts, library = SqlAccounts(database), SqlLibrary(database)
    ana = accounts.add_user("ana", Role.USER, NOON)
    library.save_movie(make_record(550), NOON)
    accounts.remove_user(ana.id)
    with pytest.raises(TokenRejected):
        library.add_favorite(ana.id, 550, NOON)
    with pytest.raises(TokenRejected):
        library.rate(ana.id, 550, Stars(9), NOON)
