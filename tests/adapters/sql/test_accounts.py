"""Concurrent management of users and tokens."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from butaca.adapters.sql import Database, SqlAccounts
from butaca.core.errors import NameTaken
from butaca.core.models import Role
from tests.builders import NOON

THREADS = 8


def test_users_added_concurrently_get_distinct_ids(database: Database) -> None:
    store, barrier = SqlAccounts(database), Barrier(THREADS)

    def add(name: str) -> int:
        barrier.wait()
        return store.add_user(name, Role.USER, NOON).id

    with ThreadPoolExecutor(THREADS) as pool:
        ids = list(pool.map(add, "abcdefgh"))
    assert sorted(ids) == list(range(1001, 1001 + THREADS))


def test_concurrent_requests_for_a_name_add_one_user(database: Database) -> None:
    store, barrier = SqlAccounts(database), Barrier(THREADS)

    def add(_: int) -> str:
        barrier.wait()
        try:
            return store.add_user("ana", Role.USER, NOON).name
        except NameTaken:
            return "taken"

    with ThreadPoolExecutor(THREADS) as pool:
        assert Counter(pool.map(add, range(THREADS))) == {"ana": 1, "taken": THREADS - 1}


def test_concurrent_revocations_revoke_a_token_once(database: Database) -> None:
    store, barrier = SqlAccounts(database), Barrier(THREADS)
    token = store.add_token(store.add_user("ana", Role.USER, NOON), "1" * 64, NOON, None)

    def revoke(_: int) -> bool:
        barrier.wait()
        return store.revoke_token(token.id, NOON)

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(revoke, range(THREADS))) == 1
