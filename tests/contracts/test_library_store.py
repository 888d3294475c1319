"""The contract of every store of favorites and ratings, the fake included."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.core.listing import (
    FAVORITE_KEYS,
    RATING_KEYS,
    Filter,
    ListQuery,
    SortBy,
    SortKey,
    SortOrder,
    sort_order,
)
from butaca.core.models import Entry, Favorite, Genre, Mark, MovieRecord, Page, Rating, Stars
from butaca.core.ports import LibraryStore, MovieNotStored
from tests.builders import ADMIN, CONSUMER, NOON, make_record, make_translation
from tests.fakes import FakeLibrary

ME, SOMEBODY = CONSUMER.id, ADMIN.id
LATER = NOON + timedelta(hours=1)
MUCH_LATER = NOON + timedelta(hours=2)
BY_DATE = ListQuery(sort_order("-release_date,-rating", FAVORITE_KEYS))
BY_ID = ListQuery(sort=(), page_size=100)

a_few = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""For properties: each example empties the one store that they all share."""


def sql_library(database: Database) -> SqlLibrary:
    for number, user in enumerate((ADMIN, CONSUMER)):
        SqlAccounts(database).grant_token(user, f"{number:064}", NOON)
    return SqlLibrary(database)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> LibraryStore:
    if request.param == "fake":
        return FakeLibrary()
    return sql_library(request.getfixturevalue(request.param))


def save(store: LibraryStore, *records: MovieRecord) -> None:
    for record in records:
        store.save_movie(record, NOON)


def keep(store: LibraryStore, *records: MovieRecord) -> None:
    save(store, *records)
    for record in records:
        store.add_favorite(ME, record.details.id, NOON)


def rate(store: LibraryStore, *records: MovieRecord) -> None:
    save(store, *records)
    for record in records:
        store.rate(ME, record.details.id, Stars.of(4), NOON)


def my_favorite(store: LibraryStore, movie_id: int, language: str | None = None) -> Favorite:
    favorite = store.find_favorite(ME, movie_id, language)
    assert favorite is not None
    return favorite


def my_rating(store: LibraryStore, movie_id: int, language: str | None = None) -> Rating:
    rating = store.find_rating(ME, movie_id, language)
    assert rating is not None
    return rating


def ids(page: Page[Any]) -> list[int]:
    return [each.movie.id for each in page.results]


# Movies


def test_a_movie_that_is_not_stored_can_be_neither_kept_nor_rated(store: LibraryStore) -> None:
    store.save_movie(make_record(550), NOON)
    with pytest.raises(MovieNotStored):
        store.add_favorite(ME, 551, NOON)
    with pytest.raises(MovieNotStored):
        store.rate(ME, 551, Stars.of(3), NOON)
    assert store.marks(ME, [550, 551]) in ({}, {550: Mark(), 551: Mark()})


def test_saving_a_movie_again_replaces_it(store: LibraryStore) -> None:
    keep(store, make_record(550, title="Before", runtime=90))
    after = make_record(550, title="After", runtime=None)
    store.save_movie(after, LATER)
    assert my_favorite(store, 550).movie == after.details


def test_saving_a_movie_again_replaces_what_it_is_sorted_by(store: LibraryStore) -> None:
    keep(store, make_record(1, release_date=date(2001, 1, 1)), make_record(2))
    store.save_movie(make_record(1, release_date=None), LATER)
    assert ids(store.favorites(ME, BY_DATE)) == [2, 1]


def test_saving_a_movie_again_replaces_its_translations(store: LibraryStore) -> None:
    keep(store, make_record(550, make_translation("es", "ES"), make_translation("fr", "FR")))
    store.save_movie(make_record(550, make_translation("es", "ES", title="Nuevo")), LATER)
    assert my_favorite(store, 550, "es-ES").movie.title == "Nuevo"
    assert my_favorite(store, 550, "fr-FR").movie.title == "Movie 550"


