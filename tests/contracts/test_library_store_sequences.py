"""Any sequence of operations leaves a real store in the same state as the fake, the model."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.adapters.sql.tables import movies, user_movies
from butaca.core.listing import FAVORITE_KEYS, RATING_KEYS, Filter, ListQuery, sort_order
from butaca.core.models import Genre, Stars
from butaca.core.ports import LibraryStore, MovieNotStored
from tests.builders import ADMIN, CONSUMER, NOON, make_record, make_translation
from tests.fakes import FakeLibrary

USER_IDS = st.sampled_from([ADMIN.id, CONSUMER.id])
MOVIE_IDS = st.integers(1, 4)
STARS = st.integers(0, 10).map(Stars)
RECORDS = st.builds(
    make_record,
    MOVIE_IDS,
    st.just(make_translation("es", "ES", title="Uno")),
    title=st.sampled_from(["A", "b", "Ç"]),
    release_date=st.sampled_from([None, date(1999, 1, 1), date(2020, 2, 29)]),
    genres=st.sampled_from([(), (Genre(18, "Drama"),)]),
)
FAVORITE_QUERIES = [
    ListQuery(sort_order("-release_date,-rating", FAVORITE_KEYS), page_size=3),
    ListQuery(sort_order("title,-favorited_at", FAVORITE_KEYS), page_size=2, page=2),
    ListQuery((), filter=Filter(rated=False, genre=18)),
    ListQuery((), language="es", filter=Filter(title="uno", year_from=2000)),
]
RATING_QUERIES = [
    ListQuery(sort_order("-rated_at,rating", RATING_KEYS), page_size=3),
    ListQuery((), filter=Filter(favorite=True, year_to=2000)),
    ListQuery((), language="es", filter=Filter(favorite=False, title="uno", genre=18)),
]


def outcome(store: LibraryStore, method: str, *args: object) -> object:
    """Return the result of a method, or MovieNotStored if it raises that."""
    try:
        return getattr(store, method)(*args)
    except MovieNotStored:
        return MovieNotStored


class Sequences(RuleBasedStateMachine):
    """Applies each operation to both stores, and compares results and final states."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        with self.database.writing() as connection:
            connection.execute(user_movies.delete())
            connection.execute(movies.delete())
        self.model, self.store = FakeLibrary(), SqlLibrary(self.database)
        self.seconds: Iterator[int] = count()
        for movie_id in (1, 2):
            self.save(make_record(movie_id))

    def run_on_both(self, method: str, *args: object) -> None:
        assert outcome(self.store, method, *args) == outcome(self.model, method, *args)

    def now(self) -> object:
        return NOON + timedelta(seconds=next(self.seconds))

    @rule(record=RECORDS)
    def save(self, record: object) -> None:
        self.run_on_both("save_movie", record, NOON)

    @rule(user=USER_IDS, movie=MOVIE_IDS)
    def add_favorite(self, user: int, movie: int) -> None:
        self.run_on_both("add_favorite", user, movie, self.now())

    @rule(user=USER_IDS, movie=MOVIE_IDS)
    def remove_favorite(self, user: int, movie: int) -> None:
        self.run_on_both("remove_favorite", user, movie)

    @rule(user=USER_IDS)
    def clear_favorites(self, user: int) -> None:
        self.run_on_both("clear_favorites", user)

    @rule(user=USER_IDS, movie=MOVIE_IDS, stars=STARS)
    def rate(self, user: int, movie: int, stars: Stars) -> None:
        self.run_on_both("rate", user, movie, stars, self.now())

    @rule(user=USER_IDS, movie=MOVIE_IDS, stars=STARS)
    def correct(self, user: int, movie: int, stars: Stars) -> None:
        self.run_on_both("update_rating", user, movie, stars, self.now())

    @rule(user=USER_IDS, movie=MOVIE_IDS)
    def remove_rating(self, user: int, movie: int) -> None:
        self.run_on_both("remove_rating", user, movie)

    @rule(user=USER_IDS, query=st.sampled_from(FAVORITE_QUERIES))
    def list_favorites(self, user: int, query: ListQuery) -> None:
        self.run_on_both("favorites", user, query)

    @rule(user=USER_IDS, query=st.sampled_from(RATING_QUERIES))
    def list_ratings(self, user: int, query: ListQuery) -> None:
        self.run_on_both("ratings", user, query)

    @rule(user=USER_IDS, after=st.integers(-1, 4), limit=st.integers(1, 3))
    def export(self, user: int, after: int, limit: int) -> None:
        self.run_on_both("user_movies", user, after, limit)

    def teardown(self) -> None:
        for user in (ADMIN.id, CONSUMER.id):
            self.run_on_both("favorites", user, FAVORITE_QUERIES[0])
            self.run_on_both("ratings", user, RATING_QUERIES[0])
        self.assert_no_empty_rows()

    def assert_no_empty_rows(self) -> None:
        is_empty = user_movies.c.favorited_at.is_(None) & user_movies.c.half_stars.is_(None)
        with self.database.reading() as connection:
            assert connection.execute(user_movies.select().where(is_empty)).all() == []


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_sql_store_matches_the_fake_after_any_sequence(
    name: str, request: pytest.FixtureRequest
) -> None:
    database = request.getfixturevalue(name)
    for number, user in enumerate((ADMIN, CONSUMER)):
        SqlAccounts(database).grant_token(user, f"{number:064}", NOON)

    class OnThisDatabase(Sequences):
        pass

    OnThisDatabase.database = database
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
        ),
    )
