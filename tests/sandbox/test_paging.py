"""How lists are divided into pages."""

from hypothesis import given
from hypothesis import strategies as st

from butaca.sandbox.films.paging import PAGE_SIZE, folded, inflated, page_of, shelves

LISTS = st.integers(0, 400).map(range)


@given(LISTS, st.integers(1, 500))
def test_a_page_never_repeats_a_movie(items: range, number: int) -> None:
    results = page_of(shelves(items), number)["results"]

    assert len(results) == len(set(results)) <= PAGE_SIZE


@given(LISTS)
def test_all_movies_are_on_some_page_in_their_order(items: range) -> None:
    shelved = shelves(items)
    pages = page_of(shelved, 1)["total_pages"]
    seen = [one for number in range(pages) for one in page_of(shelved, number + 1)["results"]]

    assert list(dict.fromkeys(seen)) == list(items)


@given(LISTS)
def test_there_is_always_a_page(items: range) -> None:
    assert page_of(items, 1)["total_pages"] >= 1


@given(LISTS, st.integers(1, 500))
def test_inflated_totals_are_never_capped(items: range, number: int) -> None:
    assert inflated(page_of(items, number))["total_pages"] > 500


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_folding_forgets_accents_case_and_punctuation() -> None:
    assert folded("¿Y DÓNDE está,  el policía?") == "y donde esta el policia"