def test_saving_a_movie_again_leaves_what_people_did_with_it(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.rate(ME, 550, Stars.of(4), NOON)
    store.save_movie(make_record(550, title="After"), LATER)
    assert my_favorite(store, 550).favorited_at == NOON
    assert my_rating(store, 550).stars == Stars.of(4)


def test_a_movie_may_have_any_text(store: LibraryStore) -> None:
    texts = {"title": "NUL \0 and 🎬", "overview": "'\"\\%\n"}
    record = make_record(550, make_translation("es", "ES", **texts), **texts)
    keep(store, record)
    assert my_favorite(store, 550).movie == record.details
    assert my_favorite(store, 550, "es-ES").movie.title == texts["title"]


# Favorites


def test_a_favorite_has_the_whole_movie(store: LibraryStore) -> None:
    record = make_record(550)
    store.save_movie(record, NOON)
    assert store.add_favorite(ME, 550, NOON)[1]
    favorite = store.find_favorite(ME, 550)
    assert favorite is not None
    assert favorite.movie == record.details
    assert favorite.favorited_at == NOON
    assert favorite.rating is None


def test_adding_a_favorite_again_changes_nothing(store: LibraryStore) -> None:
    store.save_movie(make_record(550), NOON)
    store.add_favorite(ME, 550, NOON)
    assert not store.add_favorite(ME, 550, LATER)[1]
    favorite = store.find_favorite(ME, 550)
    assert favorite is not None
    assert favorite.favorited_at == NOON


def test_a_movie_that_is_no_favorite_is_not_found(store: LibraryStore) -> None:
    save(store, make_record(550))
    assert store.find_favorite(ME, 550) is None


def test_a_favorite_shows_my_rating(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.rate(ME, 550, Stars.of(4.5), NOON)
    assert my_favorite(store, 550).rating == Stars.of(4.5)


def test_a_favorite_does_not_show_the_rating_of_another(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.rate(SOMEBODY, 550, Stars.of(1), NOON)
    assert my_favorite(store, 550).rating is None
    assert store.favorites(ME, BY_DATE).results[0].rating is None


def test_a_favorite_belongs_to_one_person(store: LibraryStore) -> None:
    keep(store, make_record(550))
    assert store.find_favorite(SOMEBODY, 550) is None
    assert store.favorites(SOMEBODY, BY_DATE).results == ()


def test_two_people_may_keep_the_same_movie(store: LibraryStore) -> None:
    keep(store, make_record(550))
    assert store.add_favorite(SOMEBODY, 550, LATER)[1]
    assert my_favorite(store, 550).favorited_at == NOON


def test_a_removed_favorite_is_gone(store: LibraryStore) -> None:
    keep(store, make_record(550), make_record(551))
    assert store.remove_favorite(ME, 550)
    assert store.find_favorite(ME, 550) is None
    assert ids(store.favorites(ME, BY_DATE)) == [551]


def test_removing_a_favorite_again_changes_nothing(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.remove_favorite(ME, 550)
    assert not store.remove_favorite(ME, 550)


def test_nobody_removes_the_favorite_of_another(store: LibraryStore) -> None:
    keep(store, make_record(550))
    assert not store.remove_favorite(SOMEBODY, 550)
    assert my_favorite(store, 550).favorited_at == NOON


def test_a_movie_that_was_removed_can_be_kept_anew(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.remove_favorite(ME, 550)
    assert store.add_favorite(ME, 550, LATER)[1]
    assert my_favorite(store, 550).favorited_at == LATER


def test_clearing_removes_all_favorites_and_counts_them(store: LibraryStore) -> None:
    keep(store, make_record(550), make_record(551))
    assert store.clear_favorites(ME) == 2
    assert store.favorites(ME, BY_DATE).results == ()


def test_clearing_leaves_the_favorites_of_others(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.add_favorite(SOMEBODY, 550, NOON)
    assert store.clear_favorites(SOMEBODY) == 1
    assert my_favorite(store, 550).favorited_at == NOON


def test_clearing_nothing_counts_none(store: LibraryStore) -> None:
    assert store.clear_favorites(ME) == 0


# Ratings


def test_a_rating_has_the_whole_movie(store: LibraryStore) -> None:
    record = make_record(550)
    save(store, record)
    assert store.rate(ME, 550, Stars.of(4.5), NOON)[1]
    assert store.find_rating(ME, 550) == Rating(record.details, Stars.of(4.5), NOON, None)


def test_stars_come_back_as_they_were_given(store: LibraryStore) -> None:
    every_stars = [Stars(halves) for halves in range(11)]
    for stars in every_stars:
        keep(store, make_record(1 + stars.halves))
        store.rate(ME, 1 + stars.halves, stars, NOON)
    assert [each.stars for each in store.ratings(ME, BY_ID).results] == every_stars
    assert [each.rating for each in store.favorites(ME, BY_ID).results] == every_stars


def test_a_movie_that_is_not_rated_is_not_found(store: LibraryStore) -> None:
    keep(store, make_record(550))
    assert store.find_rating(ME, 550) is None


def test_rating_again_replaces_the_stars(store: LibraryStore) -> None:
    rate(store, make_record(550))
    assert not store.rate(ME, 550, Stars.of(2), LATER)[1]
    rating = my_rating(store, 550)
    assert (rating.stars, rating.rated_at, rating.corrected_at) == (Stars.of(2), NOON, LATER)


def test_rating_again_with_the_same_stars_corrects_nothing(store: LibraryStore) -> None:
    rate(store, make_record(550))
    before = my_rating(store, 550)
    assert not store.rate(ME, 550, before.stars, LATER)[1]
    assert my_rating(store, 550) == before


def test_correcting_replaces_the_stars(store: LibraryStore) -> None:
    rate(store, make_record(550))
    assert store.update_rating(ME, 550, Stars.of(0), LATER)
    rating = my_rating(store, 550)
    assert (rating.stars, rating.rated_at, rating.corrected_at) == (Stars.of(0), NOON, LATER)


def test_correcting_to_the_same_stars_keeps_the_last_correction(store: LibraryStore) -> None:
    rate(store, make_record(550))
    store.update_rating(ME, 550, Stars.of(2), LATER)
    assert store.update_rating(ME, 550, Stars.of(2), MUCH_LATER)
    assert my_rating(store, 550).corrected_at == LATER


def test_a_rating_can_be_corrected_more_than_once(store: LibraryStore) -> None:
    rate(store, make_record(550))
    store.update_rating(ME, 550, Stars.of(2), LATER)
    store.update_rating(ME, 550, Stars.of(3), MUCH_LATER)
    assert my_rating(store, 550).corrected_at == MUCH_LATER


def test_there_is_nothing_to_correct_before_rating(store: LibraryStore) -> None:
    save(store, make_record(550))
    assert not store.update_rating(ME, 550, Stars.of(2), NOON)
    assert store.find_rating(ME, 550) is None


def test_nobody_corrects_the_rating_of_another(store: LibraryStore) -> None:
    rate(store, make_record(550))
    assert not store.update_rating(SOMEBODY, 550, Stars.of(1), LATER)
    assert my_rating(store, 550).stars == Stars.of(4)


def test_two_people_may_rate_the_same_movie(store: LibraryStore) -> None:
    rate(store, make_record(550))
    assert store.rate(SOMEBODY, 550, Stars.of(1), LATER)[1]
    assert my_rating(store, 550).stars == Stars.of(4)


def test_a_rating_can_be_taken_back(store: LibraryStore) -> None:
    rate(store, make_record(550))
    assert store.remove_rating(ME, 550)
    assert store.find_rating(ME, 550) is None


def test_taking_a_rating_back_again_changes_nothing(store: LibraryStore) -> None:
    rate(store, make_record(550))
    store.remove_rating(ME, 550)
    assert not store.remove_rating(ME, 550)


def test_nobody_takes_back_the_rating_of_another(store: LibraryStore) -> None:
    rate(store, make_record(550))
    assert not store.remove_rating(SOMEBODY, 550)
    assert my_rating(store, 550).stars == Stars.of(4)


def test_a_movie_can_be_rated_anew_after_taking_its_rating_back(store: LibraryStore) -> None:
    rate(store, make_record(550))
    store.update_rating(ME, 550, Stars.of(2), LATER)
    store.remove_rating(ME, 550)
    assert store.rate(ME, 550, Stars.of(3), MUCH_LATER)[1]
    rating = my_rating(store, 550)
    assert (rating.rated_at, rating.corrected_at) == (MUCH_LATER, None)


def test_taking_a_rating_back_leaves_the_favorite(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    store.remove_rating(ME, 550)
    assert my_favorite(store, 550).rating is None


def test_a_rating_outlives_its_favorite(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    store.remove_favorite(ME, 550)
    assert my_rating(store, 550).stars == Stars.of(3)


def test_ratings_outlive_clearing_the_favorites(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    store.clear_favorites(ME)
    assert my_rating(store, 550).stars == Stars.of(3)


def test_a_moment_told_elsewhere_stays_the_same_moment(store: LibraryStore) -> None:
    elsewhere = timezone(timedelta(hours=-3))
    save(store, make_record(550))
    store.add_favorite(ME, 550, NOON.astimezone(elsewhere))
    store.rate(ME, 550, Stars.of(3), NOON.astimezone(elsewhere))
    store.update_rating(ME, 550, Stars.of(4), LATER.astimezone(elsewhere))
    rating = my_rating(store, 550)
    assert my_favorite(store, 550).favorited_at == NOON
    assert (rating.rated_at, rating.corrected_at) == (NOON, LATER)


# Languages

SPANISH = make_record(550, make_translation("es", "ES"), make_translation("es", "MX"))
TITLES = pytest.mark.parametrize(
    ("language", "title"),
    [
        ("es-MX", "Título es-MX"),
        ("es-AR", "Título es-ES"),
        ("es", "Título es-ES"),
        ("fr-FR", "Movie 550"),
        (None, "Movie 550"),
    ],
)


@TITLES
def test_a_favorite_is_told_in_a_language(
    store: LibraryStore, language: str | None, title: str
) -> None:
    keep(store, SPANISH)
    assert my_favorite(store, 550, language).movie.title == title


@TITLES
def test_favorites_are_listed_in_a_language(
    store: LibraryStore, language: str | None, title: str
) -> None:
    keep(store, make_record(551), SPANISH)
    page = store.favorites(ME, replace(BY_ID, language=language))
    assert [each.movie.title for each in page.results] == [title, "Movie 551"]


@TITLES
def test_a_rating_is_told_in_a_language(
    store: LibraryStore, language: str | None, title: str
) -> None:
    rate(store, SPANISH)
    assert my_rating(store, 550, language).movie.title == title


@TITLES
def test_ratings_are_listed_in_a_language(
    store: LibraryStore, language: str | None, title: str
) -> None:
    rate(store, make_record(551), SPANISH)
    page = store.ratings(ME, replace(BY_ID, language=language))
    assert [each.movie.title for each in page.results] == [title, "Movie 551"]


# Pages

A_SHELF = [make_record(movie_id) for movie_id in range(1, 6)]


@pytest.mark.parametrize(("page", "expected"), [(1, [1, 2]), (2, [3, 4]), (3, [5]), (4, [])])
def test_favorites_come_by_the_page(store: LibraryStore, page: int, expected: list[int]) -> None:
    keep(store, *A_SHELF)
    found = store.favorites(ME, ListQuery(sort=(), page=page, page_size=2))
    assert ids(found) == expected
    assert (found.page, found.page_size) == (page, 2)
    assert (found.total_results, found.total_pages) == (5, 3)


@pytest.mark.parametrize(("page", "expected"), [(1, [1, 2]), (2, [3, 4]), (3, [5]), (4, [])])
def test_ratings_come_by_the_page(store: LibraryStore, page: int, expected: list[int]) -> None:
    rate(store, *A_SHELF)
    found = store.ratings(ME, ListQuery(sort=(), page=page, page_size=2))
    assert ids(found) == expected
    assert (found.page, found.page_size) == (page, 2)
    assert (found.total_results, found.total_pages) == (5, 3)


def test_a_last_page_may_be_full(store: LibraryStore) -> None:
    keep(store, *A_SHELF)
    assert store.favorites(ME, ListQuery(sort=(), page_size=5)).total_pages == 1


def test_pages_count_only_what_is_mine(store: LibraryStore) -> None:
    keep(store, make_record(550))
    rate(store, make_record(550))
    for record in A_SHELF:
        store.save_movie(record, NOON)
        store.add_favorite(SOMEBODY, record.details.id, NOON)
        store.rate(SOMEBODY, record.details.id, Stars.of(1), NOON)
    assert store.favorites(ME, BY_DATE).total_results == 1
    assert store.ratings(ME, BY_DATE).total_results == 1


def test_nothing_kept_and_nothing_rated_are_lists_of_no_pages(store: LibraryStore) -> None:
    query = ListQuery(BY_DATE.sort, language="es-ES")
    empty: Page[Any] = Page((), page=1, page_size=20, total_results=0, total_pages=0)
    assert store.favorites(ME, query) == empty
    assert store.ratings(ME, query) == empty


def test_a_page_of_favorites_has_what_each_alone_has(store: LibraryStore) -> None:
    keep(store, *A_SHELF)
    store.rate(ME, 3, Stars.of(2.5), LATER)
    page = store.favorites(ME, BY_ID)
    assert list(page.results) == [my_favorite(store, each) for each in ids(page)]


def test_a_page_of_ratings_has_what_each_alone_has(store: LibraryStore) -> None:
    rate(store, *A_SHELF)
    store.rate(ME, 3, Stars.of(2.5), LATER)
    page = store.ratings(ME, BY_ID)
    assert list(page.results) == [my_rating(store, each) for each in ids(page)]


# Orders


def stock_three(store: LibraryStore) -> None:
    """Store three movies whose order is another one by every key."""
    save(
        store,
        make_record(1, release_date=date(2001, 1, 1), title="zorro"),
        make_record(2, release_date=date(1990, 1, 1), title="Abril"),
        make_record(3, release_date=date(2020, 1, 1), title="Ñandú"),
    )
    for movie_id, halves, kept_after, rated_after in [(1, 5, 2, 0), (2, 10, 1, 2), (3, 0, 0, 1)]:
        store.add_favorite(ME, movie_id, NOON + timedelta(hours=kept_after))
        store.rate(ME, movie_id, Stars(halves), NOON + timedelta(hours=rated_after))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("release_date", [2, 1, 3]),
        ("rating", [3, 1, 2]),
        ("title", [2, 3, 1]),
        ("favorited_at", [3, 2, 1]),
    ],
)
def test_favorites_are_sorted_by_every_key(
    store: LibraryStore, key: str, expected: list[int]
) -> None:
    stock_three(store)
    upward = store.favorites(ME, ListQuery(sort_order(key, FAVORITE_KEYS)))
    downward = store.favorites(ME, ListQuery(sort_order(f"-{key}", FAVORITE_KEYS)))
    assert (ids(upward), ids(downward)) == (expected, expected[::-1])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("release_date", [2, 1, 3]),
        ("rating", [3, 1, 2]),
        ("title", [2, 3, 1]),
        ("rated_at", [1, 3, 2]),
    ],
)
def test_ratings_are_sorted_by_every_key(
    store: LibraryStore, key: str, expected: list[int]
) -> None:
    stock_three(store)
    upward = store.ratings(ME, ListQuery(sort_order(key, RATING_KEYS)))
    downward = store.ratings(ME, ListQuery(sort_order(f"-{key}", RATING_KEYS)))
    assert (ids(upward), ids(downward)) == (expected, expected[::-1])


@pytest.mark.parametrize("sort", ["release_date", "-release_date"])
def test_missing_dates_come_last_in_either_direction(store: LibraryStore, sort: str) -> None:
    keep(store, make_record(1, release_date=None), make_record(2))
    store.rate(ME, 1, Stars.of(3), NOON)
    store.rate(ME, 2, Stars.of(3), NOON)
    assert ids(store.favorites(ME, ListQuery(sort_order(sort, FAVORITE_KEYS)))) == [2, 1]
    assert ids(store.ratings(ME, ListQuery(sort_order(sort, RATING_KEYS)))) == [2, 1]


@pytest.mark.parametrize("sort", ["rating", "-rating"])
def test_missing_ratings_come_last_in_either_direction(store: LibraryStore, sort: str) -> None:
    keep(store, make_record(1), make_record(2))
    store.rate(ME, 2, Stars.of(0), NOON)
    assert ids(store.favorites(ME, ListQuery(sort_order(sort, FAVORITE_KEYS)))) == [2, 1]


@pytest.mark.parametrize("down", ["", "-"])
@pytest.mark.parametrize("key", FAVORITE_KEYS)
def test_the_movie_id_breaks_ties_in_either_direction(
    store: LibraryStore, key: str, down: str
) -> None:
    keep(store, *(make_record(each, title="The same") for each in (3, 1, 2)))
    query = ListQuery(sort_order(f"{down}{key}", FAVORITE_KEYS))
    assert ids(store.favorites(ME, query)) == [1, 2, 3]


def test_the_second_key_decides_where_the_first_does_not(store: LibraryStore) -> None:
    keep(store, make_record(1), make_record(2), make_record(3, release_date=date(2020, 1, 1)))
    store.rate(ME, 2, Stars.of(5), NOON)
    assert ids(store.favorites(ME, BY_DATE)) == [3, 2, 1]


# Marks


def test_marks_tell_what_movies_are_to_me(store: LibraryStore) -> None:
    save(store, *A_SHELF)
    store.add_favorite(ME, 1, NOON)
    store.rate(ME, 2, Stars.of(0), NOON)
    store.add_favorite(ME, 3, NOON)
    store.rate(ME, 3, Stars.of(4.5), NOON)
    marks = store.marks(ME, [1, 2, 3])
    assert marks == {1: Mark(favorite=True), 2: Mark(rating=Stars(0)), 3: Mark(True, Stars(9))}


def test_marks_of_what_is_nothing_to_me_are_empty_or_left_out(store: LibraryStore) -> None:
    keep(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    marks = store.marks(SOMEBODY, [550, 551])
    assert {marks.get(550, Mark()), marks.get(551, Mark())} == {Mark()}


def test_marks_are_of_the_movies_asked_about(store: LibraryStore) -> None:
    keep(store, *A_SHELF)
    assert set(store.marks(ME, iter([2, 4]))) == {2, 4}


def test_marks_of_no_movies_are_none(store: LibraryStore) -> None:
    keep(store, *A_SHELF)
    assert store.marks(ME, []) == {}


# Properties

FOLDED = {
    "Álamo": "alamo",
    "ALAMO": "alamo",
    "alamo 2": "alamo 2",
    "Éclair": "eclair",
    "Ñandú": "nandu",
    "Zorro": "zorro",
    "straße": "strasse",
    "鬼": "鬼",
}


@dataclass(frozen=True)
class Shelved:
    """A movie that I keep and may have rated, and what it is sorted by."""

    release_date: date | None
    title: str
    halves: int | None
    favorited_at: datetime
    rated_at: datetime

    def sorted_by(self, key: SortKey) -> Any:
        return {
            SortKey.RELEASE_DATE: self.release_date,
            SortKey.TITLE: FOLDED[self.title],
            SortKey.RATING: self.halves,
            SortKey.FAVORITED_AT: self.favorited_at,
            SortKey.RATED_AT: self.rated_at,
        }[key]


def moments() -> st.SearchStrategy[datetime]:
    return st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours))


def shelves() -> st.SearchStrategy[dict[int, Shelved]]:
    shelved = st.builds(
        Shelved,
        release_date=st.none() | st.dates() | st.just(date(1999, 10, 15)),
        title=st.sampled_from(sorted(FOLDED)),
        halves=st.none() | st.integers(0, 10),
        favorited_at=moments(),
        rated_at=moments(),
    )
    return st.dictionaries(st.integers(1, 99), shelved, max_size=8)


def orders(keys: tuple[SortKey, ...]) -> st.SearchStrategy[SortOrder]:
    sort_by = st.builds(SortBy, st.sampled_from(keys), st.booleans())
    return st.lists(sort_by, unique_by=lambda by: by.key).map(tuple)


def in_order(shelf: Mapping[int, Shelved], sort: SortOrder) -> list[int]:
    """Sort by comparing two movies at a time, as somebody with cards would."""

    def compare(one: int, other: int) -> int:
        for by in sort:
            left, right = shelf[one].sorted_by(by.key), shelf[other].sorted_by(by.key)
            if left == right:
                continue
            if left is None or right is None:
                return 1 if left is None else -1
            return -1 if (left < right) is not by.descending else 1
        return one - other

    return sorted(shelf, key=cmp_to_key(compare))


def empty(store: LibraryStore) -> None:
    for user_id in (ME, SOMEBODY):
        store.clear_favorites(user_id)
        for rating in store.ratings(user_id, BY_ID).results:
            store.remove_rating(user_id, rating.movie.id)


def stock(store: LibraryStore, shelf: Mapping[int, Shelved]) -> None:
    empty(store)
    for movie_id, each in shelf.items():
        save(store, make_record(movie_id, title=each.title, release_date=each.release_date))
        store.add_favorite(ME, movie_id, each.favorited_at)
        if each.halves is not None:
            store.rate(ME, movie_id, Stars(each.halves), each.rated_at)


def page_by_page(read: Callable[[int, ListQuery], Page[Any]], query: ListQuery) -> list[int]:
    total_pages = read(ME, query).total_pages
    return [
        movie_id
        for number in range(1, total_pages + 1)
        for movie_id in ids(read(ME, replace(query, page=number)))
    ]


@a_few
@given(shelf=shelves(), sort=orders(FAVORITE_KEYS), page_size=st.integers(1, 5))
def test_favorites_paged_in_any_order_are_neither_repeated_nor_skipped(
    store: LibraryStore, shelf: dict[int, Shelved], sort: SortOrder, page_size: int
) -> None:
    stock(store, shelf)
    found = page_by_page(store.favorites, ListQuery(sort, page_size=page_size))
    assert found == in_order(shelf, sort)


@a_few
@given(shelf=shelves(), sort=orders(RATING_KEYS), page_size=st.integers(1, 5))
def test_ratings_paged_in_any_order_are_neither_repeated_nor_skipped(
    store: LibraryStore, shelf: dict[int, Shelved], sort: SortOrder, page_size: int
) -> None:
    stock(store, shelf)
    found = page_by_page(store.ratings, ListQuery(sort, page_size=page_size))
    rated = {movie_id: each for movie_id, each in shelf.items() if each.halves is not None}
    assert found == in_order(rated, sort)


@dataclass(frozen=True)
class Step:
    """Something that somebody does."""

    deed: str
    user_id: int
    movie_id: int
    stars: Stars
    at: datetime

    def take(self, store: LibraryStore) -> object:
        match self.deed:
            case "keep":
                return store.add_favorite(self.user_id, self.movie_id, self.at)
            case "forget":
                return store.remove_favorite(self.user_id, self.movie_id)
            case "clear":
                return store.clear_favorites(self.user_id)
            case "rate":
                return store.rate(self.user_id, self.movie_id, self.stars, self.at)
            case "correct":
                return store.update_rating(self.user_id, self.movie_id, self.stars, self.at)
        return store.remove_rating(self.user_id, self.movie_id)


def steps() -> st.SearchStrategy[list[Step]]:
    step = st.builds(
        Step,
        deed=st.sampled_from(["keep", "keep", "forget", "clear", "rate", "correct", "unrate"]),
        user_id=st.sampled_from([ME, SOMEBODY]),
        movie_id=st.integers(1, 2),
        stars=st.integers(0, 2).map(Stars),
        at=moments(),
    )
    return st.lists(step, max_size=12)


def all_of(store: LibraryStore) -> object:
    return [
        (store.favorites(user_id, BY_ID), store.ratings(user_id, BY_ID))
        for user_id in (ME, SOMEBODY)
    ]


@a_few
@given(story=steps())
def test_every_story_ends_as_it_ends_in_the_model(store: LibraryStore, story: list[Step]) -> None:
    model = FakeLibrary()
    empty(store)
    for shelf in (store, model):
        save(shelf, make_record(1), make_record(2))
    assert [step.take(store) for step in story] == [step.take(model) for step in story]
    assert all_of(store) == all_of(model)


# Filters


def filtered(
    read: Callable[[int, ListQuery], Page[Any]], language: str | None = None, **wanted: Any
) -> list[int]:
    """Return the IDs of those of my favorites or ratings that pass a filter, in their order."""
    page = read(ME, replace(BY_ID, language=language, filter=Filter(**wanted)))
    assert page.total_results == len(page.results)
    return ids(page)


@pytest.fixture
def shelf(store: LibraryStore) -> LibraryStore:
    """Three favorites: an old one with 5 stars, a new one with 2, one without date and stars.

    A fourth movie is no favorite, and has 4 stars.
    """
    keep(
        store,
        make_record(1, title="Él", release_date=date(1953, 7, 9), genres=(Genre(18, "Drama"),)),
        make_record(
            2,
            make_translation("es", "MX", title="La Llegada"),
            make_translation("fr", "FR", title="Premier contact"),
            title="Arrival",
            release_date=date(2016, 11, 10),
            genres=(Genre(18, "Drama"), Genre(878, "Science Fiction")),
        ),
        make_record(3, title="100%_sure", release_date=None, genres=()),
    )
    store.rate(ME, 1, Stars.of(5), NOON)
    store.rate(ME, 2, Stars.of(2), NOON)
    rate(store, make_record(4, title="Ikiru", release_date=date(1952, 10, 9), genres=()))
    return store


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"rated": True}, [1, 2]),
        ({"rated": False}, [3]),
        ({"favorite": True}, [1, 2, 3]),
        ({"favorite": False}, []),
        ({"min_rating": Stars.of(2)}, [1, 2]),
        ({"min_rating": Stars.of(2.5)}, [1]),
        ({"min_rating": Stars.of(0)}, [1, 2]),
        ({"genre": 18}, [1, 2]),
        ({"genre": 878}, [2]),
        ({"genre": 99}, []),
        ({"year_from": 1953}, [1, 2]),
        ({"year_from": 1954}, [2]),
        ({"year_to": 1953}, [1]),
        ({"year_to": 1952}, []),
        ({"year_from": 2016, "year_to": 2016}, [2]),
        ({"title": "arri"}, [2]),
        ({"title": "ÀRRÍ"}, [2]),
        ({"title": "el"}, [1]),
        ({"title": "%"}, [3]),
        ({"title": "0%_S"}, [3]),
        ({"title": "_"}, [3]),
        ({"title": "llegada"}, []),
        ({"rated": True, "genre": 878, "year_from": 2000, "title": "a"}, [2]),
    ],
    ids=str,
)
def test_favorites_are_those_that_pass(
    shelf: LibraryStore, wanted: dict[str, Any], expected: list[int]
) -> None:
    assert filtered(shelf.favorites, **wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 2, 4]),
        ({"favorite": True}, [1, 2]),
        ({"favorite": False}, [4]),
        ({"rated": True}, [1, 2, 4]),
        ({"rated": False}, []),
        ({"min_rating": Stars.of(2)}, [1, 2, 4]),
        ({"min_rating": Stars.of(4)}, [1, 4]),
        ({"min_rating": Stars.of(0)}, [1, 2, 4]),
        ({"genre": 18}, [1, 2]),
        ({"genre": 99}, []),
        ({"year_from": 1953}, [1, 2]),
        ({"year_to": 1953}, [1, 4]),
        ({"year_from": 1953, "year_to": 1953}, [1]),
        ({"title": "I"}, [2, 4]),
        ({"title": "ÍKI"}, [4]),
        ({"title": "%"}, []),
        ({"favorite": True, "min_rating": Stars.of(3), "genre": 18, "title": "el"}, [1]),
    ],
    ids=str,
)
def test_ratings_are_those_that_pass(
    shelf: LibraryStore, wanted: dict[str, Any], expected: list[int]
) -> None:
    assert filtered(shelf.ratings, **wanted) == expected


