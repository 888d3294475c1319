"""The contract of every catalogue: the fake, that of TMDB, and the cache over each of them."""

from collections.abc import Iterator

import pytest

from butaca.adapters.bulkhead import Bulkhead
from butaca.adapters.cache import CachedCatalogue, MemoryCache, SingleFlight, TieredCache
from butaca.adapters.tmdb import TmdbCatalogue, TmdbHttp
from butaca.core.errors import CatalogueUnavailable, MovieNotFound
from butaca.core.models import Genre
from butaca.core.ports import MovieCatalogue, PopularQuery, SearchQuery
from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.server import DEFAULT_TOKEN
from tests.builders import make_movie, make_page, make_record, make_translation
from tests.fakes import FakeCache, FakeCatalogue, FakeHealth

UNKNOWN_ID = 2**31 - 1
"""An ID that no movie has."""


@pytest.fixture
def fake() -> FakeCatalogue:
    pages = {
        1: make_page(make_movie(603), make_movie(550, title="Fight Club"), total_pages=2, total=4),
        2: make_page(make_movie(550, title="Fight Club"), make_movie(13), page=2, total_pages=2),
    }
    genres = {
        "en-US": (Genre(28, "Action"), Genre(18, "Drama")),
        "es-ES": (Genre(28, "Acción"), Genre(18, "Drama")),
    }
    catalogue = FakeCatalogue(pages=pages, genres_in={**genres, "fr-FR": genres["en-US"]})
    catalogue.add(
        make_record(
            550,
            make_translation("es", "ES", title="El club de la lucha"),
            make_translation("es", "MX", title="El club de la pelea"),
            title="Fight Club",
        )
    )
    return catalogue


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def tmdb(sandbox: Sandbox) -> Iterator[TmdbCatalogue]:
    http = TmdbHttp(sandbox.url, DEFAULT_TOKEN, sleep=lambda _: None)
    yield TmdbCatalogue(http)
    http._session.close()


@pytest.fixture(params=["fake", "tmdb", "cached fake", "cached tmdb"])
def catalogue(request: pytest.FixtureRequest) -> MovieCatalogue:
    is_cached, _, name = request.param.rpartition(" ")
    found: MovieCatalogue = request.getfixturevalue(name)
    return cached(found) if is_cached else found


def cached(catalogue: MovieCatalogue) -> CachedCatalogue:
    cache = FakeCache()
    clock = cache.clock.monotonic
    layers = TieredCache(MemoryCache(100, 86_400, clock), cache, ttl=30)
    health, bulkhead = FakeHealth(cache.clock), Bulkhead(4, 0.5, clock)
    return CachedCatalogue(catalogue, layers, health, bulkhead, SingleFlight(6.0, clock), clock)


def test_popular_returns_the_requested_page(catalogue: MovieCatalogue) -> None:
    page = catalogue.popular(PopularQuery("en-US", page=2)).value

    assert page.page == 2
    assert page.page_size == 20
    assert 2 <= page.total_pages <= 500
    assert page.results


def test_page_has_no_duplicate_movies(catalogue: MovieCatalogue) -> None:
    for number in (1, 2, 3):
        page = catalogue.popular(PopularQuery("en-US", page=number)).value

        assert len({movie.id for movie in page.results}) == len(page.results)


def test_page_after_the_last_movie_is_empty(catalogue: MovieCatalogue) -> None:
    page = catalogue.popular(PopularQuery("en-US", page=500)).value

    assert page.results == ()
    assert page.page == 500


def test_repeated_page_request_returns_the_same_page(catalogue: MovieCatalogue) -> None:
    query = PopularQuery("es-ES", region="ES")

    assert catalogue.popular(query).value == catalogue.popular(query).value


def test_search_by_title_ignores_case(catalogue: MovieCatalogue) -> None:
    page = catalogue.search(SearchQuery("fight CLUB", "en-US")).value

    assert 550 in [movie.id for movie in page.results]
    assert all("Fight Club" in movie.title for movie in page.results)


def test_search_without_matches_returns_an_empty_page(catalogue: MovieCatalogue) -> None:
    page = catalogue.search(SearchQuery("qwertyuiop", "en-US", year=1999, region="US")).value

    assert page.results == ()
    assert page.page == 1


def test_details_are_of_the_requested_movie(catalogue: MovieCatalogue) -> None:
    details = catalogue.details(550, "en-US").value

    assert details.id == 550
    assert details.title == "Fight Club"


def test_details_are_in_the_requested_language(catalogue: MovieCatalogue) -> None:
    assert catalogue.details(550, "es-ES").value.title == "El club de la lucha"
    assert catalogue.details(550, "es-MX").value.title == "El club de la pelea"


def test_repeated_details_request_returns_the_same_details(catalogue: MovieCatalogue) -> None:
    assert catalogue.details(550, "es-ES").value == catalogue.details(550, "es-ES").value


def test_record_includes_its_translations(catalogue: MovieCatalogue) -> None:
    record = catalogue.record(550).value

    titles = {(each.language, each.region): each.title for each in record.translations}
    assert record.details.title == "Fight Club"
    assert titles["es", "ES"] == "El club de la lucha"
    assert titles["es", "MX"] == "El club de la pelea"


def test_repeated_record_request_returns_the_same_record(catalogue: MovieCatalogue) -> None:
    assert catalogue.record(550).value == catalogue.record(550).value


def test_details_of_an_unknown_movie_are_not_found(catalogue: MovieCatalogue) -> None:
    for _ in range(2):
        with pytest.raises(MovieNotFound):
            catalogue.details(UNKNOWN_ID, "en-US")


def test_record_of_an_unknown_movie_is_not_found(catalogue: MovieCatalogue) -> None:
    for _ in range(2):
        with pytest.raises(MovieNotFound):
            catalogue.record(UNKNOWN_ID)


@pytest.mark.parametrize(
    ("language", "name"), [("en-US", "Action"), ("es-ES", "Acción"), ("fr-FR", "Action")]
)
def test_genres_are_in_the_requested_language_or_in_english(
    catalogue: MovieCatalogue, language: str, name: str
) -> None:
    genres = catalogue.genres(language).value

    assert Genre(28, name) in genres
    assert Genre(18, "Drama") in genres
    assert len({genre.id for genre in genres}) == len(genres)


def test_repeated_genres_request_returns_the_same_genres(catalogue: MovieCatalogue) -> None:
    assert catalogue.genres("es-ES").value == catalogue.genres("es-ES").value


def test_upstream_failure_is_catalogue_unavailable(
    catalogue: MovieCatalogue, fake: FakeCatalogue, sandbox: Sandbox
) -> None:
    fake.failure = CatalogueUnavailable()
    sandbox.inject(Fault("503"))

    with pytest.raises(CatalogueUnavailable):
        catalogue.popular(PopularQuery("en-US"))
    with pytest.raises(CatalogueUnavailable):
        catalogue.record(550)
