"""The contract of every store of favorites and ratings, including the fake."""

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
from butaca.core.models import Favorite, Genre, Mark, MovieRecord, Page, Rating, Stars, UserMovie
from butaca.core.ports import LibraryStore, MovieNotStored
from tests.builders import ADMIN, CONSUMER, NOON, make_record, make_translation
from tests.fakes import FakeLibrary

ME, OTHER_USER = CONSUMER.id, ADMIN.id
LATER = NOON + timedelta(hours=1)
MUCH_LATER = NOON + timedelta(hours=2)
BY_DATE = ListQuery(sort_order("-release_date,-rating", FAVORITE_KEYS))
BY_ID = ListQuery(sort=(), page_size=100)

few_examples = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""For properties: all examples share one store, and each one empties it."""


def sql_library(database: Database) -> SqlLibrary:
    for number, user in enumerate((ADMIN, CONSUMER)):
        SqlAccounts(database).grant_token(user, f"{number:064}", NOON)
    return SqlLibrary(database)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> LibraryStore:
    if request.param == "fake":
        return FakeLibrary()
    return sql_library(request.getfixturevalue(request.param))


def save_movies(store: LibraryStore, *records: MovieRecord) -> None:
    for record in records:
        store.save_movie(record, NOON)


def add_favorites(store: LibraryStore, *records: MovieRecord) -> None:
    save_movies(store, *records)
    for record in records:
        store.add_favorite(ME, record.details.id, NOON)


def add_ratings(store: LibraryStore, *records: MovieRecord) -> None:
    save_movies(store, *records)
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


def test_movie_that_is_not_stored_cannot_be_favorited_or_rated(store: LibraryStore) -> None:
    store.save_movie(make_record(550), NOON)
    with pytest.raises(MovieNotStored):
        store.add_favorite(ME, 551, NOON)
    with pytest.raises(MovieNotStored):
        store.rate(ME, 551, Stars.of(3), NOON)
    assert store.marks(ME, [550, 551]) in ({}, {550: Mark(), 551: Mark()})


def test_saving_a_movie_again_replaces_its_details(store: LibraryStore) -> None:
    add_favorites(store, make_record(550, title="Before", runtime=90))
    after = make_record(550, title="After", runtime=None)
    store.save_movie(after, LATER)
    assert my_favorite(store, 550).movie == after.details


def test_saving_a_movie_again_replaces_its_sort_keys(store: LibraryStore) -> None:
    add_favorites(store, make_record(1, release_date=date(2001, 1, 1)), make_record(2))
    store.save_movie(make_record(1, release_date=None), LATER)
    assert ids(store.favorites(ME, BY_DATE)) == [2, 1]


def test_saving_a_movie_again_replaces_its_translations(store: LibraryStore) -> None:
    add_favorites(
        store, make_record(550, make_translation("es", "ES"), make_translation("fr", "FR"))
    )
    store.save_movie(make_record(550, make_translation("es", "ES", title="Nuevo")), LATER)
    assert my_favorite(store, 550, "es-ES").movie.title == "Nuevo"
    assert my_favorite(store, 550, "fr-FR").movie.title == "Movie 550"


def test_saving_a_movie_again_preserves_favorites_and_ratings(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.rate(ME, 550, Stars.of(4), NOON)
    store.save_movie(make_record(550, title="After"), LATER)
    assert my_favorite(store, 550).favorited_at == NOON
    assert my_rating(store, 550).stars == Stars.of(4)


def test_texts_may_contain_any_character(store: LibraryStore) -> None:
    texts = {"title": "NUL \0 and 🎬", "overview": "'\"\\%\n"}
    record = make_record(550, make_translation("es", "ES", **texts), **texts)
    add_favorites(store, record)
    assert my_favorite(store, 550).movie == record.details
    assert my_favorite(store, 550, "es-ES").movie.title == texts["title"]


# Favorites


def test_favorite_contains_the_complete_movie(store: LibraryStore) -> None:
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


def test_movie_that_is_not_a_favorite_is_not_found(store: LibraryStore) -> None:
    save_movies(store, make_record(550))
    assert store.find_favorite(ME, 550) is None


def test_favorite_includes_the_users_rating(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.rate(ME, 550, Stars.of(4.5), NOON)
    assert my_favorite(store, 550).rating == Stars.of(4.5)


def test_favorite_excludes_the_ratings_of_other_users(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.rate(OTHER_USER, 550, Stars.of(1), NOON)
    assert my_favorite(store, 550).rating is None
    assert store.favorites(ME, BY_DATE).results[0].rating is None


def test_favorites_of_other_users_are_not_visible(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    assert store.find_favorite(OTHER_USER, 550) is None
    assert store.favorites(OTHER_USER, BY_DATE).results == ()


def test_two_users_can_favorite_the_same_movie(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    assert store.add_favorite(OTHER_USER, 550, LATER)[1]
    assert my_favorite(store, 550).favorited_at == NOON


def test_removed_favorite_is_not_found(store: LibraryStore) -> None:
    add_favorites(store, make_record(550), make_record(551))
    assert store.remove_favorite(ME, 550)
    assert store.find_favorite(ME, 550) is None
    assert ids(store.favorites(ME, BY_DATE)) == [551]


def test_removing_a_favorite_again_changes_nothing(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.remove_favorite(ME, 550)
    assert not store.remove_favorite(ME, 550)


def test_favorite_of_another_user_cannot_be_removed(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    assert not store.remove_favorite(OTHER_USER, 550)
    assert my_favorite(store, 550).favorited_at == NOON


def test_removed_favorite_can_be_added_again(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.remove_favorite(ME, 550)
    assert store.add_favorite(ME, 550, LATER)[1]
    assert my_favorite(store, 550).favorited_at == LATER


def test_clearing_removes_all_favorites_and_counts_them(store: LibraryStore) -> None:
    add_favorites(store, make_record(550), make_record(551))
    assert store.clear_favorites(ME) == 2
    assert store.favorites(ME, BY_DATE).results == ()


def test_clearing_preserves_the_favorites_of_other_users(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.add_favorite(OTHER_USER, 550, NOON)
    assert store.clear_favorites(OTHER_USER) == 1
    assert my_favorite(store, 550).favorited_at == NOON


def test_clearing_an_empty_list_returns_zero(store: LibraryStore) -> None:
    assert store.clear_favorites(ME) == 0


# Ratings


def test_rating_contains_the_complete_movie(store: LibraryStore) -> None:
    record = make_record(550)
    save_movies(store, record)
    assert store.rate(ME, 550, Stars.of(4.5), NOON)[1]
    assert store.find_rating(ME, 550) == Rating(record.details, Stars.of(4.5), NOON, None)


def test_all_star_values_round_trip(store: LibraryStore) -> None:
    every_stars = [Stars(halves) for halves in range(11)]
    for stars in every_stars:
        add_favorites(store, make_record(1 + stars.halves))
        store.rate(ME, 1 + stars.halves, stars, NOON)
    assert [each.stars for each in store.ratings(ME, BY_ID).results] == every_stars
    assert [each.rating for each in store.favorites(ME, BY_ID).results] == every_stars


def test_rating_of_an_unrated_movie_is_not_found(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    assert store.find_rating(ME, 550) is None


def test_rating_a_movie_again_replaces_the_stars(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    assert not store.rate(ME, 550, Stars.of(2), LATER)[1]
    rating = my_rating(store, 550)
    assert (rating.stars, rating.rated_at, rating.corrected_at) == (Stars.of(2), NOON, LATER)


def test_rating_a_movie_again_with_the_same_stars_changes_nothing(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    before = my_rating(store, 550)
    assert not store.rate(ME, 550, before.stars, LATER)[1]
    assert my_rating(store, 550) == before


def test_correction_replaces_the_stars(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    assert store.update_rating(ME, 550, Stars.of(0), LATER)
    rating = my_rating(store, 550)
    assert (rating.stars, rating.rated_at, rating.corrected_at) == (Stars.of(0), NOON, LATER)


def test_correction_to_the_same_stars_keeps_the_last_correction_time(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    store.update_rating(ME, 550, Stars.of(2), LATER)
    assert store.update_rating(ME, 550, Stars.of(2), MUCH_LATER)
    assert my_rating(store, 550).corrected_at == LATER


def test_rating_can_be_corrected_more_than_once(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    store.update_rating(ME, 550, Stars.of(2), LATER)
    store.update_rating(ME, 550, Stars.of(3), MUCH_LATER)
    assert my_rating(store, 550).corrected_at == MUCH_LATER


def test_correction_without_a_rating_changes_nothing(store: LibraryStore) -> None:
    save_movies(store, make_record(550))
    assert not store.update_rating(ME, 550, Stars.of(2), NOON)
    assert store.find_rating(ME, 550) is None


def test_rating_of_another_user_cannot_be_corrected(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    assert not store.update_rating(OTHER_USER, 550, Stars.of(1), LATER)
    assert my_rating(store, 550).stars == Stars.of(4)


def test_two_users_can_rate_the_same_movie(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    assert store.rate(OTHER_USER, 550, Stars.of(1), LATER)[1]
    assert my_rating(store, 550).stars == Stars.of(4)


def test_removed_rating_is_not_found(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    assert store.remove_rating(ME, 550)
    assert store.find_rating(ME, 550) is None


def test_removing_a_rating_again_changes_nothing(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    store.remove_rating(ME, 550)
    assert not store.remove_rating(ME, 550)


def test_rating_of_another_user_cannot_be_removed(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    assert not store.remove_rating(OTHER_USER, 550)
    assert my_rating(store, 550).stars == Stars.of(4)


def test_removed_rating_can_be_added_again(store: LibraryStore) -> None:
    add_ratings(store, make_record(550))
    store.update_rating(ME, 550, Stars.of(2), LATER)
    store.remove_rating(ME, 550)
    assert store.rate(ME, 550, Stars.of(3), MUCH_LATER)[1]
    rating = my_rating(store, 550)
    assert (rating.rated_at, rating.corrected_at) == (MUCH_LATER, None)


def test_removing_a_rating_keeps_the_favorite(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    store.remove_rating(ME, 550)
    assert my_favorite(store, 550).rating is None


def test_removing_a_favorite_keeps_its_rating(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    store.remove_favorite(ME, 550)
    assert my_rating(store, 550).stars == Stars.of(3)


def test_clearing_favorites_keeps_the_ratings(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    store.clear_favorites(ME)
    assert my_rating(store, 550).stars == Stars.of(3)


def test_times_in_other_time_zones_round_trip(store: LibraryStore) -> None:
    other_zone = timezone(timedelta(hours=-3))
    save_movies(store, make_record(550))
    store.add_favorite(ME, 550, NOON.astimezone(other_zone))
    store.rate(ME, 550, Stars.of(3), NOON.astimezone(other_zone))
    store.update_rating(ME, 550, Stars.of(4), LATER.astimezone(other_zone))
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
def test_favorite_is_localized(store: LibraryStore, language: str | None, title: str) -> None:
    add_favorites(store, SPANISH)
    assert my_favorite(store, 550, language).movie.title == title


@TITLES
def test_list_of_favorites_is_localized(
    store: LibraryStore, language: str | None, title: str
) -> None:
    add_favorites(store, make_record(551), SPANISH)
    page = store.favorites(ME, replace(BY_ID, language=language))
    assert [each.movie.title for each in page.results] == [title, "Movie 551"]


@TITLES
def test_rating_is_localized(store: LibraryStore, language: str | None, title: str) -> None:
    add_ratings(store, SPANISH)
    assert my_rating(store, 550, language).movie.title == title


@TITLES
def test_list_of_ratings_is_localized(
    store: LibraryStore, language: str | None, title: str
) -> None:
    add_ratings(store, make_record(551), SPANISH)
    page = store.ratings(ME, replace(BY_ID, language=language))
    assert [each.movie.title for each in page.results] == [title, "Movie 551"]


# Pages

FIVE_MOVIES = [make_record(movie_id) for movie_id in range(1, 6)]


@pytest.mark.parametrize(("page", "expected"), [(1, [1, 2]), (2, [3, 4]), (3, [5]), (4, [])])
def test_favorites_are_paginated(store: LibraryStore, page: int, expected: list[int]) -> None:
    add_favorites(store, *FIVE_MOVIES)
    found = store.favorites(ME, ListQuery(sort=(), page=page, page_size=2))
    assert ids(found) == expected
    assert (found.page, found.page_size) == (page, 2)
    assert (found.total_results, found.total_pages) == (5, 3)


@pytest.mark.parametrize(("page", "expected"), [(1, [1, 2]), (2, [3, 4]), (3, [5]), (4, [])])
def test_ratings_are_paginated(store: LibraryStore, page: int, expected: list[int]) -> None:
    add_ratings(store, *FIVE_MOVIES)
    found = store.ratings(ME, ListQuery(sort=(), page=page, page_size=2))
    assert ids(found) == expected
    assert (found.page, found.page_size) == (page, 2)
    assert (found.total_results, found.total_pages) == (5, 3)


def test_full_last_page_is_not_followed_by_an_empty_page(store: LibraryStore) -> None:
    add_favorites(store, *FIVE_MOVIES)
    assert store.favorites(ME, ListQuery(sort=(), page_size=5)).total_pages == 1


def test_totals_exclude_other_users(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    add_ratings(store, make_record(550))
    for record in FIVE_MOVIES:
        store.save_movie(record, NOON)
        store.add_favorite(OTHER_USER, record.details.id, NOON)
        store.rate(OTHER_USER, record.details.id, Stars.of(1), NOON)
    assert store.favorites(ME, BY_DATE).total_results == 1
    assert store.ratings(ME, BY_DATE).total_results == 1


def test_empty_lists_have_no_pages(store: LibraryStore) -> None:
    query = ListQuery(BY_DATE.sort, language="es-ES")
    empty: Page[Any] = Page((), page=1, page_size=20, total_results=0, total_pages=0)
    assert store.favorites(ME, query) == empty
    assert store.ratings(ME, query) == empty


def test_listed_favorites_equal_single_favorites(store: LibraryStore) -> None:
    add_favorites(store, *FIVE_MOVIES)
    store.rate(ME, 3, Stars.of(2.5), LATER)
    page = store.favorites(ME, BY_ID)
    assert list(page.results) == [my_favorite(store, each) for each in ids(page)]


def test_listed_ratings_equal_single_ratings(store: LibraryStore) -> None:
    add_ratings(store, *FIVE_MOVIES)
    store.rate(ME, 3, Stars.of(2.5), LATER)
    page = store.ratings(ME, BY_ID)
    assert list(page.results) == [my_rating(store, each) for each in ids(page)]


# Sorting


def save_three_favorites(store: LibraryStore) -> None:
    """Save three rated favorites whose order is different for every sort key."""
    save_movies(
        store,
        make_record(1, release_date=date(2001, 1, 1), title="zorro"),
        make_record(2, release_date=date(1990, 1, 1), title="Abril"),
        make_record(3, release_date=date(2020, 1, 1), title="Ñandú"),
    )
    for movie_id, halves, favorited_after, rated_after in [
        (1, 5, 2, 0),
        (2, 10, 1, 2),
        (3, 0, 0, 1),
    ]:
        store.add_favorite(ME, movie_id, NOON + timedelta(hours=favorited_after))
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
def test_favorites_can_be_sorted_by_every_key(
    store: LibraryStore, key: str, expected: list[int]
) -> None:
    save_three_favorites(store)
    ascending = store.favorites(ME, ListQuery(sort_order(key, FAVORITE_KEYS)))
    descending = store.favorites(ME, ListQuery(sort_order(f"-{key}", FAVORITE_KEYS)))
    assert (ids(ascending), ids(descending)) == (expected, expected[::-1])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("release_date", [2, 1, 3]),
        ("rating", [3, 1, 2]),
        ("title", [2, 3, 1]),
        ("rated_at", [1, 3, 2]),
    ],
)
def test_ratings_can_be_sorted_by_every_key(
    store: LibraryStore, key: str, expected: list[int]
) -> None:
    save_three_favorites(store)
    ascending = store.ratings(ME, ListQuery(sort_order(key, RATING_KEYS)))
    descending = store.ratings(ME, ListQuery(sort_order(f"-{key}", RATING_KEYS)))
    assert (ids(ascending), ids(descending)) == (expected, expected[::-1])


@pytest.mark.parametrize("sort", ["release_date", "-release_date"])
def test_missing_dates_sort_last_in_either_direction(store: LibraryStore, sort: str) -> None:
    add_favorites(store, make_record(1, release_date=None), make_record(2))
    store.rate(ME, 1, Stars.of(3), NOON)
    store.rate(ME, 2, Stars.of(3), NOON)
    assert ids(store.favorites(ME, ListQuery(sort_order(sort, FAVORITE_KEYS)))) == [2, 1]
    assert ids(store.ratings(ME, ListQuery(sort_order(sort, RATING_KEYS)))) == [2, 1]


@pytest.mark.parametrize("sort", ["rating", "-rating"])
def test_missing_ratings_sort_last_in_either_direction(store: LibraryStore, sort: str) -> None:
    add_favorites(store, make_record(1), make_record(2))
    store.rate(ME, 2, Stars.of(0), NOON)
    assert ids(store.favorites(ME, ListQuery(sort_order(sort, FAVORITE_KEYS)))) == [2, 1]


@pytest.mark.parametrize("prefix", ["", "-"])
@pytest.mark.parametrize("key", FAVORITE_KEYS)
def test_movie_id_breaks_ties_in_either_direction(
    store: LibraryStore, key: str, prefix: str
) -> None:
    add_favorites(store, *(make_record(each, title="The same") for each in (3, 1, 2)))
    query = ListQuery(sort_order(f"{prefix}{key}", FAVORITE_KEYS))
    assert ids(store.favorites(ME, query)) == [1, 2, 3]


def test_second_sort_key_breaks_ties_of_the_first(store: LibraryStore) -> None:
    add_favorites(
        store, make_record(1), make_record(2), make_record(3, release_date=date(2020, 1, 1))
    )
    store.rate(ME, 2, Stars.of(5), NOON)
    assert ids(store.favorites(ME, BY_DATE)) == [3, 2, 1]


# Marks


def test_marks_contain_favorite_and_rating(store: LibraryStore) -> None:
    save_movies(store, *FIVE_MOVIES)
    store.add_favorite(ME, 1, NOON)
    store.rate(ME, 2, Stars.of(0), NOON)
    store.add_favorite(ME, 3, NOON)
    store.rate(ME, 3, Stars.of(4.5), NOON)
    marks = store.marks(ME, [1, 2, 3])
    assert marks == {1: Mark(favorite=True), 2: Mark(rating=Stars(0)), 3: Mark(True, Stars(9))}


def test_marks_of_other_users_are_not_visible(store: LibraryStore) -> None:
    add_favorites(store, make_record(550))
    store.rate(ME, 550, Stars.of(3), NOON)
    marks = store.marks(OTHER_USER, [550, 551])
    assert {marks.get(550, Mark()), marks.get(551, Mark())} == {Mark()}


def test_marks_cover_only_the_requested_movies(store: LibraryStore) -> None:
    add_favorites(store, *FIVE_MOVIES)
    assert set(store.marks(ME, iter([2, 4]))) == {2, 4}


def test_marks_of_no_movies_are_empty(store: LibraryStore) -> None:
    add_favorites(store, *FIVE_MOVIES)
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
class ListedMovie:
    """A favorite that may be rated, with its sort keys."""

    release_date: date | None
    title: str
    halves: int | None
    favorited_at: datetime
    rated_at: datetime

    def sort_value(self, key: SortKey) -> Any:
        return {
            SortKey.RELEASE_DATE: self.release_date,
            SortKey.TITLE: FOLDED[self.title],
            SortKey.RATING: self.halves,
            SortKey.FAVORITED_AT: self.favorited_at,
            SortKey.RATED_AT: self.rated_at,
        }[key]


def times() -> st.SearchStrategy[datetime]:
    return st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours))


def listed_movies() -> st.SearchStrategy[dict[int, ListedMovie]]:
    listed_movie = st.builds(
        ListedMovie,
        release_date=st.none() | st.dates() | st.just(date(1999, 10, 15)),
        title=st.sampled_from(sorted(FOLDED)),
        halves=st.none() | st.integers(0, 10),
        favorited_at=times(),
        rated_at=times(),
    )
    return st.dictionaries(st.integers(1, 99), listed_movie, max_size=8)


def sort_orders(keys: tuple[SortKey, ...]) -> st.SearchStrategy[SortOrder]:
    sort_by = st.builds(SortBy, st.sampled_from(keys), st.booleans())
    return st.lists(sort_by, unique_by=lambda by: by.key).map(tuple)


def expected_order(favorites: Mapping[int, ListedMovie], sort: SortOrder) -> list[int]:
    """Sort by comparing two movies at a time, independently of the stores."""

    def compare(one: int, other: int) -> int:
        for by in sort:
            left, right = favorites[one].sort_value(by.key), favorites[other].sort_value(by.key)
            if left == right:
                continue
            if left is None or right is None:
                return 1 if left is None else -1
            return -1 if (left < right) is not by.descending else 1
        return one - other

    return sorted(favorites, key=cmp_to_key(compare))


def clear_store(store: LibraryStore) -> None:
    for user_id in (ME, OTHER_USER):
        store.clear_favorites(user_id)
        for rating in store.ratings(user_id, BY_ID).results:
            store.remove_rating(user_id, rating.movie.id)


def fill_store(store: LibraryStore, favorites: Mapping[int, ListedMovie]) -> None:
    clear_store(store)
    for movie_id, each in favorites.items():
        save_movies(store, make_record(movie_id, title=each.title, release_date=each.release_date))
        store.add_favorite(ME, movie_id, each.favorited_at)
        if each.halves is not None:
            store.rate(ME, movie_id, Stars(each.halves), each.rated_at)


def read_all_pages(read: Callable[[int, ListQuery], Page[Any]], query: ListQuery) -> list[int]:
    total_pages = read(ME, query).total_pages
    return [
        movie_id
        for number in range(1, total_pages + 1)
        for movie_id in ids(read(ME, replace(query, page=number)))
    ]


@few_examples
@given(favorites=listed_movies(), sort=sort_orders(FAVORITE_KEYS), page_size=st.integers(1, 5))
def test_pages_of_favorites_in_any_order_have_no_duplicates_or_gaps(
    store: LibraryStore, favorites: dict[int, ListedMovie], sort: SortOrder, page_size: int
) -> None:
    fill_store(store, favorites)
    found = read_all_pages(store.favorites, ListQuery(sort, page_size=page_size))
    assert found == expected_order(favorites, sort)


@few_examples
@given(favorites=listed_movies(), sort=sort_orders(RATING_KEYS), page_size=st.integers(1, 5))
def test_pages_of_ratings_in_any_order_have_no_duplicates_or_gaps(
    store: LibraryStore, favorites: dict[int, ListedMovie], sort: SortOrder, page_size: int
) -> None:
    fill_store(store, favorites)
    found = read_all_pages(store.ratings, ListQuery(sort, page_size=page_size))
    rated = {movie_id: each for movie_id, each in favorites.items() if each.halves is not None}
    assert found == expected_order(rated, sort)


@dataclass(frozen=True)
class Operation:
    """An operation of a user."""

    action: str
    user_id: int
    movie_id: int
    stars: Stars
    at: datetime

    def run(self, store: LibraryStore) -> object:
        match self.action:
            case "add":
                return store.add_favorite(self.user_id, self.movie_id, self.at)
            case "remove":
                return store.remove_favorite(self.user_id, self.movie_id)
            case "clear":
                return store.clear_favorites(self.user_id)
            case "rate":
                return store.rate(self.user_id, self.movie_id, self.stars, self.at)
            case "correct":
                return store.update_rating(self.user_id, self.movie_id, self.stars, self.at)
        return store.remove_rating(self.user_id, self.movie_id)


def operations() -> st.SearchStrategy[list[Operation]]:
    operation = st.builds(
        Operation,
        action=st.sampled_from(["add", "add", "remove", "clear", "rate", "correct", "unrate"]),
        user_id=st.sampled_from([ME, OTHER_USER]),
        movie_id=st.integers(1, 2),
        stars=st.integers(0, 2).map(Stars),
        at=times(),
    )
    return st.lists(operation, max_size=12)


def snapshot(store: LibraryStore) -> object:
    return [
        (store.favorites(user_id, BY_ID), store.ratings(user_id, BY_ID))
        for user_id in (ME, OTHER_USER)
    ]


@few_examples
@given(sequence=operations())
def test_any_operations_leave_the_store_in_the_state_of_the_fake(
    store: LibraryStore, sequence: list[Operation]
) -> None:
    model = FakeLibrary()
    clear_store(store)
    for each in (store, model):
        save_movies(each, make_record(1), make_record(2))
    results = [operation.run(store) for operation in sequence]
    assert results == [operation.run(model) for operation in sequence]
    assert snapshot(store) == snapshot(model)


# Filters


def filtered_ids(
    read: Callable[[int, ListQuery], Page[Any]], language: str | None = None, **filters: Any
) -> list[int]:
    """Return the IDs of my favorites or ratings that match a filter, in order."""
    page = read(ME, replace(BY_ID, language=language, filter=Filter(**filters)))
    assert page.total_results == len(page.results)
    return ids(page)


@pytest.fixture
def library(store: LibraryStore) -> LibraryStore:
    """Three favorites: an old one with 5 stars, a new one with 2, one without a date and stars.

    A fourth movie is not a favorite and has 4 stars.
    """
    add_favorites(
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
    add_ratings(store, make_record(4, title="Ikiru", release_date=date(1952, 10, 9), genres=()))
    return store


@pytest.mark.parametrize(
    ("filters", "expected"),
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
def test_favorites_are_filtered(
    library: LibraryStore, filters: dict[str, Any], expected: list[int]
) -> None:
    assert filtered_ids(library.favorites, **filters) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
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
def test_ratings_are_filtered(
    library: LibraryStore, filters: dict[str, Any], expected: list[int]
) -> None:
    assert filtered_ids(library.ratings, **filters) == expected


def test_favorite_filter_ignores_the_favorites_of_other_users(library: LibraryStore) -> None:
    library.add_favorite(OTHER_USER, 4, NOON)
    assert filtered_ids(library.ratings, favorite=True) == [1, 2]


@pytest.mark.parametrize("kind", ["favorites", "ratings"])
@pytest.mark.parametrize("language", ["es", "es-MX", "es-AR"])
def test_title_filter_matches_translations_in_the_requested_language(
    library: LibraryStore, kind: str, language: str
) -> None:
    read = getattr(library, kind)
    assert filtered_ids(read, language, title="la llegada") == [2]
    assert filtered_ids(read, language, title="arrival") == [2]
    assert filtered_ids(read, language, title="premier") == []


def test_filters_use_the_latest_saved_movie(library: LibraryStore) -> None:
    library.save_movie(make_record(1, title="He", release_date=None, genres=()), LATER)
    assert filtered_ids(library.favorites, title="he") == [1]
    assert filtered_ids(library.favorites, genre=18) == [2]
    assert filtered_ids(library.favorites, year_to=2000) == []


def test_filter_combines_with_sorting_and_pagination(library: LibraryStore) -> None:
    query = ListQuery(
        sort_order("-rating", FAVORITE_KEYS), page=2, page_size=1, filter=Filter(genre=18)
    )
    page = library.favorites(ME, query)
    assert (ids(page), page.total_results, page.total_pages) == ([2], 2, 2)


# Exported movies


def user_movie_ids(store: LibraryStore, after: int = -1, limit: int = 100) -> list[int]:
    return [each.movie.id for each in store.user_movies(ME, after, limit)]


def test_user_movie_contains_favorite_and_rating(store: LibraryStore) -> None:
    record = make_record(550, make_translation())
    add_favorites(store, record)
    store.rate(ME, 550, Stars.of(3), LATER)
    store.update_rating(ME, 550, Stars.of(4), MUCH_LATER)
    assert store.user_movies(ME, -1, 1) == (
        UserMovie(record.details, NOON, Stars.of(4), rated_at=LATER, corrected_at=MUCH_LATER),
    )


def test_user_movies_include_movies_that_are_only_favorited_or_only_rated(
    store: LibraryStore,
) -> None:
    favorite, rated = make_record(1), make_record(2)
    add_favorites(store, favorite)
    add_ratings(store, rated)
    assert store.user_movies(ME, -1, 9) == (
        UserMovie(favorite.details, favorited_at=NOON),
        UserMovie(rated.details, stars=Stars.of(4), rated_at=NOON),
    )


def test_user_movies_include_ratings_of_zero_stars(store: LibraryStore) -> None:
    save_movies(store, make_record(1))
    store.rate(ME, 1, Stars.of(0), NOON)
    (user_movie,) = store.user_movies(ME, -1, 9)
    assert user_movie.stars == Stars.of(0)


def test_user_movies_of_other_users_are_excluded(store: LibraryStore) -> None:
    save_movies(store, make_record(1))
    store.add_favorite(OTHER_USER, 1, NOON)
    assert user_movie_ids(store) == []


def test_user_movies_are_ordered_by_movie_id(store: LibraryStore) -> None:
    add_favorites(store, make_record(30), make_record(2**31 - 1), make_record(0))
    add_ratings(store, make_record(4), make_record(30))
    assert user_movie_ids(store) == [0, 4, 30, 2**31 - 1]


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
def test_user_movies_start_after_a_movie_id_and_respect_the_limit(
    store: LibraryStore, after: int, limit: int, expected: list[int]
) -> None:
    add_favorites(store, make_record(1), make_record(2), make_record(4))
    assert user_movie_ids(store, after, limit) == expected


def test_changes_between_pages_do_not_repeat_or_skip_other_movies(store: LibraryStore) -> None:
    add_favorites(store, *(make_record(number) for number in (1, 3, 5, 7)))
    first = user_movie_ids(store, limit=2)
    add_favorites(store, make_record(2), make_record(6))
    store.remove_favorite(ME, 3)
    store.remove_favorite(ME, 5)
    assert first + user_movie_ids(store, after=first[-1]) == [1, 3, 6, 7]
