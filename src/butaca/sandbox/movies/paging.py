"""Pages like TMDB's: with repetitions, and with more pages announced than can be requested."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar
from unicodedata import combining, normalize

Item = TypeVar("Item")

PAGE_SIZE = 20
CHANGES_PAGE_SIZE = 100


def repeat_across_pages(items: Sequence[Item]) -> list[Item]:
    """Repeat some items: the last item of pages 1, 3, 5… is also the first of the next page.

    TMDB caches each page separately, so its list shifts between two pages, and clients must rely on
    IDs. No page has an item twice.
    """
    repeated: list[Item] = []
    for item in items:
        repeated.append(item)
        if len(repeated) % (2 * PAGE_SIZE) == PAGE_SIZE:
            repeated.append(item)
    return repeated


def paginate(items: Sequence[Any], number: int, size: int = PAGE_SIZE) -> dict[str, Any]:
    """Return a page in TMDB's envelope; without items, there is one empty page."""
    return {
        "page": number,
        "results": list(items[(number - 1) * size : number * size]),
        "total_pages": max(1, -(-len(items) // size)),
        "total_results": len(items),
    }


def with_inflated_totals(page: dict[str, Any]) -> dict[str, Any]:
    """Return the page with totals as large as TMDB's, slightly different on each page."""
    total = 1_166_400 + page["page"] * 7919 % 97
    return {**page, "total_pages": -(-total // PAGE_SIZE), "total_results": total}


def normalize_text(text: str) -> str:
    """Normalize a text for searching: no case, no accents, single spaces."""
    plain = "".join(letter for letter in normalize("NFKD", text) if not combining(letter))
    return re.sub(r"[\W_]+", " ", plain.casefold()).strip()
