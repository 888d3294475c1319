"""The contract of every store for managing users and tokens, including the fake."""

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


def test_added_user_is_found_by_id_and_by_name(store: Store) -> None:
    oscar = store.add_user("Óscar", Role.ADMIN, NOON)
    assert oscar == User(oscar.id, "Óscar", Role.ADMIN)
    assert store.find_user(oscar.id) == oscar
    assert store.find_user_by_name("Óscar") == oscar


@pytest.mark.parametrize("name", ["ANA", "an", "ana ", "%", "' OR '1'='1"])
def test_name_lookup_is_exact(store: Store, ana: User, name: str) -> None:
    assert store.find_user_by_name(name) is None


def test_name_of_maximum_length_is_stored(store: Store) -> None:
    longest = "ñ" * 100
    assert store.add_user(longest, Role.USER, NOON).name == longest


def test_ids_start_above_1000(store: Store) -> None:
    ids = [store.add_user(name, Role.USER, NOON).id for name in ("ana", "oscar")]
    assert ids == [1001, 1002]


def test_ids_start_above_1000_with_demo_users(store: Store) -> None:
    store.grant_token(ADMIN, ONE, NOON)
    store.grant_token(CONSUMER, OTHER, NOON)
    assert store.add_user("ana", Role.USER, NOON).id == 1001


def test_adding_users_leaves_the_demo_ids_free(store: Store, ana: User) -> None:
    assert store.grant_token(ADMIN, ONE, NOON)
    assert store.grant_token(CONSUMER, OTHER, NOON)


def test_duplicate_name_is_rejected(store: Store, ana: User) -> None:
    with pytest.raises(NameTaken):
        store.add_user("ana", Role.ADMIN, LATER)
    assert store.all_users() == (ana,)


def test_user_can_be_added_after_a_rejected_name(store: Store, ana: User) -> None:
    with pytest.raises(NameTaken):
        store.add_user("ana", Role.USER, NOON)
    assert store.add_user("oscar", Role.USER, NOON).id > ana.id


def test_users_are_ordered_by_id(store: Store) -> None:
    assert store.all_users() == ()
    zoe, ana = (store.add_user(name, Role.USER, NOON) for name in ("zoe", "ana"))
    store.grant_token(CONSUMER, ONE, NOON)
    assert store.all_users() == (CONSUMER, zoe, ana)


def test_added_token_identifies_its_owner(store: Store, ana: User) -> None:
    store.add_token(ana, ONE, NOON, LATER)
    assert store.find_bearer(ONE) == Bearer(ana, ONE, expires_at=LATER)


@pytest.mark.parametrize("expires_at", [None, LATER])
def test_added_token_is_found_by_id(store: Store, ana: User, expires_at: datetime | None) -> None:
    token = store.add_token(ana, ONE, NOON, expires_at)
    assert token == Token(token.id, ana, created_at=NOON, expires_at=expires_at)
    assert store.find_token(token.id) == token


def test_expiry_in_another_time_zone_round_trips(store: Store, ana: User) -> None:
    local_time = LATER.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert store.add_token(ana, ONE, NOON, local_time).expires_at == LATER


