"""Queries are passed to the catalogue unchanged, with a default language."""

import pytest

from butaca.core.errors import MovieNotFound
from butaca.core.models import Fetched, Freshness, Genre, Source
from butaca.core.movies import Movies
from butaca.core.ports import PopularQuery, SearchQuery
from tests.builders import make_movie, make_page, make_record, make_translation
from tests.fakes import FakeCatalogue

STALE = Freshness(Source.STALE, age=40)


@pytest.fixture
def catalogue() -> FakeCatalogue:
    catalogue = FakeCatalogue(
        pages={1: make_page(make_movie(550, title="Fight Club"))}, freshness=STALE
    )
    catalogue.add(make_record(550, make_translation("es", "AR")))
    return catalogue


@pytest.fixture
def movies(catalogue: FakeCatalogue) -> Movies:
    return Movies(catalogue, default_language="es-AR")


def test_popular_movies_include_their_freshness(movies: Movies) -> None:
    assert movies.popular() == Fetched(make_page(make_movie(550, title="Fight Club")), STALE)


def test_popular_movies_are_requested_in_the_default_language(
    movies: Movies, catalogue: FakeCatalogue
) -> None:
    movies.popular()
    assert catalogue.calls == [PopularQuery("es-AR", page=1, region=None)]


def test_popular_movies_are_requested_with_the_given_parameters(
    movies: Movies, catalogue: FakeCatalogue
) -> None:
    movies.popular(page=3, language="fr-FR", region="FR")
    assert catalogue.calls == [PopularQuery("fr-FR", page=3, region="FR")]


def test_search_results_include_their_freshness(movies: Movies) -> None:
    found = movies.search("fight")
    assert [movie.id for movie in found.value.results] == [550]
    assert found.freshness == STALE


def test_search_uses_the_default_language(movies: Movies, catalogue: FakeCatalogue) -> None:
    movies.search("fight")
    assert catalogue.calls == [SearchQuery("fight", "es-AR", page=1, region=None, year=None)]


def test_search_uses_the_given_parameters(movies: Movies, catalogue: FakeCatalogue) -> None:
    movies.search("club", page=2, language="fr", region="FR", year=1999)
    assert catalogue.calls == [SearchQuery("club", "fr", page=2, region="FR", year=1999)]


def test_details_are_in_the_default_language(movies: Movies) -> None:
    details = movies.details(550)
    assert details.value.title == "Título es-AR"
    assert details.freshness == STALE


def test_details_are_in_the_requested_language(movies: Movies) -> None:
    assert movies.details(550, language="en-US").value.title == "Movie 550"


def test_details_of_an_unknown_movie_are_not_found(movies: Movies) -> None:
    with pytest.raises(MovieNotFound):
        movies.details(404)


def test_genres_include_their_freshness(movies: Movies, catalogue: FakeCatalogue) -> None:
    catalogue.genres_in = {"es-AR": (Genre(28, "Acción"),)}
    assert movies.genres() == Fetched((Genre(28, "Acción"),), STALE)


def test_genres_are_requested_in_the_given_language(
    movies: Movies, catalogue: FakeCatalogue
) -> None:
    movies.genres(language="fr")
    assert catalogue.calls == ["fr"]


def test_default_language_is_english_unless_configured(catalogue: FakeCatalogue) -> None:
    Movies(catalogue).popular()
    assert catalogue.calls == [PopularQuery("en-US")]