def test_what_somebody_else_keeps_is_no_favorite_of_mine(shelf: LibraryStore) -> None:
    shelf.add_favorite(SOMEBODY, 4, NOON)
    assert filtered(shelf.ratings, favorite=True) == [1, 2]


@pytest.mark.parametrize("kind", ["favorites", "ratings"])
@pytest.mark.parametrize("language", ["es", "es-MX", "es-AR"])
def test_a_movie_of_mine_is_found_by_its_title_in_the_readers_language(
    shelf: LibraryStore, kind: str, language: str
) -> None:
    read = getattr(shelf, kind)
    assert filtered(read, language, title="la llegada") == [2]
    assert filtered(read, language, title="arrival") == [2]
    assert filtered(read, language, title="premier") == []


def test_a_filter_sees_what_a_movie_has_become(shelf: LibraryStore) -> None:
    shelf.save_movie(make_record(1, title="He", release_date=None, genres=()), LATER)
    assert filtered(shelf.favorites, title="he") == [1]
    assert filtered(shelf.favorites, genre=18) == [2]
    assert filtered(shelf.favorites, year_to=2000) == []


def test_a_filter_may_be_combined_with_any_order_and_page(shelf: LibraryStore) -> None:
    query = ListQuery(
        sort_order("-rating", FAVORITE_KEYS), page=2, page_size=1, filter=Filter(genre=18)
    )
    page = shelf.favorites(ME, query)
    assert (ids(page), page.total_results, page.total_pages) == ([2], 2, 2)


