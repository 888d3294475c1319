"""Favorites and ratings use the local store; the catalogue is called once per movie."""

import logging
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest

from butaca.core.errors import (
    CatalogueUnavailable,
    FavoriteNotFound,
    LibraryBusy,
    MovieNotFound,
    RatingNotFound,
)
from butaca.core.library import EXPORT_PAGE, Library
from butaca.core.listing import FAVORITE_KEYS, RATING_KEYS, ListQuery, sort_order
from butaca.core.models import Entry, Favorite, Fetched, Mark, MovieRecord, Rating, Stars
from tests.builders import ADMIN, CONSUMER, NOON, make_details, make_record, make_translation
from tests.fakes import FakeCatalogue, FakeClock, FakeLibrary

RECORD = make_record(550, make_translation("es", "ES"))
FOUR = Stars.of(4)


@dataclass
class Shelf:
    """A library, and the fakes that it stands on."""

    catalogue: FakeCatalogue = field(default_factory=FakeCatalogue)
    store: FakeLibrary = field(default_factory=FakeLibrary)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.catalogue.add(RECORD)
        self.library = Library(self.store, self.catalogue, self.clock.now)

    def lose_the_catalogue(self) -> None:
        self.catalogue.failure = CatalogueUnavailable()
        self.catalogue.calls.clear()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_a_movie_that_is_kept_is_whole_and_new(shelf: Shelf) -> None:
    kept, is_new = shelf.library.add_favorite(CONSUMER, 550)
    assert is_new
    assert kept == Favorite(RECORD.details, rating=None, favorited_at=shelf.clock.moment)


def test_a_movie_that_is_kept_is_among_the_favorites(shelf: Shelf) -> None:
    kept, _ = shelf.library.add_favorite(CONSUMER, 550)
    assert shelf.library.favorite(CONSUMER, 550) == kept


def test_keeping_again_changes_nothing(shelf: Shelf) -> None:
    first, _ = shelf.library.add_favorite(CONSUMER, 550)
    shelf.clock.move(60)
    again, is_new = shelf.library.add_favorite(CONSUMER, 550)
    assert not is_new
    assert again == first


def test_keeping_again_needs_no_catalogue(shelf: Shelf) -> None:
    first, _ = shelf.library.add_favorite(CONSUMER, 550)
    shelf.lose_the_catalogue()
    assert shelf.library.add_favorite(CONSUMER, 550) == (first, False)
    assert shelf.catalogue.calls == []


