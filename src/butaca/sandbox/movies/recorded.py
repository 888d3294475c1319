"""Recorded responses, returned byte for byte."""

import json
from http import HTTPStatus

from butaca.sandbox.call import Call
from butaca.sandbox.drawing.pictures import Picture
from butaca.sandbox.movies.builtin import CONFIGURATION, change_entry
from butaca.sandbox.movies.folder import RecordingFolder
from butaca.sandbox.movies.names import genre_list
from butaca.sandbox.movies.paging import CHANGES_PAGE_SIZE, normalize_text, paginate
from butaca.sandbox.responses import Response, TmdbError, json_response


class RecordedMovies:
    """A catalogue of recorded responses.

    A recording in the requested language is preferred to one in another; nothing is translated.
    What was not recorded is an empty page or a 404.
    """

    def __init__(self, folder: RecordingFolder) -> None:
        """Serve the recordings in this directory."""
        self._folder = folder
        self._items = list(folder.items())
        self._pictures = dict(folder.pictures())

    def popular(self, call: Call) -> Response:
        """Return a recorded page, or an empty one with the totals of the first."""
        numbered, exact = self._folder.pages.get(call.page), self._folder.find(call)
        # The numbered pages belong together; a single recording may be of another day.
        if call.language == "en-US":
            return numbered or exact or self._empty_page(call)
        return exact or numbered or self._empty_page(call)

    def search(self, call: Call) -> Response:
        """Return a recorded search, or search the recorded popular movies."""
        page, query = call.page, normalize_text(call.params.get("query", ""))
        found = [
            item
            for item in self._items
            if query and query in normalize_text(f"{item['title']} {item['original_title']}")
            if item.get("release_date", "").startswith(call.year)
        ]
        return self._folder.find(call) or json_response(paginate(found, page))

    def movie(self, call: Call, movie_id: int) -> Response:
        """Return recorded details; translations are merged in if requested."""
        recorded = self._details(call, movie_id)
        if not call.wants_translations or recorded.status != HTTPStatus.OK:
            return recorded
        appendix = json.loads(self.translations(movie_id).body)
        del appendix["id"]
        return json_response({**json.loads(recorded.body), "translations": appendix})

    def translations(self, movie_id: int) -> Response:
        """Return recorded translations, or an empty list."""
        call = Call(f"/3/movie/{movie_id}/translations", {})
        self._details(call, movie_id)
        none = json_response({"id": movie_id, "translations": []})
        return self._folder.find(call) or none

    def changes(self, call: Call, deleted: frozenset[int]) -> Response:
        """Return recorded changes, preceded by the deleted IDs, if any."""
        call.check_dates()
        page = paginate([], call.page, CHANGES_PAGE_SIZE)
        recorded = self._folder.find(call) or json_response(page)
        if not deleted or call.page > 1:
            return recorded
        page = json.loads(recorded.body)
        other_entries = [entry for entry in page["results"] if entry["id"] not in deleted]
        deleted_entries = [change_entry(movie_id, deleted=True) for movie_id in sorted(deleted)]
        return json_response({**page, "results": [*deleted_entries, *other_entries]})

    def genres(self, call: Call) -> Response:
        """Return the recorded genres, or the built-in ones."""
        default = Call(call.path, {})
        recorded = self._folder.find(call) or self._folder.find(default)
        return recorded or json_response({"genres": genre_list(call.language)})

    def configuration(self) -> Response:
        """Return the recorded configuration, or the built-in one."""
        call = Call("/3/configuration", {})
        return self._folder.find(call) or json_response(CONFIGURATION)

    def find_picture(self, path: str) -> Picture | None:
        """Return a drawing in place of a picture, because none are recorded."""
        return self._pictures.get(path)

    def _empty_page(self, call: Call) -> Response:
        first = self._folder.pages.get(1) or json_response(paginate([], 1))
        return json_response({**json.loads(first.body), "page": call.page, "results": []})

    def _details(self, call: Call, movie_id: int) -> Response:
        path = f"/3/movie/{movie_id}"
        for params in (call.params, {}):
            if recorded := self._folder.find(Call(path, params)):
                return recorded
        if movie_id not in self._folder.details:
            raise TmdbError(34)
        return self._folder.details[movie_id]
