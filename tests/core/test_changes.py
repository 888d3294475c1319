"""Which lists of changes are read, and which movies they show to be unchanged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from butaca.core.changes import ChangeReader, KnownChanges
from butaca.core.errors import CatalogueUnavailable
from butaca.core.models import Page, StoredMovie
from tests.fakes import FakeChanges

TODAY = date(2026, 5, 31)


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def stored_movie(movie_id: int, checked: date) -> StoredMovie:
    # The time of day must not matter.
    at = datetime(checked.year, checked.month, checked.day, 23, 59, tzinfo=UTC)
    return StoredMovie(movie_id, fetched_at=at, checked_at=at)


@dataclass
class CountingThrottle:
    calls: int = 0

    def wait(self) -> None:
        self.calls += 1


def read(lists: FakeChanges, skippable_by_date: Mapping[date, int]) -> KnownChanges:
    return ChangeReader(lists, lambda: None).read(skippable_by_date, TODAY)


def test_movie_in_no_list_is_unchanged() -> None:
    changes = read(FakeChanges(), {days_ago(31): 1})
    assert changes.is_unchanged(stored_movie(550, days_ago(31)))


def test_movie_in_a_list_counts_as_changed() -> None:
    changes = read(FakeChanges({550: days_ago(3)}), {days_ago(31): 1})
    assert not changes.is_unchanged(stored_movie(550, days_ago(31)))


def test_movie_changed_on_the_day_before_its_check_counts_as_changed() -> None:
    changes = read(FakeChanges({550: days_ago(32)}), {days_ago(31): 1})
    assert not changes.is_unchanged(stored_movie(550, days_ago(31)))


def test_movie_checked_before_the_oldest_list_counts_as_changed() -> None:
    changes = read(FakeChanges(), {days_ago(31): 1})
    assert changes.since == days_ago(42)
    assert changes.is_unchanged(stored_movie(550, days_ago(41)))
    assert not changes.is_unchanged(stored_movie(550, days_ago(42)))


def test_every_movie_counts_as_changed_if_no_list_was_read() -> None:
    assert not KnownChanges().is_unchanged(stored_movie(550, TODAY))


def test_lists_span_14_days_and_share_their_boundary_days() -> None:
    lists = FakeChanges()
    read(lists, {days_ago(31): 1})
    assert lists.calls == [
        (days_ago(14), TODAY, 1),
        (days_ago(28), days_ago(14), 1),
        (days_ago(42), days_ago(28), 1),
    ]


@pytest.mark.parametrize(("days", "lists_read"), [(13, 1), (14, 2), (27, 2), (28, 3)])
def test_lists_before_the_oldest_check_are_not_read(days: int, lists_read: int) -> None:
    lists = FakeChanges()
    read(lists, {days_ago(days): 1})
    assert len(lists.calls) == lists_read


def test_one_page_is_read_even_if_no_fetch_can_be_saved() -> None:
    lists = FakeChanges({550: TODAY})
    assert read(lists, {}) == KnownChanges()
    assert lists.calls == [(days_ago(14), TODAY, 1)]


def test_all_pages_of_the_lists_are_read() -> None:
    changed = dict.fromkeys(range(1, 6), days_ago(1)) | dict.fromkeys(range(6, 10), days_ago(20))
    changes = read(FakeChanges(changed, page_size=2), {days_ago(20): 100})
    assert changes.changed == set(range(1, 10))


def test_lists_that_cost_more_requests_than_they_save_are_not_read() -> None:
    lists = FakeChanges(dict.fromkeys(range(100, 110), days_ago(1)), page_size=1)
    assert read(lists, {days_ago(10): 9}) == KnownChanges()
    assert len(lists.calls) == 1


def test_lists_that_save_more_requests_than_they_cost_are_read() -> None:
    lists = FakeChanges(dict.fromkeys(range(100, 110), days_ago(1)), page_size=1)
    assert read(lists, {days_ago(10): 10}).since == days_ago(14)
    assert len(lists.calls) == 10


def test_lists_are_read_back_to_the_date_that_saves_the_most() -> None:
    changed = dict.fromkeys(range(100, 110), days_ago(20))
    lists = FakeChanges(changed, page_size=1)
    changes = read(lists, {days_ago(10): 3, days_ago(20): 8})
    assert changes.since == days_ago(14)
    assert not changes.is_unchanged(stored_movie(550, days_ago(20)))


def test_list_with_too_many_pages_is_split_in_half() -> None:
    class LongLists(FakeChanges):
        def changes(self, first: date, last: date, page: int = 1) -> Page[int]:
            self.pages = 501 if last - first > timedelta(days=7) else 1
            return super().changes(first, last, page)

    lists = LongLists({550: days_ago(9)})
    changes = read(lists, {days_ago(12): 1})
    assert [call[:2] for call in lists.calls] == [
        (days_ago(14), TODAY),
        (days_ago(7), TODAY),
        (days_ago(14), days_ago(7)),
    ]
    assert changes == KnownChanges(days_ago(14), frozenset({550}))


def test_day_with_too_many_pages_saves_no_fetches() -> None:
    lists = FakeChanges(pages=501)
    assert read(lists, {days_ago(12): 10**6}) == KnownChanges()
    assert {call[2] for call in lists.calls} == {1}


def test_every_page_is_throttled() -> None:
    lists, throttle = FakeChanges({1: TODAY, 2: TODAY}, page_size=1), CountingThrottle()
    ChangeReader(lists, throttle.wait).read({days_ago(20): 9}, TODAY)
    assert throttle.calls == len(lists.calls) == 3


def test_failure_to_read_a_list_is_raised() -> None:
    with pytest.raises(CatalogueUnavailable):
        read(FakeChanges(failure=CatalogueUnavailable()), {})
