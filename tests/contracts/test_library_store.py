"""What every store of favorites and ratings promises, the fake included."""

from datetime import timedelta

import pytest
from tests.builders import ADMIN, CONSUMER, NOON, make_record
from tests.fakes import FakeLibrary

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.core.listing import FAVORITE_KEYS, ListQuery, sort_order
from butaca.core.ports import LibraryStore

ME, SOMEBODY = CONSUMER.id, ADMIN.id
LATER = NOON + timedelta(hours=1)
BY_DATE = ListQuery(sort_order("-release_date,-rating", FAVORITE_KEYS))


def sql_library(database: Database) -> SqlLibrary:
    for number, user in enumerate((ADMIN, CONSUMER)):
        SqlAccounts(database).save_user(user, f"{number:064}", NOON)
    return SqlLibrary(database)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> LibraryStore:
    if request.param == "fake":
        return FakeLibrary()
    return sql_library(request.getfixturevalue(request.param))


def test_a_movie_is_there_once_it_is_saved(store: LibraryStore) -> None:
    store.save_movie(make_record(550), NOON)
    assert store.has_movie(550)
    assert not store.has_movie(551)


def test_a_favorite_has_the_whole_movie(store: LibraryStore) -> None:
    record = make_record(550)
    store.save_movie(record, NOON)
    assert store.add_favorite(ME, 550, NOON)
    favorite = store.find_favorite(ME, 550)
    assert favorite is not None
    assert favorite.movie == record.details
    assert favorite.favorited_at == NOON
    assert favorite.rating is None


def test_adding_a_favorite_again_changes_nothing(store: LibraryStore) -> None:
    store.save_movie(make_record(550), NOON)
    store.add_favorite(ME, 550, NOON)
    assert not store.add_favorite(ME, 550, LATER)
    favorite = store.find_favorite(ME, 550)
    assert favorite is not None
    assert favorite.favorited_at == NOON
