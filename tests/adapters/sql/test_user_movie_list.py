"""The statements of user lists are built once and cached."""

from butaca.adapters.sql import Database, SqlLibrary
from butaca.adapters.sql.user_movie_list import _statements
from butaca.core.listing import Filter, ListQuery, SortKey, SortOrder, sort_order
from butaca.core.models import Stars

BY_TITLE: SortOrder = sort_order("title", (SortKey.TITLE,))


def test_filters_with_different_values_share_one_statement(sqlite: Database) -> None:
    library, misses_before = SqlLibrary(sqlite), _statements.cache_info().misses
    for number in range(20):
        filter_ = Filter(
            min_rating=Stars(number % 11),
            genre=number,
            year_from=1980 + number,
            year_to=2000 + number,
            title=f"title {number}",
        )
        library.favorites(1, ListQuery(BY_TITLE, filter=filter_))
    assert _statements.cache_info().misses - misses_before <= 1
