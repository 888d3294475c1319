"""Browsing the catalogue: popular movies, search, details, and genres."""

from dataclasses import dataclass

from butaca.core.models import DEFAULT_LANGUAGE, Fetched, Genre, Movie, MovieDetails, Page
from butaca.core.ports import MovieCatalogue, PopularQuery, SearchQuery


@dataclass(frozen=True, slots=True)
class Movies:
    """The movies of the catalogue. Every method may raise CatalogueFailed."""

    catalogue: MovieCatalogue
    default_language: str = DEFAULT_LANGUAGE

    def popular(
        self, *, page: int = 1, language: str | None = None, region: str | None = None
    ) -> Fetched[Page[Movie]]:
        """Return a page of the currently popular movies."""
        return self.catalogue.popular(
            PopularQuery(language=self._language(language), page=page, region=region)
        )

    def search(
        self,
        text: str,
        *,
        page: int = 1,
        language: str | None = None,
        region: str | None = None,
        year: int | None = None,
    ) -> Fetched[Page[Movie]]:
        """Return a page of the movies whose title matches a text."""
        return self.catalogue.search(
            SearchQuery(
                text=text, language=self._language(language), page=page, region=region, year=year
            )
        )

    def details(self, movie_id: int, *, language: str | None = None) -> Fetched[MovieDetails]:
        """Return the details of a movie. Raises MovieNotFound."""
        return self.catalogue.details(movie_id, self._language(language))

    def genres(self, *, language: str | None = None) -> Fetched[tuple[Genre, ...]]:
        """Return all genres of movies."""
        return self.catalogue.genres(self._language(language))

    def _language(self, language: str | None) -> str:
        return language or self.default_language
