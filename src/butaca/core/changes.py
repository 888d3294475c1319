"""TMDB's lists of changed movies: which of them to read, and which fetches they save."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf

from butaca.core.models import MAX_PAGE, Page, StoredMovie
from butaca.core.ports import ChangeLists

LONGEST = timedelta(days=14)
"""The longest period for which TMDB lists changes in one request."""

MARGIN = timedelta(days=1)
"""Safety margin around the dates of a list.

TMDB responds from caches that are hours old, and it is not known whether it includes the last day.
"""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The result of reading the lists: the IDs of the movies that changed since a date."""

    since: date = date.max
    changed: frozenset[int] = frozenset()

    def includes(self, movie: StoredMovie) -> bool:
        """Return whether a movie has certainly not changed since its last check."""
        reaches_back = self.since <= movie.checked_at.date() - MARGIN
        return reaches_back and movie.id not in self.changed


@dataclass(frozen=True, slots=True)
class _List:
    """The list of changes between two dates, of which only the first page has been read."""

    first: date
    last: date
    page: Page[int]

    @property
    def is_readable(self) -> bool:
        return self.page.total_pages <= MAX_PAGE

    @property
    def calls(self) -> float:
        """The number of requests to read the remaining pages; infinite if that is impossible."""
        return self.page.total_pages - 1 if self.is_readable else inf


@dataclass(frozen=True, slots=True)
class Changes:
    """Reads TMDB's lists of changes, at a limited rate."""

    lists: ChangeLists
    wait_turn: Callable[[], None]

    def read(self, checked: Mapping[date, int], today: date) -> Unchanged:
        """Read the lists as far back as this saves requests.

        `checked` gives, for each date, the number of movies that were last checked on it and that
        need no fetch if they are unchanged. The first page of each list tells how many pages there
        are. The lists are read back to the date at which they save the most requests beyond those
        that they cost, so that a small library does not read the changes of all of TMDB. At least
        one page is always read, because it also shows that TMDB is reachable. Raises
        CatalogueFailed.
        """
        read = _worthwhile(self._first_pages(checked, today), checked)
        if not read:
            return Unchanged()
        return Unchanged(read[-1].first, frozenset(self._ids(read)))

    def _first_pages(self, checked: Mapping[date, int], today: date) -> list[_List]:
        oldest = min(checked, default=today) - MARGIN
        found = self._split(today - LONGEST, today)
        while found[-1].first > oldest:
            found += self._split(found[-1].first - LONGEST, found[-1].first)
        return found

    def _split(self, first: date, last: date) -> list[_List]:
        """Return the changes as lists that are short enough to be read completely, newest first."""
        found = _List(first, last, self._page(first, last))
        if found.is_readable or last - first <= timedelta(days=1):
            return [found]
        # The halves share a day, because it is not known in which of them TMDB includes it.
        middle = first + (last - first) // 2
        return [*self._split(middle, last), *self._split(first, middle)]

    def _ids(self, lists: Iterable[_List]) -> Iterable[int]:
        for each in lists:
            yield from each.page.results
            for number in range(2, each.page.total_pages + 1):
                yield from self._page(each.first, each.last, number).results

    def _page(self, first: date, last: date, number: int = 1) -> Page[int]:
        self.wait_turn()
        return self.lists.changes(first, last, number)


def _worthwhile(found: list[_List], checked: Mapping[date, int]) -> list[_List]:
    def saves(number: int) -> float:
        if not number:
            return 0
        oldest = found[number - 1].first + MARGIN
        spared = sum(movies for day, movies in checked.items() if day >= oldest)
        return spared - sum(each.calls for each in found[:number])

    return found[: max(range(len(found) + 1), key=saves)]
