"""Queries for a user's own lists: page, sort order, filter and language."""

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from butaca.core.errors import InvalidSortOrder
from butaca.core.models import Stars


class SortKey(StrEnum):
    """The keys by which a user's own lists can be sorted."""

    RELEASE_DATE = "release_date"
    RATING = "rating"
    TITLE = "title"
    FAVORITED_AT = "favorited_at"
    RATED_AT = "rated_at"


FAVORITE_KEYS = (SortKey.RELEASE_DATE, SortKey.RATING, SortKey.TITLE, SortKey.FAVORITED_AT)
RATING_KEYS = (SortKey.RELEASE_DATE, SortKey.RATING, SortKey.TITLE, SortKey.RATED_AT)


@dataclass(frozen=True, slots=True)
class SortBy:
    """One key of a sort order. Movies without a value come last in both directions."""

    key: SortKey
    descending: bool = False


SortOrder = tuple[SortBy, ...]


def sort_order(text: str, keys: Collection[SortKey]) -> SortOrder:
    """Parse a sort order such as `-release_date,rating`. Raises InvalidSortOrder."""
    order = tuple(
        SortBy(_key(name.removeprefix("-"), keys), name.startswith("-")) for name in text.split(",")
    )
    if len({by.key for by in order}) < len(order):
        raise InvalidSortOrder("A sort key may be named once.")
    return order


def _key(name: str, keys: Collection[SortKey]) -> SortKey:
    if name not in keys:
        raise InvalidSortOrder(
            f"Sort by {', '.join(keys)}, each with an optional '-' for descending."
        )
    return SortKey(name)


def fold_text(text: str) -> str:
    """Remove case and accents from a title or a search text, for sorting and searching."""
    # Fold case last: decomposing "№" and "™" yields capitals.
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(each for each in letters if not unicodedata.combining(each))


@dataclass(frozen=True, slots=True)
class Filter:
    """The conditions that listed movies must meet. `None` accepts all movies.

    The years are years of release. `title` matches a part of the title, as stored or in the
    requested language, ignoring case and accents.
    """

    rated: bool | None = None
    favorite: bool | None = None
    min_rating: Stars | None = None
    genre: int | None = None
    year_from: int | None = None
    year_to: int | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A query for one page of a user's own list; `language` is `xx` or `xx-YY`."""

    sort: SortOrder
    page: int = 1
    page_size: int = 20
    language: str | None = None
    filter: Filter = Filter()
