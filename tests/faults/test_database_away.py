"""The database is killed, locked or hung: movies still work, and lists respond with Retry-After."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial

import pytest
from sqlalchemy import text

from butaca.adapters.sql import Database
from butaca.sandbox import Fault, Sandbox
from tests.builders import ADMIN_TOKEN
from tests.faults.pods import (
    Answer,
    Environment,
    Pod,
    heal,
    new_path,
    recover,
    run_concurrently,
    wait_until,
)
from tests.own_postgresql import OwnPostgresql, own_postgresql
from tests.own_valkey import own_valkey

AT_ONCE = 1.0
"""Seconds. What does not need the database does not wait for it."""

LONGEST = 3.5
"""Seconds that a call may wait for the database: 2.5, and what a busy machine adds."""

SILENCES = {"ServerSilent", "ConnectionTimeout"}
"""How a hung database is told: by a connection of the pool, or by a new one if none outlived the
tests before."""


@pytest.fixture(scope="session")
def fragile_town(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Environment, Pod, OwnPostgresql]]:
    """A env with one pod, and a database that all tests of one process break in turn."""
    folder = tmp_path_factory.mktemp("fragile")
    with own_postgresql() as postgres, own_valkey() as valkey, Sandbox() as tmdb:
        redis_url = f"redis://127.0.0.1:{valkey.port}/0"
        with Environment(folder, tmdb, redis_url, postgres.url) as env:
            yield env, env.pod(), postgres


@pytest.fixture
def postgres(fragile_town: tuple[Environment, Pod, OwnPostgresql]) -> OwnPostgresql:
    """The database, up again, whatever was done to it."""
    postgres = fragile_town[2]
    postgres.wake()
    postgres.start()
    return postgres


@pytest.fixture
def env(
    fragile_town: tuple[Environment, Pod, OwnPostgresql], postgres: OwnPostgresql
) -> Environment:
    """The env, with nothing kept in it."""
    env = fragile_town[0]
    heal(env.tmdb)
    with closing(Database(postgres.url)) as database, database.writing() as connection:
        connection.execute(text("TRUNCATE movies CASCADE"))
    return env


@pytest.fixture
def pod(fragile_town: tuple[Environment, Pod, OwnPostgresql], env: Environment) -> Pod:
    """A pod that has seen the consumer, who keeps a movie."""
    pod = fragile_town[1]
    wait_until(lambda: _keep(pod, 550) in {200, 201})
    recover(pod, env.tmdb)
    env.tmdb.calls.reset()
    pod.forget()
    return pod


def assert_movies_go_on(pod: Pod) -> None:
    answers = [pod.get(new_path()), pod.get("/movies/search?query=club"), pod.get("/movies/550")]
    assert [answer.status for answer in answers] == [200] * 3
    assert max(answer.seconds for answer in answers) < AT_ONCE
    assert pod.probe("/livez", timeout=AT_ONCE) == 200


def assert_says_when_to_come_back(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.json["code"] in {"library-unavailable", "library-busy"}
    assert answer.retry_after
    assert answer.seconds < LONGEST


def favorites_of(pod: Pod) -> set[int]:
    answer = pod.get("/me/favorites?page_size=100")
    assert answer.status == 200
    return {each["movie"]["id"] for each in answer.json["results"]}


def test_with_the_database_killed_movies_go_on_and_own_lists_are_503(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.kill()
    assert_movies_go_on(pod)
    for method, path in (("GET", "/me/favorites"), ("GET", "/me/ratings")):
        assert_says_when_to_come_back(pod.call(method, path))
    assert pod.probe("/readyz") == 503
    assert_says_when_to_come_back(pod.call("POST", "/me/favorites", {"movie_id": 551}))
    assert_says_when_to_come_back(pod.call("PUT", "/me/ratings/550", {"stars": 3}))
    assert_movies_go_on(pod)


def test_with_the_database_killed_a_stranger_waits_for_it(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.kill()
    assert_says_when_to_come_back(pod.get("/movies/popular", Authorization=f"Bearer {ADMIN_TOKEN}"))


def test_a_database_that_comes_back_is_used_again_without_a_restart(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.kill()
    assert_says_when_to_come_back(pod.get("/me/favorites"))
    postgres.start()
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    assert favorites_of(pod) == {550}
    assert_movies_go_on(pod)
    assert pod.probe("/readyz") == 200


def test_a_database_that_is_restarted_between_two_requests_costs_none(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.kill()
    postgres.start()
    assert favorites_of(pod) == {550}


def test_no_write_that_was_answered_2xx_is_lost(pod: Pod, postgres: OwnPostgresql) -> None:
    ids = [each["id"] for n in (1, 2, 3) for each in _popular(pod, n)]
    with ThreadPoolExecutor(4) as threads:
        writes = [threads.submit(_keep, pod, movie_id) for movie_id in ids]
        wait_until(lambda: sum(write.done() for write in writes) >= 15)
        postgres.kill()
        statuses = [write.result() for write in writes]
    postgres.start()
    assert_all_that_was_promised_is_there(pod, ids, statuses)


def _popular(pod: Pod, page: int) -> list[dict[str, int]]:
    results: list[dict[str, int]] = pod.get(f"/movies/popular?page={page}").json["results"]
    return results


def _keep(pod: Pod, movie_id: int) -> int:
    return pod.call("POST", "/me/favorites", {"movie_id": movie_id}).status


@pytest.mark.parametrize("tables", ["user_movies", "users, tokens"])
def test_with_tables_locked_movies_go_on_and_own_lists_are_503_or_there(
    pod: Pod, postgres: OwnPostgresql, tables: str
) -> None:
    with (
        closing(Database(postgres.url)) as database,
        database.writing() as connection,
        ThreadPoolExecutor(1) as threads,
    ):
        connection.execute(text(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"))
        own = threads.submit(pod.get, "/me/favorites")
        assert_movies_go_on(pod)
        answer = own.result()
    if tables == "user_movies" or answer.status != 200:
        assert_says_when_to_come_back(answer)
    assert favorites_of(pod) == {550}


def test_with_users_locked_whoever_is_remembered_goes_on(pod: Pod, postgres: OwnPostgresql) -> None:
    with closing(Database(postgres.url)) as database, database.writing() as connection:
        connection.execute(text("LOCK TABLE users, tokens IN ACCESS EXCLUSIVE MODE"))
        assert_hits_go_on_until(pod, longer_than_people_are_fresh())
        assert favorites_of(pod) == {550}


def test_with_the_database_hung_movies_go_on_and_own_lists_are_503(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.hang()
    with ThreadPoolExecutor(2) as threads:
        own = [threads.submit(pod.get, path) for path in ("/me/favorites", "/me/ratings")]
        assert_movies_go_on(pod)
        for each in own:
            assert_says_when_to_come_back(each.result())
    postgres.wake()
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    assert favorites_of(pod) == {550}


def test_with_the_database_hung_only_the_first_own_lists_wait_for_it(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.hang()
    assert_says_when_to_come_back(pod.get("/me/favorites"))
    following = [pod.get("/me/favorites") for _ in range(5)]
    assert pod.probe("/readyz", timeout=AT_ONCE) == 503
    for answer in following:
        assert_says_when_to_come_back(answer)
    assert max(answer.seconds for answer in following) < AT_ONCE


def test_a_database_that_hung_is_told_once_on_the_way_down_and_once_on_the_way_up(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.hang()
    for _ in range(3):
        pod.get("/me/favorites")
    postgres.wake()
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    down, up = pod.errors()
    assert (down["level"], down["event"]) == ("error", "database.went_away")
    assert down["reason"] in SILENCES
    assert (up["level"], up["event"]) == ("warning", "database.came_back")


def test_with_the_database_hung_many_own_lists_do_not_hold_up_the_movies(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    postgres.hang()
    is_over = longer_than_people_are_fresh()

    def hammer(_: int) -> list[Answer]:
        answers = []
        while not is_over():
            answers.append(pod.get("/me/favorites"))
        return answers

    with ThreadPoolExecutor(30) as threads:
        hammering = threads.map(hammer, range(30))
        assert_hits_go_on_until(pod, is_over)
        for answers in hammering:
            for answer in answers:
                assert_says_when_to_come_back(answer)


def test_with_tmdb_and_the_database_hung_what_is_kept_goes_on(
    env: Environment, postgres: OwnPostgresql
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    pod.get("/movies/popular")
    env.tmdb.inject(Fault("hang"))
    postgres.hang()
    with ThreadPoolExecutor(60) as threads:
        own = [threads.submit(pod.get, "/me/favorites") for _ in range(30)]
        new = [threads.submit(pod.get, new_path()) for _ in range(30)]
        assert_hits_go_on_until(pod, lambda: all(each.done() for each in (*own, *new)))
    for each in own:
        assert_says_when_to_come_back(each.result())


def test_a_database_that_hangs_for_a_moment_costs_no_request(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    moment = later(0.4)
    postgres.hang()
    with ThreadPoolExecutor(1) as threads:
        own = threads.submit(favorites_of, pod)
        wait_until(moment)
        assert not own.done()
        postgres.wake()
        assert own.result() == {550}


def test_a_database_that_hung_is_used_again_and_no_write_is_lost(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    ids = [each["id"] for n in (1, 2, 3) for each in _popular(pod, n)]
    with ThreadPoolExecutor(4) as threads:
        writes = [threads.submit(_keep, pod, movie_id) for movie_id in ids]
        wait_until(lambda: sum(write.done() for write in writes) >= 15)
        postgres.hang()
        wait_until(lambda: all(write.done() for write in writes))
        postgres.wake()
    assert_all_that_was_promised_is_there(pod, ids, [write.result() for write in writes])
    assert _keep(pod, ids[-1]) in {200, 201}
    assert pod.probe("/readyz") == 200


def test_a_slow_database_keeps_what_it_promised_and_does_not_hold_up_the_movies(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    ids = [each["id"] for n in (1, 2) for each in _popular(pod, n)][:30]
    with ThreadPoolExecutor(1) as threads, slow_favorites(postgres, seconds=0.4):
        writing = threads.submit(run_concurrently, *(partial(_keep, pod, each) for each in ids))
        assert_hits_go_on_until(pod, writing.done)
        statuses = writing.result()
    assert {200, 201} & set(statuses)
    assert_all_that_was_promised_is_there(pod, ids, statuses)


def test_a_database_that_is_too_slow_is_503_in_time_and_changes_nothing(
    pod: Pod, postgres: OwnPostgresql
) -> None:
    movie_id = next(each["id"] for each in _popular(pod, 1) if each["id"] != 550)
    with slow_favorites(postgres, seconds=60):
        assert_says_when_to_come_back(pod.call("POST", "/me/favorites", {"movie_id": movie_id}))
    assert favorites_of(pod) == {550}


def later(seconds: float) -> Callable[[], bool]:
    """Return what tells whether so many seconds are over."""
    moment = time.monotonic() + seconds
    return lambda: time.monotonic() > moment


def longer_than_people_are_fresh() -> Callable[[], bool]:
    """Return what tells that whoever was found before has to be looked up again, and twice."""
    return later(8.0)


def assert_hits_go_on_until(pod: Pod, is_over: Callable[[], bool]) -> None:
    """See that movies, and whether it is alive, are told at once and all the time."""
    hits = []
    while not is_over():
        hits.append(pod.get("/movies/popular"))
        assert pod.probe("/livez", timeout=AT_ONCE) == 200
    assert {hit.status for hit in hits} <= {200}
    assert max((hit.seconds for hit in hits), default=0) < AT_ONCE


def assert_all_that_was_promised_is_there(
    pod: Pod, ids: Sequence[int], statuses: Sequence[int]
) -> None:
    assert set(statuses) <= {200, 201, 503}
    assert 503 in statuses
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    promised = {movie_id for movie_id, status in zip(ids, statuses, strict=True) if status < 300}
    assert promised <= favorites_of(pod)


@contextmanager
def slow_favorites(postgres: OwnPostgresql, seconds: float) -> Iterator[None]:
    """Let the database take so long for each favorite that is added."""
    slowness = f"""
        CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE INSERT ON user_movies FOR EACH ROW EXECUTE FUNCTION be_slow();
    """
    with closing(Database(postgres.url)) as database:
        with database.writing() as connection:
            connection.execute(text(slowness))
        try:
            yield
        finally:
            with database.writing() as connection:
                connection.execute(text("DROP FUNCTION be_slow CASCADE"))
