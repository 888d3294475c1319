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

PEOPLE = st.sampled_from([ADMIN.id, CONSUMER.id])
MOVIES = st.integers(1, 4)
STARS = st.integers(0, 10).map(Stars)
RECORDS = st.builds(
    make_record,
    MOVIES,
    st.just(make_translation("es", "ES", title="Uno")),
    title=st.sampled_from(["A", "b", "Ç"]),
    release_date=st.sampled_from([None, date(1999, 1, 1), date(2020, 2, 29)]),
    genres=st.sampled_from([(), (Genre(18, "Drama"),)]),
)
LISTS = [
    ListQuery(sort_order("-release_date,-rating", FAVORITE_KEYS), page_size=3),
    ListQuery(sort_order("title,-favorited_at", FAVORITE_KEYS), page_size=2, page=2),
    ListQuery((), filter=Filter(rated=False, genre=18)),
    ListQuery((), language="es", filter=Filter(title="uno", year_from=2000)),
]
RATED = [
    ListQuery(sort_order("-rated_at,rating", RATING_KEYS), page_size=3),
    ListQuery((), filter=Filter(favorite=True, year_to=2000)),
    ListQuery((), language="es", filter=Filter(favorite=False, title="uno", genre=18)),
]


def outcome(store: LibraryStore, method: str, *args: object) -> object:
    """Return what a method returns, or that its movie is not stored."""
    try:
        return getattr(store, method)(*args)
    except MovieNotStored:
        return MovieNotStored


class Sequences(RuleBasedStateMachine):
    """Does the same to both stores, and compares what they answer and what they hold."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        with self.database.writing() as connection:
            connection.execute(user_movies.delete())
            connection.execute(movies.delete())
        self.model, self.store = FakeLibrary(), SqlLibrary(self.database)
        self.moments: Iterator[int] = count()
        self.people: set[int] = set()
        for movie_id in (1, 2):
            self.save(make_record(movie_id))

    def both(self, method: str, *args: object) -> None:
        assert outcome(self.store, method, *args) == outcome(self.model, method, *args)

    def now(self) -> object:
        return NOON + timedelta(seconds=next(self.moments))

    @rule(record=RECORDS)
    def save(self, record: object) -> None:
        self.both("save_movie", record, NOON)

    @rule(user=PEOPLE, movie=MOVIES)
    def keep(self, user: int, movie: int) -> None:
        self.both("add_favorite", user, movie, self.now())

    @rule(user=PEOPLE, movie=MOVIES)
    def forget(self, user: int, movie: int) -> None:
        self.both("remove_favorite", user, movie)

    @rule(user=PEOPLE)
    def clear(self, user: int) -> None:
        self.both("clear_favorites", user)

    @rule(user=PEOPLE, movie=MOVIES, stars=STARS)
    def rate(self, user: int, movie: int, stars: Stars) -> None:
        self.both("rate", user, movie, stars, self.now())

    @rule(user=PEOPLE, movie=MOVIES, stars=STARS)
    def correct(self, user: int, movie: int, stars: Stars) -> None:
        self.both("update_rating", user, movie, stars, self.now())

    @rule(user=PEOPLE, movie=MOVIES)
    def unrate(self, user: int, movie: int) -> None:
        self.both("remove_rating", user, movie)

    @rule(user=PEOPLE, query=st.sampled_from(LISTS))
    def list_favorites(self, user: int, query: ListQuery) -> None:
        self.both("favorites", user, query)

    @rule(user=PEOPLE, query=st.sampled_from(RATED))
    def list_ratings(self, user: int, query: ListQuery) -> None:
        self.both("ratings", user, query)

    @rule(user=PEOPLE, after=st.integers(-1, 4), limit=st.integers(1, 3))
    def export(self, user: int, after: int, limit: int) -> None:
        self.both("entries", user, after, limit)

    def teardown(self) -> None:
        for user in (ADMIN.id, CONSUMER.id):
            self.both("favorites", user, LISTS[0])
            self.both("ratings", user, RATED[0])
        self.no_row_is_nothing()

    def no_row_is_nothing(self) -> None:
        neither = user_movies.c.favorited_at.is_(None) & user_movies.c.half_stars.is_(None)
        with self.database.reading() as connection:
            assert connection.execute(user_movies.select().where(neither)).all() == []


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_a_real_store_is_like_the_model_after_any_sequence(
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