# Everything of somebody's


def entry_ids(store: LibraryStore, after: int = -1, limit: int = 100) -> list[int]:
    return [entry.movie.id for entry in store.entries(ME, after, limit)]


def test_an_entry_is_all_that_a_movie_is_to_me(store: LibraryStore) -> None:
    record = make_record(550, make_translation())
    keep(store, record)
    store.rate(ME, 550, Stars.of(3), LATER)
    store.update_rating(ME, 550, Stars.of(4), MUCH_LATER)
    assert store.entries(ME, -1, 1) == (
        Entry(record.details, NOON, Stars.of(4), rated_at=LATER, corrected_at=MUCH_LATER),
    )


def test_what_is_only_kept_or_only_rated_is_an_entry(store: LibraryStore) -> None:
    kept, rated = make_record(1), make_record(2)
    keep(store, kept)
    rate(store, rated)
    assert store.entries(ME, -1, 9) == (
        Entry(kept.details, favorited_at=NOON),
        Entry(rated.details, stars=Stars.of(4), rated_at=NOON),
    )


def test_no_stars_are_an_entry(store: LibraryStore) -> None:
    save(store, make_record(1))
    store.rate(ME, 1, Stars.of(0), NOON)
    (entry,) = store.entries(ME, -1, 9)
    assert entry.stars == Stars.of(0)


