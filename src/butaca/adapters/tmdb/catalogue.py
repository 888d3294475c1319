"""TMDB as a catalogue. Source: https://developer.themoviedb.org/reference."""

from datetime import date
from typing import Any

from butaca.adapters.tmdb.bodies import (
    changes_page,
    genre_names,
    movie_details,
    movie_page,
    movie_record,
)
from butaca.adapters.tmdb.http import TmdbHttp
from butaca.core.errors import CatalogueInvalidResponse, MovieNotFound
from butaca.core.models import (
    DEFAULT_LANGUAGE,
    Fetched,
    Genre,
    Movie,
    MovieDetails,
    MovieRecord,
    Page,
)
from butaca.core.ports import PopularQuery, SearchQuery


class TmdbCatalogue:
    """A catalogue that sends every request to TMDB."""

    def __init__(self, http: TmdbHttp, default_language: str = DEFAULT_LANGUAGE) -> None:
        self._http = http
        self._default_language = default_language

    def popular(self, query: PopularQuery) -> Fetched[Page[Movie]]:
        """Return one page of the popular movies."""
        body = self._get_list(
            "/movie/popular", language=query.language, page=query.page, region=query.region
        )
        return Fetched(movie_page(body))

    def search(self, query: SearchQuery) -> Fetched[Page[Movie]]:
        """Return one page of the matches."""
        body = self._get_list(
            "/search/movie",
            query=query.text,
            include_adult="false",
            language=query.language,
            page=query.page,
            region=query.region,
            year=query.year,
        )
        return Fetched(movie_page(body))

    def details(self, movie_id: int, language: str) -> Fetched[MovieDetails]:
        """Return the details of a movie in a language."""
        return Fetched(movie_details(self._get_movie(movie_id, language=language)))

    def record(self, movie_id: int) -> Fetched[MovieRecord]:
        """Return a movie with all its translations."""
        body = self._get_movie(
            movie_id, language=self._default_language, append_to_response="translations"
        )
        return Fetched(movie_record(body, self._default_language))

    def genres(self, language: str) -> Fetched[tuple[Genre, ...]]:
        """Return all genres of movies. If names are missing, a second request fetches English ones.

        TMDB itself replaces missing names in the details of a movie, but not in this list.
        Source: https://github.com/sct/overseerr/pull/1352.
        """
        names = self._genre_names(language)
        if None in names.values():
            translated = {genre_id: name for genre_id, name in names.items() if name}
            names = {**self._genre_names(DEFAULT_LANGUAGE), **translated}
        return Fetched(tuple(Genre(genre_id, name) for genre_id, name in names.items() if name))

    def changes(self, first: date, last: date, page: int = 1) -> Page[int]:
        """Return one page of the IDs of the movies that changed between two dates (UTC)."""
        period = {"start_date": first.isoformat(), "end_date": last.isoformat()}
        return changes_page(self._get_list("/movie/changes", **period, page=page))

    def _genre_names(self, language: str) -> dict[int, str | None]:
        return genre_names(self._get_list("/genre/movie/list", language=language))

    def _get_list(self, path: str, **params: str | int | None) -> dict[str, Any]:
        query = {name: value for name, value in params.items() if value is not None}
        if (body := self._http.get(path, query)) is None:
            raise CatalogueInvalidResponse(upstream_status=404)
        return body

    def _get_movie(self, movie_id: int, **params: str) -> dict[str, Any]:
        if (body := self._http.get(f"/movie/{movie_id}", params)) is None:
            raise MovieNotFound
        if body.get("id") != movie_id:
            raise CatalogueInvalidResponse(upstream_status=200)
        return body
