"""TMDB's lists of changes: which of them are worth reading, and what they spare us."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf

from butaca.core.models import MAX_PAGE, Page, StoredMovie
from butaca.core.ports import ChangeLists

LONGEST = timedelta(days=14)
"""TMDB lists the changes of no longer time at once."""

MARGIN = timedelta(days=1)
"""TMDB answers out of caches of hours, and whether it counts the last day itself is not known."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What the lists that were read tell: which movies changed since a day."""

    since: date = date.max
    changed: frozenset[int] = frozenset()

    def includes(self, movie: StoredMovie) -> bool:
        """Tell whether a movie is for certain as it was when it was last checked."""
        reaches_back = self.since <= movie.checked_at.date() - MARGIN
        return reaches_back and movie.id not in self.changed


@dataclass(frozen=True, slots=True)
class _List:
    """The changes from one day to another, of which the first page is read."""

    first: date
    last: date
    page: Page[int]

    @property
    def is_readable(self) -> bool:
        return self.page.total_pages <= MAX_PAGE

    @property
    def calls(self) -> float:
        """How many calls it takes to read the rest."""
        return self.page.total_pages - 1 if self.is_readable else inf


@dataclass(frozen=True, slots=True)
class Changes:
    """The lists of changes, asked for not faster than is fair."""

    lists: ChangeLists
    wait_turn: Callable[[], None]

    def read(self, checked: Mapping[date, int], today: date) -> Unchanged:
        """Read the lists back to the oldest movie that they could spare us, if they pay.

        `checked` says for each day how many such movies were last checked on it. The first page of
        a list tells how many there are. The lists are read back to where they spare the most calls
        beyond those that they cost, so that a small library does not read the changes of all of
        TMDB. One page is always read, for it also shows that TMDB is there. Raises CatalogueFailed.
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
        """Return the changes as lists that can be read to their ends, the newest first."""
        found = _List(first, last, self._page(first, last))
        if found.is_readable or last - first <= timedelta(days=1):
            return [found]
        # They have a day in common: whether TMDB counts it to the one or the other is not known.
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
