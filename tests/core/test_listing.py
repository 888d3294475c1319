"""Sort orders are parsed, or rejected with a hint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butaca.core.errors import InvalidSortOrder
from butaca.core.listing import FAVORITE_KEYS, RATING_KEYS, SortBy, SortKey, SortOrder, sort_order


@pytest.mark.parametrize("key", FAVORITE_KEYS)
def test_key_without_a_dash_sorts_ascending(key: SortKey) -> None:
    assert sort_order(key, FAVORITE_KEYS) == (SortBy(key, descending=False),)


@pytest.mark.parametrize("key", RATING_KEYS)
def test_key_with_a_dash_sorts_descending(key: SortKey) -> None:
    assert sort_order(f"-{key}", RATING_KEYS) == (SortBy(key, descending=True),)


def test_order_of_the_keys_is_preserved() -> None:
    assert sort_order("-release_date,rating,-title", FAVORITE_KEYS) == (
        SortBy(SortKey.RELEASE_DATE, descending=True),
        SortBy(SortKey.RATING),
        SortBy(SortKey.TITLE, descending=True),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        ",",
        "rating,",
        ",rating",
        "rating,,title",
        "stars",
        "RATING",
        " rating",
        "rating ",
        "+rating",
        "--rating",
        "rating-",
        "rating;title",
        "rating;DROP TABLE ratings",
        "rating\0",
    ],
)
def test_unknown_key_is_rejected(text: str) -> None:
    with pytest.raises(InvalidSortOrder):
        sort_order(text, FAVORITE_KEYS)


@pytest.mark.parametrize(
    ("text", "keys"), [("rated_at", FAVORITE_KEYS), ("-favorited_at", RATING_KEYS)]
)
def test_key_of_another_list_is_rejected(text: str, keys: tuple[SortKey, ...]) -> None:
    with pytest.raises(InvalidSortOrder):
        sort_order(text, keys)


def test_error_message_lists_the_valid_keys() -> None:
    with pytest.raises(InvalidSortOrder) as caught:
        sort_order("stars", FAVORITE_KEYS)
    assert "release_date, rating, title, favorited_at" in str(caught.value)


@pytest.mark.parametrize("text", ["rating,rating", "rating,-rating", "title,rating,-title"])
def test_duplicate_key_is_rejected(text: str) -> None:
    with pytest.raises(InvalidSortOrder, match="once"):
        sort_order(text, FAVORITE_KEYS)


@given(
    st.lists(
        st.builds(SortBy, st.sampled_from(RATING_KEYS), st.booleans()),
        min_size=1,
        unique_by=lambda by: by.key,
    ).map(tuple)
)
def test_serialized_sort_order_is_parsed_back(order: SortOrder) -> None:
    text = ",".join(("-" if by.descending else "") + by.key for by in order)
    assert sort_order(text, RATING_KEYS) == order


@given(st.lists(st.sampled_from([*RATING_KEYS, "-", ",", " "])).map("".join))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    try:
        order = sort_order(text, FAVORITE_KEYS)
    except InvalidSortOrder:
        return
    assert ",".join(("-" if by.descending else "") + by.key for by in order) == text
