"""Favorites and ratings use the local store; the catalogue is called once per movie."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import pytest

from butaca.core.errors import (
    CatalogueUnavailable,
    FavoriteNotFound,
    LibraryBusy,
    MovieNotFound,
    RatingNotFound,
)
from butaca.core.library import EXPORT_PAGE_SIZE, Library
from butaca.core.listing import FAVORITE_KEYS, RATING_KEYS, ListQuery, sort_order
from butaca.core.models import Favorite, Fetched, Mark, MovieRecord, Rating, Stars, UserMovie
from tests.builders import ADMIN, CONSUMER, NOON, make_details, make_record, make_translation
from tests.fakes import FakeCatalogue, FakeClock, FakeLibrary
from tests.memory import peak_memory

RECORD = make_record(550, make_translation("es", "ES"))
FOUR = Stars.of(4)


@dataclass
class LibrarySetup:
    """A library and its fakes."""

    catalogue: FakeCatalogue = field(default_factory=FakeCatalogue)
    store: FakeLibrary = field(default_factory=FakeLibrary)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.catalogue.add(RECORD)
        self.library = Library(self.store, self.catalogue, self.clock.now)

    def take_catalogue_down(self) -> None:
        self.catalogue.failure = CatalogueUnavailable()
        self.catalogue.calls.clear()


@pytest.fixture
def setup() -> LibrarySetup:
    return LibrarySetup()


def test_new_favorite_contains_the_details_of_the_movie(setup: LibrarySetup) -> None:
    favorite, is_new = setup.library.add_favorite(CONSUMER, 550)
    assert is_new
    assert favorite == Favorite(RECORD.details, rating=None, favorited_at=setup.clock.moment)


def test_added_favorite_is_found(setup: LibrarySetup) -> None:
    favorite, _ = setup.library.add_favorite(CONSUMER, 550)
    assert setup.library.favorite(CONSUMER, 550) == favorite


def test_adding_a_favorite_again_changes_nothing(setup: LibrarySetup) -> None:
    first, _ = setup.library.add_favorite(CONSUMER, 550)
    setup.clock.advance(60)
    second, is_new = setup.library.add_favorite(CONSUMER, 550)
    assert not is_new
    assert second == first


def test_adding_a_favorite_again_does_not_call_the_catalogue(setup: LibrarySetup) -> None:
    first, _ = setup.library.add_favorite(CONSUMER, 550)
    setup.take_catalogue_down()
    assert setup.library.add_favorite(CONSUMER, 550) == (first, False)
    assert setup.catalogue.calls == []


def test_movie_is_fetched_once_for_all_users(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    setup.library.add_favorite(ADMIN, 550)
    setup.library.rate(ADMIN, 550, FOUR)
    assert setup.catalogue.calls == [550]


def test_adding_an_unknown_movie_writes_nothing(setup: LibrarySetup) -> None:
    with pytest.raises(MovieNotFound):
        setup.library.add_favorite(CONSUMER, 404)
    assert setup.store == FakeLibrary()


def test_adding_a_favorite_while_the_catalogue_is_down_writes_nothing(setup: LibrarySetup) -> None:
    setup.take_catalogue_down()
    with pytest.raises(CatalogueUnavailable):
        setup.library.add_favorite(CONSUMER, 550)
    assert setup.store == FakeLibrary()


class RacingCatalogue(FakeCatalogue):
    """A catalogue so slow that an identical request completes in the meantime."""

    def __init__(self, store: FakeLibrary, clock: FakeClock) -> None:
        super().__init__(records={550: RECORD})
        self.store, self.clock = store, clock

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        fetched = super().record(movie_id)
        self.store.save_movie(fetched.value, self.clock.moment)
        self.store.add_favorite(CONSUMER.id, movie_id, self.clock.moment)
        self.store.rate(CONSUMER.id, movie_id, FOUR, self.clock.moment)
        self.clock.advance(1)
        return fetched


def test_favorite_added_during_the_fetch_is_not_new() -> None:
    store, clock = FakeLibrary(), FakeClock()
    library = Library(store, RacingCatalogue(store, clock), clock.now)
    start = clock.moment
    favorite, is_new = library.add_favorite(CONSUMER, 550)
    assert not is_new
    assert favorite.favorited_at == start


def test_rating_added_during_the_fetch_is_not_new() -> None:
    store, clock = FakeLibrary(), FakeClock()
    library = Library(store, RacingCatalogue(store, clock), clock.now)
    rating, is_new = library.rate(CONSUMER, 550, FOUR)
    assert not is_new
    assert rating.corrected_at is None


class DroppingLibrary(FakeLibrary):
    """A library in which a refresh drops a movie just after it was stored, `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def add_favorite(self, user_id: int, movie_id: int, at: datetime) -> tuple[Favorite, bool]:
        self._drop(movie_id)
        return super().add_favorite(user_id, movie_id, at)

    def rate(self, user_id: int, movie_id: int, stars: Stars, at: datetime) -> tuple[Rating, bool]:
        self._drop(movie_id)
        return super().rate(user_id, movie_id, stars, at)

    def _drop(self, movie_id: int) -> None:
        if self.times and movie_id in self.movies:
            self.times -= 1
            del self.movies[movie_id]


@pytest.mark.parametrize("times", [1, 2])
def test_movie_dropped_before_it_is_favorited_is_fetched_again(times: int) -> None:
    setup = LibrarySetup(store=DroppingLibrary(times))
    _, is_new = setup.library.add_favorite(CONSUMER, 550)
    assert is_new
    assert setup.catalogue.calls == [550] * (times + 1)


@pytest.mark.parametrize("times", [1, 2])
def test_movie_dropped_before_it_is_rated_is_fetched_again(times: int) -> None:
    setup = LibrarySetup(store=DroppingLibrary(times))
    _, is_new = setup.library.rate(CONSUMER, 550, FOUR)
    assert is_new
    assert setup.library.rating(CONSUMER, 550).stars == FOUR


def test_library_is_busy_if_the_movie_is_dropped_on_every_attempt() -> None:
    setup = LibrarySetup(store=DroppingLibrary(99))
    with pytest.raises(LibraryBusy):
        setup.library.add_favorite(CONSUMER, 550)
    assert len(setup.catalogue.calls) == 4


def test_favorite_is_returned_in_the_requested_language(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    favorite = setup.library.favorite(CONSUMER, 550, language="es-ES")
    assert favorite.movie.title == "Título es-ES"


def test_movie_that_was_not_added_is_not_a_favorite(setup: LibrarySetup) -> None:
    with pytest.raises(FavoriteNotFound):
        setup.library.favorite(CONSUMER, 550)


def test_favorites_are_listed_according_to_the_query(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    query = ListQuery(sort_order("title", FAVORITE_KEYS), page_size=7, language="es-ES")
    page = setup.library.favorites(CONSUMER, query)
    assert page == setup.store.favorites(CONSUMER.id, query)
    assert [each.movie.title for each in page.results] == ["Título es-ES"]


def test_removed_movie_is_not_a_favorite(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    setup.library.remove_favorite(CONSUMER, 550)
    with pytest.raises(FavoriteNotFound):
        setup.library.favorite(CONSUMER, 550)


def test_removing_a_favorite_keeps_its_rating(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    setup.library.rate(CONSUMER, 550, FOUR)
    setup.library.remove_favorite(CONSUMER, 550)
    assert setup.library.rating(CONSUMER, 550).stars == FOUR


def test_favorite_of_another_user_cannot_be_removed(setup: LibrarySetup) -> None:
    setup.library.add_favorite(ADMIN, 550)
    with pytest.raises(FavoriteNotFound):
        setup.library.remove_favorite(CONSUMER, 550)


def test_clearing_returns_the_number_of_removed_favorites(setup: LibrarySetup) -> None:
    setup.catalogue.add(make_record(551))
    setup.library.add_favorite(CONSUMER, 550)
    setup.library.add_favorite(CONSUMER, 551)
    setup.library.add_favorite(ADMIN, 550)
    assert setup.library.clear_favorites(CONSUMER, by=ADMIN) == 2
    assert setup.library.favorite(ADMIN, 550).movie == RECORD.details


def test_clearing_favorites_is_audited(
    setup: LibrarySetup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    with caplog.at_level(logging.INFO, logger="butaca.audit"):
        setup.library.clear_favorites(CONSUMER, by=ADMIN)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.message) == (
        "butaca.audit",
        "INFO",
        "favorites.cleared",
    )
    expected = {"actor_id": ADMIN.id, "owner_id": CONSUMER.id, "deleted": 1}
    assert expected.items() <= vars(record).items()


def test_new_rating_contains_the_details_of_the_movie(setup: LibrarySetup) -> None:
    rating, is_new = setup.library.rate(CONSUMER, 550, FOUR)
    assert is_new
    assert rating == Rating(RECORD.details, FOUR, rated_at=setup.clock.moment)


def test_rating_a_movie_does_not_make_it_a_favorite(setup: LibrarySetup) -> None:
    setup.library.rate(CONSUMER, 550, FOUR)
    with pytest.raises(FavoriteNotFound):
        setup.library.favorite(CONSUMER, 550)


def test_rating_a_movie_again_replaces_the_stars(setup: LibrarySetup) -> None:
    first, _ = setup.library.rate(CONSUMER, 550, FOUR)
    setup.clock.advance(60)
    second, is_new = setup.library.rate(CONSUMER, 550, Stars.of(2))
    assert not is_new
    assert second == replace(first, stars=Stars.of(2), corrected_at=setup.clock.moment)


def test_rating_a_stored_movie_does_not_call_the_catalogue(setup: LibrarySetup) -> None:
    setup.library.add_favorite(ADMIN, 550)
    setup.take_catalogue_down()
    _, is_new = setup.library.rate(CONSUMER, 550, FOUR)
    assert is_new
    assert setup.catalogue.calls == []


def test_rating_an_unknown_movie_writes_nothing(setup: LibrarySetup) -> None:
    with pytest.raises(MovieNotFound):
        setup.library.rate(CONSUMER, 404, FOUR)
    assert setup.store == FakeLibrary()


def test_updating_a_rating_replaces_the_stars(setup: LibrarySetup) -> None:
    first, _ = setup.library.rate(CONSUMER, 550, FOUR)
    setup.clock.advance(60)
    updated = setup.library.update_rating(CONSUMER, 550, Stars.of(0))
    assert updated == replace(first, stars=Stars.of(0), corrected_at=setup.clock.moment)


def test_updating_a_rating_does_not_call_the_catalogue(setup: LibrarySetup) -> None:
    setup.library.rate(CONSUMER, 550, FOUR)
    setup.take_catalogue_down()
    setup.library.update_rating(CONSUMER, 550, Stars.of(1))
    assert setup.catalogue.calls == []


def test_rating_of_another_user_cannot_be_updated(setup: LibrarySetup) -> None:
    setup.library.rate(ADMIN, 550, FOUR)
    with pytest.raises(RatingNotFound):
        setup.library.update_rating(CONSUMER, 550, Stars.of(1))
    assert setup.library.rating(ADMIN, 550).stars == FOUR


def test_rating_is_returned_in_the_requested_language(setup: LibrarySetup) -> None:
    setup.library.rate(CONSUMER, 550, FOUR)
    rating = setup.library.rating(CONSUMER, 550, language="es-ES")
    assert rating.movie.title == "Título es-ES"


def test_rating_of_an_unrated_favorite_is_not_found(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    with pytest.raises(RatingNotFound):
        setup.library.rating(CONSUMER, 550)


def test_ratings_are_listed_according_to_the_query(setup: LibrarySetup) -> None:
    setup.library.rate(CONSUMER, 550, FOUR)
    query = ListQuery(sort_order("-rated_at", RATING_KEYS), page_size=7, language="es-ES")
    page = setup.library.ratings(CONSUMER, query)
    assert page == setup.store.ratings(CONSUMER.id, query)
    assert [each.movie.title for each in page.results] == ["Título es-ES"]


def test_rating_can_be_deleted(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    setup.library.rate(CONSUMER, 550, FOUR)
    setup.library.delete_rating(CONSUMER, 550)
    assert setup.library.favorite(CONSUMER, 550).rating is None


def test_rating_of_another_user_cannot_be_deleted(setup: LibrarySetup) -> None:
    setup.library.rate(ADMIN, 550, FOUR)
    with pytest.raises(RatingNotFound):
        setup.library.delete_rating(CONSUMER, 550)


def test_marks_show_the_favorites_and_ratings_of_one_user(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    setup.library.rate(CONSUMER, 550, FOUR)
    assert setup.library.marks(CONSUMER, [550])[550] == Mark(favorite=True, rating=FOUR)
    assert setup.library.marks(ADMIN, [550]).get(550, Mark()) == Mark()


@dataclass
class GeneratedLibrary(FakeLibrary):
    """A library of `length` movies, which are created on request."""

    length: int = 0
    requested_after: list[int] = field(default_factory=list)

    def user_movies(self, user_id: int, after: int, limit: int) -> tuple[UserMovie, ...]:
        self.requested_after.append(after)
        numbers = range(after + 1, min(after + 1 + limit, self.length))
        return tuple(UserMovie(make_details(number), favorited_at=NOON) for number in numbers)


def exported(store: FakeLibrary) -> Iterator[int]:
    """Yield the IDs of an export; release each page as soon as its IDs are extracted."""
    export = Library(store, FakeCatalogue()).export(CONSUMER)
    for ids in map(ids_of, export.pages):
        yield from ids


def ids_of(page: tuple[UserMovie, ...]) -> list[int]:
    return [each.movie.id for each in page]


def test_export_contains_only_the_movies_of_its_user(setup: LibrarySetup) -> None:
    setup.library.add_favorite(CONSUMER, 550)
    setup.library.rate(CONSUMER, 550, FOUR)
    setup.catalogue.add(make_record(551))
    setup.library.add_favorite(ADMIN, 551)
    export = setup.library.export(CONSUMER)
    assert (export.user, export.exported_at) == (CONSUMER, setup.clock.moment)
    assert list(export.pages) == [
        (UserMovie(RECORD.details, setup.clock.moment, FOUR, setup.clock.moment),)
    ]


def test_export_of_an_empty_library_has_no_pages(setup: LibrarySetup) -> None:
    assert list(setup.library.export(CONSUMER).pages) == []


@pytest.mark.parametrize(
    ("length", "pages"),
    [
        (1, 1),
        (EXPORT_PAGE_SIZE - 1, 1),
        (EXPORT_PAGE_SIZE, 2),
        (EXPORT_PAGE_SIZE + 1, 2),
        (2 * EXPORT_PAGE_SIZE + 1, 3),
    ],
)
def test_export_is_complete_for_any_length(length: int, pages: int) -> None:
    store = GeneratedLibrary(length=length)
    assert list(exported(store)) == list(range(length))
    assert store.requested_after == [-1 + EXPORT_PAGE_SIZE * number for number in range(pages)]


def test_export_has_no_empty_page() -> None:
    export = Library(GeneratedLibrary(length=EXPORT_PAGE_SIZE), FakeCatalogue()).export(CONSUMER)
    assert [len(page) for page in export.pages] == [EXPORT_PAGE_SIZE]


def test_first_page_of_an_export_is_fetched_eagerly() -> None:
    store = GeneratedLibrary(length=EXPORT_PAGE_SIZE)
    Library(store, FakeCatalogue()).export(CONSUMER)
    assert store.requested_after == [-1]


def test_page_of_an_export_is_fetched_after_the_previous_one_was_read() -> None:
    store = GeneratedLibrary(length=3 * EXPORT_PAGE_SIZE)
    reader = exported(store)
    for _ in range(EXPORT_PAGE_SIZE):
        next(reader)
    assert store.requested_after == [-1]
    next(reader)
    assert store.requested_after == [-1, EXPORT_PAGE_SIZE - 1]


def test_export_of_100_000_movies_holds_one_page_in_memory() -> None:
    def export(length: int) -> None:
        assert sum(1 for _ in exported(GeneratedLibrary(length=length))) == length

    one_page = peak_memory(partial(export, EXPORT_PAGE_SIZE))
    assert peak_memory(partial(export, 100_000)) < 2 * one_page
