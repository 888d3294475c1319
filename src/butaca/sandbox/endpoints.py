"""TMDB's endpoints: the routing of calls."""

from typing import Protocol

from butaca.sandbox.call import Call, parse_id
from butaca.sandbox.drawing.pictures import Picture
from butaca.sandbox.responses import Response, TmdbError, error_response, json_response


class Source(Protocol):
    """The source of the responses: built-in movies, or a directory of recordings."""

    def popular(self, call: Call) -> Response:
        """Return a page of the popular movies. Raises TmdbError."""

    def search(self, call: Call) -> Response:
        """Return a page of the movies whose title contains the query. Raises TmdbError."""

    def movie(self, call: Call, movie_id: int) -> Response:
        """Return the details of a movie. Raises TmdbError."""

    def translations(self, movie_id: int) -> Response:
        """Return the translations of a movie. Raises TmdbError."""

    def changes(self, call: Call, deleted: frozenset[int]) -> Response:
        """Return a page of the IDs of changed movies, deleted ones first. Raises TmdbError."""

    def genres(self, call: Call) -> Response:
        """Return all genres of movies."""

    def configuration(self) -> Response:
        """Return the base URLs and the sizes of pictures."""

    def find_picture(self, path: str) -> Picture | None:
        """Return the picture at a poster_path or backdrop_path."""


def handle(source: Source, call: Call, deleted: frozenset[int]) -> Response:
    """Respond to a call under /3 as TMDB does, including its errors."""
    try:
        return _route(source, call, deleted)
    except TmdbError as error:
        return error_response(error.code)


def _route(source: Source, call: Call, deleted: frozenset[int]) -> Response:
    match call.path.split("/")[2:]:
        case ["movie", "popular"]:
            return source.popular(call)
        case ["search", "movie"]:
            return source.search(call)
        case ["movie", "changes"]:
            return source.changes(call, deleted)
        case ["genre", "movie", "list"]:
            return source.genres(call)
        case ["movie", text, *rest] if (movie_id := parse_id(text)) is not None:
            return _route_movie(source, call, movie_id, rest)
        case path:
            return _route_service(source, path)


def _route_service(source: Source, path: list[str]) -> Response:
    match path:
        case ["configuration"]:
            return source.configuration()
        case ["authentication"]:
            return json_response({"success": True, "status_code": 1, "status_message": "Success."})
    raise TmdbError(34)


def _route_movie(source: Source, call: Call, movie_id: int, rest: list[str]) -> Response:
    match rest:
        case []:
            return source.movie(call, movie_id)
        case ["translations"]:
            return source.translations(movie_id)
    raise TmdbError(34)
