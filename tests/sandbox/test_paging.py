"""Pagination of lists."""

from hypothesis import given
from hypothesis import strategies as st

from butaca.sandbox.movies.paging import (
    PAGE_SIZE,
    normalize_text,
    paginate,
    repeat_across_pages,
    with_inflated_totals,
)

ITEMS = st.integers(0, 400).map(range)


@given(ITEMS, st.integers(1, 500))
def test_page_never_contains_an_item_twice(items: range, number: int) -> None:
    results = paginate(repeat_across_pages(items), number)["results"]

    assert len(results) == len(set(results)) <= PAGE_SIZE


@given(ITEMS)
def test_pages_contain_all_items_in_order(items: range) -> None:
    repeated = repeat_across_pages(items)
    pages = paginate(repeated, 1)["total_pages"]
    seen = [one for number in range(pages) for one in paginate(repeated, number + 1)["results"]]

    assert list(dict.fromkeys(seen)) == list(items)


@given(ITEMS)
def test_total_pages_is_at_least_one(items: range) -> None:
    assert paginate(items, 1)["total_pages"] >= 1


@given(ITEMS, st.integers(1, 500))
def test_inflated_totals_exceed_500_pages(items: range, number: int) -> None:
    assert with_inflated_totals(paginate(items, number))["total_pages"] > 500


@given(st.text())
def test_normalize_text_is_idempotent(text: str) -> None:
    assert normalize_text(normalize_text(text)) == normalize_text(text)


def test_normalize_text_removes_accents_case_and_punctuation() -> None:
    assert normalize_text("¿Y DÓNDE está,  el policía?") == "y donde esta el policia"
