"""Recorded responses, returned byte for byte."""

import json
from http import HTTPStatus

from butaca.sandbox.answers import Answer, Refused, json_answer
from butaca.sandbox.call import Call
from butaca.sandbox.drawing.pictures import Picture
from butaca.sandbox.films.builtin import CONFIGURATION, change
from butaca.sandbox.films.folder import Folder
from butaca.sandbox.films.names import genre_list
from butaca.sandbox.films.paging import CHANGES_PAGE_SIZE, folded, page_of


class RecordedMovies:
    """A catalogue of recorded responses.

    A recording in the requested language is preferred to one in another; nothing is translated.
    What was not recorded is an empty page or a 404.
    """

    def __init__(self, folder: Folder) -> None:
        """Serve the recordings in this directory."""
        self._folder = folder
        self._items = list(folder.items())
        self._pictures = dict(folder.pictures())

    def popular(self, call: Call) -> Answer:
        """Return a recorded page, or an empty one with the totals of the first."""
        page, exact = self._folder.pages.get(call.page), self._folder.exact(call)
        # The numbered pages belong together; a single recording may be of another day.
        if call.language == "en-US":
            return page or exact or self._empty(call)
        return exact or page or self._empty(call)

    def search(self, call: Call) -> Answer:
        """Return a recorded search, or search the recorded popular movies."""
        page, query = call.page, folded(call.params.get("query", ""))
        found = [
            item
            for item in self._items
            if query and query in folded(f"{item['title']} {item['original_title']}")
            if item.get("release_date", "").startswith(call.year)
        ]
        return self._folder.exact(call) or json_answer(page_of(found, page))

    def movie(self, call: Call, movie_id: int) -> Answer:
        """Return recorded details; translations are merged in if requested."""
        recorded = self._details(call, movie_id)
        if not call.wants_translations or recorded.status != HTTPStatus.OK:
            return recorded
        appendix = json.loads(self.translations(movie_id).body)
        del appendix["id"]
        return json_answer({**json.loads(recorded.body), "translations": appendix})

    def translations(self, movie_id: int) -> Answer:
        """Return recorded translations, or an empty list."""
        call = Call(f"/3/movie/{movie_id}/translations", {})
        self._details(call, movie_id)
        none = json_answer({"id": movie_id, "translations": []})
        return self._folder.exact(call) or none

    def changes(self, call: Call, deleted: frozenset[int]) -> Answer:
        """Return recorded changes, preceded by the deleted IDs, if any."""
        call.check_dates()
        page = page_of([], call.page, CHANGES_PAGE_SIZE)
        recorded = self._folder.exact(call) or json_answer(page)
        if not deleted or call.page > 1:
            return recorded
        page = json.loads(recorded.body)
        kept = [one for one in page["results"] if one["id"] not in deleted]
        gone = [change(one, deleted=True) for one in sorted(deleted)]
        return json_answer({**page, "results": [*gone, *kept]})

    def genres(self, call: Call) -> Answer:
        """Return the recorded genres, or the built-in ones."""
        default = Call(call.path, {})
        recorded = self._folder.exact(call) or self._folder.exact(default)
        return recorded or json_answer({"genres": genre_list(call.language)})

    def configuration(self) -> Answer:
        """Return the recorded configuration, or the built-in one."""
        call = Call("/3/configuration", {})
        return self._folder.exact(call) or json_answer(CONFIGURATION)

    def find_picture(self, path: str) -> Picture | None:
        """Return a drawing in place of a picture, because none are recorded."""
        return self._pictures.get(path)

    def _empty(self, call: Call) -> Answer:
        first = self._folder.pages.get(1) or json_answer(page_of([], 1))
        return json_answer({**json.loads(first.body), "page": call.page, "results": []})

    def _details(self, call: Call, movie_id: int) -> Answer:
        path = f"/3/movie/{movie_id}"
        for params in (call.params, {}):
            if recorded := self._folder.exact(Call(path, params)):
                return recorded
        if movie_id not in self._folder.details:
            raise Refused(34)
        return self._folder.details[movie_id]
