"""Which lists of changes are read, and what they say about a movie."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from butaca.core.changes import Changes, Unchanged
from butaca.core.errors import CatalogueUnavailable
from butaca.core.models import Page, StoredMovie
from tests.fakes import FakeChanges

TODAY = date(2026, 5, 31)


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def stored(movie_id: int, checked: date) -> StoredMovie:
    # Late in its day, which must not matter.
    at = datetime(checked.year, checked.month, checked.day, 23, 59, tzinfo=UTC)
    return StoredMovie(movie_id, fetched_at=at, checked_at=at)


@dataclass
class Turns:
    taken: int = 0

    def wait(self) -> None:
        self.taken += 1


def read(lists: FakeChanges, checked: Mapping[date, int]) -> Unchanged:
    return Changes(lists, lambda: None).read(checked, TODAY)


def test_what_no_list_names_is_unchanged() -> None:
    unchanged = read(FakeChanges(), {days_ago(31): 1})
    assert unchanged.includes(stored(550, days_ago(31)))


def test_what_a_list_names_is_not_unchanged() -> None:
    unchanged = read(FakeChanges({550: days_ago(3)}), {days_ago(31): 1})
    assert not unchanged.includes(stored(550, days_ago(31)))


def test_what_changed_on_the_day_before_its_check_is_not_unchanged() -> None:
    unchanged = read(FakeChanges({550: days_ago(32)}), {days_ago(31): 1})
    assert not unchanged.includes(stored(550, days_ago(31)))


def test_what_was_checked_before_the_lists_begin_is_not_unchanged() -> None:
    unchanged = read(FakeChanges(), {days_ago(31): 1})
    assert unchanged.since == days_ago(42)
    assert unchanged.includes(stored(550, days_ago(41)))
    assert not unchanged.includes(stored(550, days_ago(42)))


def test_where_nothing_is_read_nothing_is_unchanged() -> None:
    assert not Unchanged().includes(stored(550, TODAY))


def test_a_list_is_of_14_days_and_begins_where_the_next_ends() -> None:
    lists = FakeChanges()
    read(lists, {days_ago(31): 1})
    assert lists.calls == [
        (days_ago(14), TODAY, 1),
        (days_ago(28), days_ago(14), 1),
        (days_ago(42), days_ago(28), 1),
    ]


@pytest.mark.parametrize(("days", "lists_read"), [(13, 1), (14, 2), (27, 2), (28, 3)])
def test_no_list_is_read_that_nobody_needs(days: int, lists_read: int) -> None:
    lists = FakeChanges()
    read(lists, {days_ago(days): 1})
    assert len(lists.calls) == lists_read


def test_one_page_is_read_even_if_nothing_can_be_spared() -> None:
    lists = FakeChanges({550: TODAY})
    assert read(lists, {}) == Unchanged()
    assert lists.calls == [(days_ago(14), TODAY, 1)]


def test_lists_are_read_to_their_last_page() -> None:
    changed = dict.fromkeys(range(1, 6), days_ago(1)) | dict.fromkeys(range(6, 10), days_ago(20))
    unchanged = read(FakeChanges(changed, page_size=2), {days_ago(20): 100})
    assert unchanged.changed == set(range(1, 10))


def test_lists_that_cost_more_calls_than_they_spare_are_not_read() -> None:
    lists = FakeChanges(dict.fromkeys(range(100, 110), days_ago(1)), page_size=1)
    assert read(lists, {days_ago(10): 9}) == Unchanged()
    assert len(lists.calls) == 1


def test_lists_that_spare_more_calls_than_they_cost_are_read() -> None:
    lists = FakeChanges(dict.fromkeys(range(100, 110), days_ago(1)), page_size=1)
    assert read(lists, {days_ago(10): 10}).since == days_ago(14)
    assert len(lists.calls) == 10


def test_lists_are_read_back_to_where_they_spare_the_most() -> None:
    changed = dict.fromkeys(range(100, 110), days_ago(20))
    lists = FakeChanges(changed, page_size=1)
    unchanged = read(lists, {days_ago(10): 3, days_ago(20): 8})
    assert unchanged.since == days_ago(14)
    assert not unchanged.includes(stored(550, days_ago(20)))


def test_a_list_too_long_to_be_read_to_its_end_is_cut_in_two() -> None:
    class Long(FakeChanges):
        def changes(self, first: date, last: date, page: int = 1) -> Page[int]:
            self.pages = 501 if last - first > timedelta(days=7) else 1
            return super().changes(first, last, page)

    lists = Long({550: days_ago(9)})
    unchanged = read(lists, {days_ago(12): 1})
    assert [call[:2] for call in lists.calls] == [
        (days_ago(14), TODAY),
        (days_ago(7), TODAY),
        (days_ago(14), days_ago(7)),
    ]
    assert unchanged == Unchanged(days_ago(14), frozenset({550}))


def test_a_day_that_cannot_be_read_to_its_end_spares_nobody() -> None:
    lists = FakeChanges(pages=501)
    assert read(lists, {days_ago(12): 10**6}) == Unchanged()
    assert {call[2] for call in lists.calls} == {1}


def test_each_page_waits_for_its_turn() -> None:
    lists, turns = FakeChanges({1: TODAY, 2: TODAY}, page_size=1), Turns()
    Changes(lists, turns.wait).read({days_ago(20): 9}, TODAY)
    assert turns.taken == len(lists.calls) == 3


def test_a_list_that_cannot_be_read_is_a_failure() -> None:
    with pytest.raises(CatalogueUnavailable):
        read(FakeChanges(failure=CatalogueUnavailable()), {})
