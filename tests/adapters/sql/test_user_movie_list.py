from butaca.adapters.sql import Database, SqlLibrary
from butaca.adapters.sql.user_movie_list import _statements
from butaca.core.listing import Filter, ListQuery, SortKey, SortOrder, sort_order
from butaca.core.models import Stars

BY_TITLE: SortOrder = sort_order("title", (SortKey.TITLE,))


def test_one_statement_serves_whatever_a_filter_compares_with(sqlite: Database) -> None:
    library, built = SqlLibrary(sqlite), _statements.cache_info().misses
    for number in range(20):
        chosen = Filter(
            min_rating=Stars(number % 11),
            genre=number,
            year_from=1980 + number,
            year_to=2000 + number,
            title=f"title {number}",
        )
        library.favorites(1, ListQuery(BY_TITLE, filter=chosen))
    assert _statements.cache_info().misses - built <= 1