def test_a_movie_is_asked_of_the_catalogue_once_for_everybody(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    shelf.library.add_favorite(ADMIN, 550)
    shelf.library.rate(ADMIN, 550, FOUR)
    assert shelf.catalogue.calls == [550]


def test_keeping_an_unknown_movie_writes_nothing(shelf: Shelf) -> None:
    with pytest.raises(MovieNotFound):
        shelf.library.add_favorite(CONSUMER, 404)
    assert shelf.store == FakeLibrary()


def test_keeping_while_the_catalogue_is_down_writes_nothing(shelf: Shelf) -> None:
    shelf.lose_the_catalogue()
    with pytest.raises(CatalogueUnavailable):
        shelf.library.add_favorite(CONSUMER, 550)
    assert shelf.store == FakeLibrary()


class DoubleClickCatalogue(FakeCatalogue):
    """A catalogue so slow that the same request is answered elsewhere in the meantime."""

    def __init__(self, store: FakeLibrary, clock: FakeClock) -> None:
        super().__init__(records={550: RECORD})
        self.store, self.clock = store, clock

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        fetched = super().record(movie_id)
        self.store.save_movie(fetched.value, self.clock.moment)
        self.store.add_favorite(CONSUMER.id, movie_id, self.clock.moment)
        self.store.rate(CONSUMER.id, movie_id, FOUR, self.clock.moment)
        self.clock.move(1)
        return fetched


def test_of_two_who_keep_at_once_one_is_new() -> None:
    store, clock = FakeLibrary(), FakeClock()
    library = Library(store, DoubleClickCatalogue(store, clock), clock.now)
    start = clock.moment
    kept, is_new = library.add_favorite(CONSUMER, 550)
    assert not is_new
    assert kept.favorited_at == start


def test_of_two_who_rate_at_once_one_is_new() -> None:
    store, clock = FakeLibrary(), FakeClock()
    library = Library(store, DoubleClickCatalogue(store, clock), clock.now)
    rating, is_new = library.rate(CONSUMER, 550, FOUR)
    assert not is_new
    assert rating.corrected_at is None


class DroppingLibrary(FakeLibrary):
    """A library in which a refresh drops what was just brought home, so many times."""

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
def test_a_movie_that_is_dropped_before_it_is_kept_is_brought_home_again(times: int) -> None:
    shelf = Shelf(store=DroppingLibrary(times))
    _, is_new = shelf.library.add_favorite(CONSUMER, 550)
    assert is_new
    assert shelf.catalogue.calls == [550] * (times + 1)


@pytest.mark.parametrize("times", [1, 2])
def test_a_movie_that_is_dropped_before_it_is_rated_is_brought_home_again(times: int) -> None:
    shelf = Shelf(store=DroppingLibrary(times))
    _, is_new = shelf.library.rate(CONSUMER, 550, FOUR)
    assert is_new
    assert shelf.library.rating(CONSUMER, 550).stars == FOUR


def test_a_movie_that_is_dropped_again_and_again_is_given_up_in_order() -> None:
    shelf = Shelf(store=DroppingLibrary(99))
    with pytest.raises(LibraryBusy):
        shelf.library.add_favorite(CONSUMER, 550)
    assert len(shelf.catalogue.calls) == 4


def test_a_favorite_is_told_in_a_language(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    favorite = shelf.library.favorite(CONSUMER, 550, language="es-ES")
    assert favorite.movie.title == "Título es-ES"


def test_a_movie_that_is_not_kept_is_no_favorite(shelf: Shelf) -> None:
    with pytest.raises(FavoriteNotFound):
        shelf.library.favorite(CONSUMER, 550)


def test_favorites_are_listed_as_asked_for(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    query = ListQuery(sort_order("title", FAVORITE_KEYS), page_size=7, language="es-ES")
    page = shelf.library.favorites(CONSUMER, query)
    assert page == shelf.store.favorites(CONSUMER.id, query)
    assert [each.movie.title for each in page.results] == ["Título es-ES"]


def test_a_forgotten_movie_is_no_favorite(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    shelf.library.remove_favorite(CONSUMER, 550)
    with pytest.raises(FavoriteNotFound):
        shelf.library.favorite(CONSUMER, 550)


def test_forgetting_keeps_the_rating(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    shelf.library.rate(CONSUMER, 550, FOUR)
    shelf.library.remove_favorite(CONSUMER, 550)
    assert shelf.library.rating(CONSUMER, 550).stars == FOUR


def test_what_is_not_kept_cannot_be_forgotten(shelf: Shelf) -> None:
    shelf.library.add_favorite(ADMIN, 550)
    with pytest.raises(FavoriteNotFound):
        shelf.library.remove_favorite(CONSUMER, 550)


def test_clearing_tells_how_many_favorites_are_gone(shelf: Shelf) -> None:
    shelf.catalogue.add(make_record(551))
    shelf.library.add_favorite(CONSUMER, 550)
    shelf.library.add_favorite(CONSUMER, 551)
    shelf.library.add_favorite(ADMIN, 550)
    assert shelf.library.clear(CONSUMER, by=ADMIN) == 2
    assert shelf.library.favorite(ADMIN, 550).movie == RECORD.details


def test_clearing_leaves_an_audit_line(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    with caplog.at_level(logging.INFO, logger="butaca.audit"):
        shelf.library.clear(CONSUMER, by=ADMIN)
    (line,) = caplog.records
    assert (line.name, line.levelname, line.message) == (
        "butaca.audit",
        "INFO",
        "favorites.cleared",
    )
    told = {"actor_id": ADMIN.id, "owner_id": CONSUMER.id, "deleted": 1}
    assert told.items() <= vars(line).items()


def test_a_rated_movie_is_whole_and_new(shelf: Shelf) -> None:
    rating, is_new = shelf.library.rate(CONSUMER, 550, FOUR)
    assert is_new
    assert rating == Rating(RECORD.details, FOUR, rated_at=shelf.clock.moment)


def test_rating_does_not_keep(shelf: Shelf) -> None:
    shelf.library.rate(CONSUMER, 550, FOUR)
    with pytest.raises(FavoriteNotFound):
        shelf.library.favorite(CONSUMER, 550)


def test_rating_again_replaces_the_stars(shelf: Shelf) -> None:
    first, _ = shelf.library.rate(CONSUMER, 550, FOUR)
    shelf.clock.move(60)
    again, is_new = shelf.library.rate(CONSUMER, 550, Stars.of(2))
    assert not is_new
    assert again == replace(first, stars=Stars.of(2), corrected_at=shelf.clock.moment)


def test_rating_a_movie_that_is_at_home_needs_no_catalogue(shelf: Shelf) -> None:
    shelf.library.add_favorite(ADMIN, 550)
    shelf.lose_the_catalogue()
    _, is_new = shelf.library.rate(CONSUMER, 550, FOUR)
    assert is_new
    assert shelf.catalogue.calls == []


def test_rating_an_unknown_movie_writes_nothing(shelf: Shelf) -> None:
    with pytest.raises(MovieNotFound):
        shelf.library.rate(CONSUMER, 404, FOUR)
    assert shelf.store == FakeLibrary()


def test_correcting_replaces_the_stars(shelf: Shelf) -> None:
    first, _ = shelf.library.rate(CONSUMER, 550, FOUR)
    shelf.clock.move(60)
    corrected = shelf.library.update_rating(CONSUMER, 550, Stars.of(0))
    assert corrected == replace(first, stars=Stars.of(0), corrected_at=shelf.clock.moment)


def test_correcting_needs_no_catalogue(shelf: Shelf) -> None:
    shelf.library.rate(CONSUMER, 550, FOUR)
    shelf.lose_the_catalogue()
    shelf.library.update_rating(CONSUMER, 550, Stars.of(1))
    assert shelf.catalogue.calls == []


def test_what_is_not_rated_cannot_be_corrected(shelf: Shelf) -> None:
    shelf.library.rate(ADMIN, 550, FOUR)
    with pytest.raises(RatingNotFound):
        shelf.library.update_rating(CONSUMER, 550, Stars.of(1))
    assert shelf.library.rating(ADMIN, 550).stars == FOUR


def test_a_rating_is_told_in_a_language(shelf: Shelf) -> None:
    shelf.library.rate(CONSUMER, 550, FOUR)
    rating = shelf.library.rating(CONSUMER, 550, language="es-ES")
    assert rating.movie.title == "Título es-ES"


def test_a_movie_that_is_not_rated_has_no_rating(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    with pytest.raises(RatingNotFound):
        shelf.library.rating(CONSUMER, 550)


def test_ratings_are_listed_as_asked_for(shelf: Shelf) -> None:
    shelf.library.rate(CONSUMER, 550, FOUR)
    query = ListQuery(sort_order("-rated_at", RATING_KEYS), page_size=7, language="es-ES")
    page = shelf.library.ratings(CONSUMER, query)
    assert page == shelf.store.ratings(CONSUMER.id, query)
    assert [each.movie.title for each in page.results] == ["Título es-ES"]


def test_a_rating_can_be_taken_back(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    shelf.library.rate(CONSUMER, 550, FOUR)
    shelf.library.delete_rating(CONSUMER, 550)
    assert shelf.library.favorite(CONSUMER, 550).rating is None


def test_what_is_not_rated_cannot_be_taken_back(shelf: Shelf) -> None:
    shelf.library.rate(ADMIN, 550, FOUR)
    with pytest.raises(RatingNotFound):
        shelf.library.delete_rating(CONSUMER, 550)


def test_marks_tell_what_movies_are_to_somebody(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    shelf.library.rate(CONSUMER, 550, FOUR)
    assert shelf.library.marks(CONSUMER, [550])[550] == Mark(favorite=True, rating=FOUR)
    assert shelf.library.marks(ADMIN, [550]).get(550, Mark()) == Mark()


@dataclass
class LongLibrary(FakeLibrary):
    """A library of so many entries, each made when it is asked for."""

    length: int = 0
    asked_after: list[int] = field(default_factory=list)

    def entries(self, user_id: int, after: int, limit: int) -> tuple[Entry, ...]:
        self.asked_after.append(after)
        numbers = range(after + 1, min(after + 1 + limit, self.length))
        return tuple(Entry(make_details(number), favorited_at=NOON) for number in numbers)


def exported(store: FakeLibrary) -> Iterator[int]:
    """Yield the IDs of an export, and hold no page for longer than it takes."""
    export = Library(store, FakeCatalogue()).export(CONSUMER)
    for ids in map(ids_of, export.pages):
        yield from ids


def ids_of(page: tuple[Entry, ...]) -> list[int]:
    return [entry.movie.id for entry in page]


def test_an_export_has_all_that_is_mine_and_nothing_else(shelf: Shelf) -> None:
    shelf.library.add_favorite(CONSUMER, 550)
    shelf.library.rate(CONSUMER, 550, FOUR)
    shelf.catalogue.add(make_record(551))
    shelf.library.add_favorite(ADMIN, 551)
    export = shelf.library.export(CONSUMER)
    assert (export.user, export.exported_at) == (CONSUMER, shelf.clock.moment)
    assert list(export.pages) == [
        (Entry(RECORD.details, shelf.clock.moment, FOUR, shelf.clock.moment),)
    ]


def test_whoever_has_nothing_has_an_export_without_pages(shelf: Shelf) -> None:
    assert list(shelf.library.export(CONSUMER).pages) == []


@pytest.mark.parametrize(
    ("length", "pages"),
    [
        (1, 1),
        (EXPORT_PAGE - 1, 1),
        (EXPORT_PAGE, 2),
        (EXPORT_PAGE + 1, 2),
        (2 * EXPORT_PAGE + 1, 3),
    ],
)
def test_an_export_is_whole_whatever_its_length(length: int, pages: int) -> None:
    store = LongLibrary(length=length)
    assert list(exported(store)) == list(range(length))
    assert store.asked_after == [-1 + EXPORT_PAGE * number for number in range(pages)]


def test_an_export_has_no_empty_page() -> None:
    export = Library(LongLibrary(length=EXPORT_PAGE), FakeCatalogue()).export(CONSUMER)
    assert [len(page) for page in export.pages] == [EXPORT_PAGE]


def test_the_first_page_of_an_export_is_there_before_it_is_asked_for() -> None:
    store = LongLibrary(length=EXPORT_PAGE)
    Library(store, FakeCatalogue()).export(CONSUMER)
    assert store.asked_after == [-1]


def test_no_page_of_an_export_is_fetched_before_the_one_before_it_is_read() -> None:
    store = LongLibrary(length=3 * EXPORT_PAGE)
    reader = exported(store)
    for _ in range(EXPORT_PAGE):
        next(reader)
    assert store.asked_after == [-1]
    next(reader)
    assert store.asked_after == [-1, EXPORT_PAGE - 1]


def test_an_export_of_100_000_movies_holds_one_page_at_a_time() -> None:
    def peak(length: int) -> int:
        tracemalloc.start()
        assert sum(1 for _ in exported(LongLibrary(length=length))) == length
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert peak(100_000) < 2 * peak(EXPORT_PAGE)
