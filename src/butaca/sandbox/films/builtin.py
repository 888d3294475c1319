"""Responses from the built-in movies."""

from collections.abc import Sequence
from typing import Any

from butaca.sandbox.answers import Answer, Refused, json_answer
from butaca.sandbox.call import Call, id_in
from butaca.sandbox.drawing.pictures import SIZES, Picture
from butaca.sandbox.films.movies import Movie
from butaca.sandbox.films.names import genre_list
from butaca.sandbox.films.paging import CHANGES_PAGE_SIZE, folded, inflated, page_of, shelves
from butaca.sandbox.films.shapes import backdrop_path, details, list_item, poster_path, translations


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

    def popular(self, call: Call) -> Answer:
        """Return a page of 20. Some movies end one page and start the next."""
        page = _in_language(page_of(shelves(self._movies), call.page), call.language)
        return json_answer(inflated(page) if self._inflate_totals else page)

    def search(self, call: Call) -> Answer:
        """Return the movies with the query in any of their titles, ignoring case and accents."""
        query = folded(call.params.get("query", ""))
        found = [movie for movie in self._movies if query and movie.is_called(query)]
        found = [movie for movie in found if movie.release_date.startswith(call.year)]
        return json_answer(_in_language(page_of(found, call.page), call.language))

    def movie(self, call: Call, movie_id: int) -> Answer:
        """Return the details, with all translations if requested."""
        movie = self._movie(movie_id)
        shown = details(movie, call.language)
        if call.wants_translations:
            shown["translations"] = {"translations": translations(movie)}
        return json_answer(shown)

    def translations(self, movie_id: int) -> Answer:
        """Return all translations of a movie."""
        movie = self._movie(movie_id)
        return json_answer({"id": movie.id, "translations": translations(movie)})

    def changes(self, call: Call, deleted: frozenset[int]) -> Answer:
        """Return the deleted IDs, then every third movie, whatever the dates."""
        call.check_dates()
        changed = [change(one, deleted=True) for one in sorted(deleted)]
        changed += [
            change(movie.id, deleted=False)
            for movie in self._movies[::3]
            if movie.id not in deleted
        ]
        return json_answer(page_of(changed, call.page, size=CHANGES_PAGE_SIZE))

    def genres(self, call: Call) -> Answer:
        """Return all genres, named in English or Spanish."""
        return json_answer({"genres": genre_list(call.language)})

    def configuration(self) -> Answer:
        """Return the sizes of pictures; the base URL is always TMDB's."""
        return json_answer(CONFIGURATION)

    def find_picture(self, path: str) -> Picture | None:
        """Return the poster or the backdrop at this path."""
        number = id_in(path.removeprefix("/").partition("-")[0])
        movie = self._by_id.get(number or 0)
        if not movie or path not in (poster_path(movie), backdrop_path(movie)):
            return None
        is_poster = path == poster_path(movie)
        year = movie.release_date[:4]
        return Picture(movie.id, movie.title("en-US"), year, movie.genre_ids, is_poster=is_poster)

    def _movie(self, movie_id: int) -> Movie:
        if movie_id not in self._by_id:
            raise Refused(34)
        return self._by_id[movie_id]


def change(movie_id: int, *, deleted: bool) -> dict[str, Any]:
    """Return an entry of the changes; TMDB marks deleted movies by `adult: null`."""
    return {"id": movie_id, "adult": None if deleted else False, "softcore": False}


def _in_language(page: dict[str, Any], language: str) -> dict[str, Any]:
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