def test_unknown_token_id_finds_no_token(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    assert store.find_token(token.id + 1) is None


def test_tokens_are_ordered_by_id(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, "0" * 64, NOON)
    first = store.add_token(ana, OTHER, LATER, None)
    second = store.add_token(ana, ONE, NOON, LATER)
    assert [token.owner for token in store.tokens()] == [CONSUMER, ana, ana]
    assert store.tokens()[1:] == (first, second)


def test_tokens_can_be_listed_by_user(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    token = store.add_token(ana, OTHER, NOON, None)
    assert store.tokens(ana.id) == (token,)
    assert store.tokens(99) == ()


def test_token_revoked_by_id_has_its_revocation_time(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    assert store.revoke_token(token.id, LATER)
    assert store.tokens() == (Token(token.id, ana, NOON, revoked_at=LATER),)
    assert store.find_bearer(ONE) == Bearer(ana, ONE, revoked_at=LATER)


def test_token_cannot_be_revoked_by_id_twice(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    store.revoke_token(token.id, NOON)
    assert not store.revoke_token(token.id, LATER)
    assert store.find_bearer(ONE) == Bearer(ana, ONE, revoked_at=NOON)


def test_revoking_a_token_by_id_preserves_other_tokens(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    store.add_token(ana, OTHER, NOON, None)
    store.revoke_token(token.id, LATER)
    assert store.find_bearer(OTHER) == Bearer(ana, OTHER)


def test_unknown_token_id_revokes_nothing(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    assert not store.revoke_token(token.id + 1, LATER)
    assert store.find_bearer(ONE) == Bearer(ana, ONE)


def test_revoking_all_tokens_returns_their_ids(store: Store, ana: User) -> None:
    tokens = [store.add_token(ana, sha256, NOON, None) for sha256 in (ONE, OTHER)]
    assert store.revoke_tokens(ana.id, LATER) == tuple(token.id for token in tokens)
    assert [token.revoked_at for token in store.tokens(ana.id)] == [LATER, LATER]


def test_revoking_all_tokens_keeps_earlier_revocation_times(store: Store, ana: User) -> None:
    token = store.add_token(ana, ONE, NOON, None)
    store.revoke_token(token.id, NOON)
    assert store.revoke_tokens(ana.id, LATER) == ()
    assert store.find_bearer(ONE) == Bearer(ana, ONE, revoked_at=NOON)


def test_revoking_all_tokens_preserves_those_of_other_users(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, OTHER, NOON)
    assert store.revoke_tokens(ana.id, LATER) == ()
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_role_can_be_changed(store: Store, ana: User) -> None:
    assert store.set_role(ana.id, Role.ADMIN)
    assert store.find_user(ana.id) == User(ana.id, "ana", Role.ADMIN)


def test_bearer_has_the_changed_role(store: Store, ana: User) -> None:
    store.add_token(ana, ONE, NOON, None)
    store.set_role(ana.id, Role.ADMIN)
    bearer = store.find_bearer(ONE)
    assert bearer is not None
    assert bearer.user.role is Role.ADMIN


def test_changing_a_role_preserves_other_users(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.set_role(ana.id, Role.ADMIN)
    assert store.find_bearer(ONE) == Bearer(CONSUMER, ONE)


def test_role_of_an_unknown_user_is_not_changed(store: Store, ana: User) -> None:
    assert not store.set_role(ana.id + 1, Role.ADMIN)
    assert store.all_users() == (ana,)


def test_removed_user_is_not_found(store: Store, ana: User) -> None:
    assert store.remove_user(ana.id)
    assert store.all_users() == ()


def test_removing_a_user_deletes_their_tokens(store: Store, ana: User) -> None:
    store.add_token(ana, ONE, NOON, None)
    store.remove_user(ana.id)
    assert store.find_bearer(ONE) is None
    assert store.tokens() == ()


def test_user_cannot_be_removed_twice(store: Store, ana: User) -> None:
    store.remove_user(ana.id)
    assert not store.remove_user(ana.id)


def test_removing_a_user_preserves_other_users(store: Store, ana: User) -> None:
    store.grant_token(CONSUMER, OTHER, NOON)
    store.remove_user(ana.id)
    assert store.all_users() == (CONSUMER,)
    assert store.find_bearer(OTHER) == Bearer(CONSUMER, OTHER)


def test_name_of_a_removed_user_can_be_reused(store: Store, ana: User) -> None:
    store.remove_user(ana.id)
    assert store.add_user("ana", Role.USER, LATER).name == "ana"


def test_id_of_a_removed_user_is_not_reused(store: Store) -> None:
    first, second = (store.add_user(name, Role.USER, NOON) for name in ("ana", "oscar"))
    store.remove_user(second.id)
    store.remove_user(first.id)
    assert store.add_user("zoe", Role.USER, LATER).id > second.id


def test_removed_demo_user_can_be_granted_a_token_again(store: Store) -> None:
    store.grant_token(CONSUMER, ONE, NOON)
    store.remove_user(CONSUMER.id)
    assert store.grant_token(CONSUMER, ONE, LATER)


def test_removing_a_user_deletes_their_favorites_and_ratings(database: Database) -> None:
    accounts, library = SqlAccounts(database), SqlLibrary(database)
    ana, oscar = (accounts.add_user(name, Role.USER, NOON) for name in ("ana", "oscar"))
    for movie_id in (550, 551):
        library.save_movie(make_record(movie_id), NOON)
    for user in (ana, oscar):
        library.add_favorite(user.id, 550, NOON)
        library.rate(user.id, 551, Stars(9), NOON)
    accounts.remove_user(ana.id)
    assert library.user_movies(ana.id, after=-1, limit=9) == ()
    assert len(library.user_movies(oscar.id, after=-1, limit=9)) == 2


def test_removed_user_cannot_add_favorites_or_ratings(database: Database) -> None:
    accounts, library = SqlAccounts(database), SqlLibrary(database)
    ana = accounts.add_user("ana", Role.USER, NOON)
    library.save_movie(make_record(550), NOON)
    accounts.remove_user(ana.id)
    with pytest.raises(TokenRejected):
        library.add_favorite(ana.id, 550, NOON)
    with pytest.raises(TokenRejected):
        library.rate(ana.id, 550, Stars(9), NOON)
