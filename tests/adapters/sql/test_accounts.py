"""Users and tokens that are managed concurrently."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from butaca.adapters.sql import Database, SqlAccounts
from butaca.core.errors import NameTaken
from butaca.core.models import Role
from tests.builders import NOON

AT_ONCE = 8


def test_those_who_are_added_at_once_get_ids_of_their_own(database: Database) -> None:
    store, start = SqlAccounts(database), Barrier(AT_ONCE)

    def add(name: str) -> int:
        start.wait()
        return store.add_user(name, Role.USER, NOON).id

    with ThreadPoolExecutor(AT_ONCE) as threads:
        ids = list(threads.map(add, "abcdefgh"))
    assert sorted(ids) == list(range(1001, 1001 + AT_ONCE))


def test_a_name_that_is_asked_for_at_once_is_given_once(database: Database) -> None:
    store, start = SqlAccounts(database), Barrier(AT_ONCE)

    def add(_: int) -> str:
        start.wait()
        try:
            return store.add_user("ana", Role.USER, NOON).name
        except NameTaken:
            return "taken"

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert Counter(threads.map(add, range(AT_ONCE))) == {"ana": 1, "taken": AT_ONCE - 1}


def test_a_token_that_is_revoked_at_once_is_revoked_once(database: Database) -> None:
    store, start = SqlAccounts(database), Barrier(AT_ONCE)
    token = store.add_token(store.add_user("ana", Role.USER, NOON), "1" * 64, NOON, None)

    def revoke(_: int) -> bool:
        start.wait()
        return store.revoke_token(token.id, NOON)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert sum(threads.map(revoke, range(AT_ONCE))) == 1
