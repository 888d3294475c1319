"""Responses from the built-in movies."""

from collections.abc import Sequence
from typing import Any

from butaca.sandbox.call import Call, parse_id
from butaca.sandbox.drawing.pictures import SIZES, Picture
from butaca.sandbox.movies.movies import Movie
from butaca.sandbox.movies.names import genre_list
from butaca.sandbox.movies.paging import (
    CHANGES_PAGE_SIZE,
    normalize_text,
    paginate,
    repeat_across_pages,
    with_inflated_totals,
)
from butaca.sandbox.movies.shapes import (
    backdrop_path,
    details,
    list_item,
    poster_path,
    translations,
)
from butaca.sandbox.responses import Response, TmdbError, json_response


class BuiltinMovies:
    """A catalogue of a few pages that behaves like TMDB's.

    Pages after the last movie are empty, up to 500, and do not repeat earlier ones, so that
    scrolling comes to an end. `inflate_totals` makes the popular list announce more pages than can
    be requested, as TMDB does. `region` is accepted and ignored.
    """

    def __init__(self, movies: Sequence[Movie], *, inflate_totals: bool) -> None:
        """Serve these movies, most popular first."""
        self._movies = movies
        self._by_id = {movie.id: movie for movie in movies}
        self._inflate_totals = inflate_totals

    def popular(self, call: Call) -> Response:
        """Return a page of 20. Some movies are both last on a page and first on the next."""
        page = paginate(repeat_across_pages(self._movies), call.page)
        if self._inflate_totals:
            page = with_inflated_totals(page)
        return json_response(_translate_page(page, call.language))

    def search(self, call: Call) -> Response:
        """Return the movies with the query in any of their titles, ignoring case and accents."""
        query = normalize_text(call.params.get("query", ""))
        found = [movie for movie in self._movies if query and movie.has_title_containing(query)]
        found = [movie for movie in found if movie.release_date.startswith(call.year)]
        return json_response(_translate_page(paginate(found, call.page), call.language))

    def movie(self, call: Call, movie_id: int) -> Response:
        """Return the details, with all translations if requested."""
        movie = self._find_movie(movie_id)
        body = details(movie, call.language)
        if call.wants_translations:
            body["translations"] = {"translations": translations(movie)}
        return json_response(body)

    def translations(self, movie_id: int) -> Response:
        """Return all translations of a movie."""
        movie = self._find_movie(movie_id)
        return json_response({"id": movie.id, "translations": translations(movie)})

    def changes(self, call: Call, deleted: frozenset[int]) -> Response:
        """Return the deleted IDs, then every third movie, whatever the dates."""
        call.check_dates()
        changed = [change_entry(movie_id, deleted=True) for movie_id in sorted(deleted)]
        changed += [
            change_entry(movie.id, deleted=False)
            for movie in self._movies[::3]
            if movie.id not in deleted
        ]
        return json_response(paginate(changed, call.page, size=CHANGES_PAGE_SIZE))

    def genres(self, call: Call) -> Response:
        """Return all genres, named in English or Spanish."""
        return json_response({"genres": genre_list(call.language)})

    def configuration(self) -> Response:
        """Return the sizes of pictures; the base URL is always TMDB's."""
        return json_response(CONFIGURATION)

    def find_picture(self, path: str) -> Picture | None:
        """Return the poster or the backdrop at this path."""
        number = parse_id(path.removeprefix("/").partition("-")[0])
        movie = self._by_id.get(number or 0)
        if not movie or path not in (poster_path(movie), backdrop_path(movie)):
            return None
        is_poster = path == poster_path(movie)
        year = movie.release_date[:4]
        return Picture(movie.id, movie.title("en-US"), year, movie.genre_ids, is_poster=is_poster)

    def _find_movie(self, movie_id: int) -> Movie:
        if movie_id not in self._by_id:
            raise TmdbError(34)
        return self._by_id[movie_id]


def change_entry(movie_id: int, *, deleted: bool) -> dict[str, Any]:
    """Return an entry of the changes; TMDB marks deleted movies by `adult: null`."""
    return {"id": movie_id, "adult": None if deleted else False, "softcore": False}


def _translate_page(page: dict[str, Any], language: str) -> dict[str, Any]:
    return {**page, "results": [list_item(movie, language) for movie in page["results"]]}


CONFIGURATION = {
    "change_keys": ["adult", "genres", "images", "overview", "release_dates", "title"],
    "images": {
        "base_url": "http://image.tmdb.org/t/p/",
        "secure_base_url": "https://image.tmdb.org/t/p/",
        "backdrop_sizes": list(SIZES["backdrop"]),
        "logo_sizes": ["w45", "w92", "w154", "w185", "w300", "w500", "original"],
        "poster_sizes": list(SIZES["poster"]),
        "profile_sizes": ["w45", "w185", "h632", "original"],
        "still_sizes": ["w92", "w185", "w300", "original"],
    },
}
