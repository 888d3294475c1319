"""TMDB's endpoints: the routing of calls."""

from typing import Protocol

from butaca.sandbox.answers import Answer, Refused, json_answer, refusal
from butaca.sandbox.call import Call, id_in
from butaca.sandbox.drawing.pictures import Picture


class Source(Protocol):
    """The source of the responses: built-in movies, or a directory of recordings."""

    def popular(self, call: Call) -> Answer:
        """Return a page of the popular movies. Raises Refused."""

    def search(self, call: Call) -> Answer:
        """Return a page of the movies whose title contains the query. Raises Refused."""

    def movie(self, call: Call, movie_id: int) -> Answer:
        """Return the details of a movie. Raises Refused."""

    def translations(self, movie_id: int) -> Answer:
        """Return the translations of a movie. Raises Refused."""

    def changes(self, call: Call, deleted: frozenset[int]) -> Answer:
        """Return a page of the IDs of changed movies, deleted ones first. Raises Refused."""

    def genres(self, call: Call) -> Answer:
        """Return all genres of movies."""

    def configuration(self) -> Answer:
        """Return the base URLs and the sizes of pictures."""

    def find_picture(self, path: str) -> Picture | None:
        """Return the picture at a poster_path or backdrop_path."""


def answer(source: Source, call: Call, deleted: frozenset[int]) -> Answer:
    """Respond to a call under /3 as TMDB does, including its errors."""
    try:
        return _route(source, call, deleted)
    except Refused as refused:
        return refusal(refused.code)


def _route(source: Source, call: Call, deleted: frozenset[int]) -> Answer:
    match call.path.split("/")[2:]:
        case ["movie", "popular"]:
            return source.popular(call)
        case ["search", "movie"]:
            return source.search(call)
        case ["movie", "changes"]:
            return source.changes(call, deleted)
        case ["genre", "movie", "list"]:
            return source.genres(call)
        case ["movie", text, *rest] if (movie_id := id_in(text)) is not None:
            return _about_one(source, call, movie_id, rest)
        case path:
            return _about_service(source, path)


def _about_service(source: Source, path: list[str]) -> Answer:
    match path:
        case ["configuration"]:
            return source.configuration()
        case ["authentication"]:
            return json_answer({"success": True, "status_code": 1, "status_message": "Success."})
    raise Refused(34)


def _about_one(source: Source, call: Call, movie_id: int, rest: list[str]) -> Answer:
    match rest:
        case []:
            return source.movie(call, movie_id)
        case ["translations"]:
            return source.translations(movie_id)
    raise Refused(34)
