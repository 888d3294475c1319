"""TMDB's lists of changed movies: which of them to read, and which fetches they save."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf

from butaca.core.models import MAX_PAGE, Page, StoredMovie
from butaca.core.ports import ChangeLists

MAX_PERIOD = timedelta(days=14)
"""The maximum period of one list of changes."""

MARGIN = timedelta(days=1)
"""Safety margin around the dates of a list.

TMDB's caches are hours old, and it is not documented whether a list includes its last day.
"""


@dataclass(frozen=True, slots=True)
class KnownChanges:
    """The IDs of the movies that changed since a date, as far as the lists have been read."""

    since: date = date.max
    changed: frozenset[int] = frozenset()

    def is_unchanged(self, movie: StoredMovie) -> bool:
        """Return whether a movie has certainly not changed since its last check."""
        is_covered = self.since <= movie.checked_at.date() - MARGIN
        return is_covered and movie.id not in self.changed


@dataclass(frozen=True, slots=True)
class _ChangeList:
    """A list of the changes between two dates, of which only the first page has been read."""

    first: date
    last: date
    page: Page[int]

    @property
    def is_readable(self) -> bool:
        return self.page.total_pages <= MAX_PAGE

    @property
    def remaining_requests(self) -> float:
        """The number of requests for the remaining pages; infinite if not all can be read."""
        return self.page.total_pages - 1 if self.is_readable else inf


@dataclass(frozen=True, slots=True)
class ChangeReader:
    """Reads TMDB's lists of changed movies.

    `throttle` blocks until the next request to TMDB is allowed.
    """

    lists: ChangeLists
    throttle: Callable[[], None]

    def read(self, skippable_by_date: Mapping[date, int], today: date) -> KnownChanges:
        """Read the lists as far back as this saves requests.

        `skippable_by_date` maps the date of the last check to the number of movies that need no
        fetch if they are unchanged. The first page of each list contains the number of pages. The
        lists are read back to the date that saves the most requests in total, so a small library
        does not read the changes of all of TMDB. At least one page is always read, because this
        also shows that TMDB is reachable. Raises CatalogueFailed.
        """
        lists = _most_efficient(self._first_pages(skippable_by_date, today), skippable_by_date)
        if not lists:
            return KnownChanges()
        return KnownChanges(lists[-1].first, frozenset(self._ids(lists)))

    def _first_pages(self, skippable_by_date: Mapping[date, int], today: date) -> list[_ChangeList]:
        oldest = min(skippable_by_date, default=today) - MARGIN
        lists = self._readable_lists(today - MAX_PERIOD, today)
        while lists[-1].first > oldest:
            lists += self._readable_lists(lists[-1].first - MAX_PERIOD, lists[-1].first)
        return lists

    def _readable_lists(self, first: date, last: date) -> list[_ChangeList]:
        """Split a period into lists that are short enough to be read completely, newest first."""
        changes = _ChangeList(first, last, self._page(first, last))
        if changes.is_readable or last - first <= timedelta(days=1):
            return [changes]
        # The halves share a day, because it is not known in which of them TMDB includes it.
        middle = first + (last - first) // 2
        return [*self._readable_lists(middle, last), *self._readable_lists(first, middle)]

    def _ids(self, lists: Iterable[_ChangeList]) -> Iterable[int]:
        for each in lists:
            yield from each.page.results
            for number in range(2, each.page.total_pages + 1):
                yield from self._page(each.first, each.last, number).results

    def _page(self, first: date, last: date, number: int = 1) -> Page[int]:
        self.throttle()
        return self.lists.changes(first, last, number)


def _most_efficient(
    lists: list[_ChangeList], skippable_by_date: Mapping[date, int]
) -> list[_ChangeList]:
    """Return the newest lists, as many as save the most requests in total."""

    def saved_requests(count: int) -> float:
        if not count:
            return 0
        oldest = lists[count - 1].first + MARGIN
        saved_fetches = sum(movies for day, movies in skippable_by_date.items() if day >= oldest)
        return saved_fetches - sum(each.remaining_requests for each in lists[:count])

    return lists[: max(range(len(lists) + 1), key=saved_requests)]