def test_whoever_keeps_and_rates_nothing_has_no_entries(store: LibraryStore) -> None:
    save(store, make_record(1))
    store.add_favorite(SOMEBODY, 1, NOON)
    assert entry_ids(store) == []


def test_entries_come_in_the_order_of_movie_ids(store: LibraryStore) -> None:
    keep(store, make_record(30), make_record(2**31 - 1), make_record(0))
    rate(store, make_record(4), make_record(30))
    assert entry_ids(store) == [0, 4, 30, 2**31 - 1]


@pytest.mark.parametrize(
    ("after", "limit", "expected"),
    [
        (-1, 2, [1, 2]),
        (-1, 3, [1, 2, 4]),
        (-1, 4, [1, 2, 4]),
        (1, 1, [2]),
        (2, 2, [4]),
        (3, 2, [4]),
        (4, 2, []),
        (2**31 - 1, 2, []),
    ],
)
def test_entries_are_those_above_a_movie_and_not_more_than_asked_for(
    store: LibraryStore, after: int, limit: int, expected: list[int]
) -> None:
    keep(store, make_record(1), make_record(2), make_record(4))
    assert entry_ids(store, after, limit) == expected


def test_what_changes_between_two_pages_moves_nothing_else(store: LibraryStore) -> None:
    keep(store, *(make_record(number) for number in (1, 3, 5, 7)))
    first = entry_ids(store, limit=2)
    keep(store, make_record(2), make_record(6))
    store.remove_favorite(ME, 3)
    store.remove_favorite(ME, 5)
    assert first + entry_ids(store, after=first[-1]) == [1, 3, 6, 7]
