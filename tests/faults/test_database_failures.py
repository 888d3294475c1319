"""The database is killed, locked or hung: movies work, and user lists return 503."""

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
    Environment,
    Pod,
    Response,
    new_path,
    recover,
    restore_tmdb,
    run_concurrently,
)
from tests.postgresql_server import PostgresqlServer, postgresql_server
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

MAX_UNAFFECTED_SECONDS = 1.0
"""Seconds within which a request that does not need the database is served."""

MAX_WAIT = 3.5
"""Seconds that a request may wait for the database: 2.5, plus a margin for a busy machine."""


@pytest.fixture(scope="session")
def breakable_env(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Environment, Pod, PostgresqlServer]]:
    """An environment with one pod, and a database that all tests of a process break in turn."""
    folder = tmp_path_factory.mktemp("breakable")
    with postgresql_server() as postgres, valkey_server() as valkey, Sandbox() as tmdb:
        redis_url = f"redis://127.0.0.1:{valkey.port}/0"
        with Environment(folder, tmdb, redis_url, postgres.url) as env:
            yield env, env.pod(), postgres


@pytest.fixture
def postgres(breakable_env: tuple[Environment, Pod, PostgresqlServer]) -> PostgresqlServer:
    """The database, running again."""
    postgres = breakable_env[2]
    postgres.resume()
    postgres.start()
    return postgres


@pytest.fixture
def env(
    breakable_env: tuple[Environment, Pod, PostgresqlServer], postgres: PostgresqlServer
) -> Environment:
    """The environment, with a healthy TMDB and no movies in the database."""
    env = breakable_env[0]
    restore_tmdb(env.tmdb)
    with closing(Database(postgres.url)) as database, database.writing() as connection:
        connection.execute(text("TRUNCATE movies CASCADE"))
    return env


@pytest.fixture
def pod(breakable_env: tuple[Environment, Pod, PostgresqlServer], env: Environment) -> Pod:
    """The pod of the environment. It has cached the consumer, who has movie 550 as a favorite."""
    pod = breakable_env[1]
    wait_until(lambda: _add_favorite(pod, 550) in {200, 201})
    recover(pod, env.tmdb)
    env.tmdb.calls.reset()
    pod.clear_errors()
    return pod


def assert_movies_are_served(pod: Pod) -> None:
    responses = [pod.get(new_path()), pod.get("/movies/search?query=club"), pod.get("/movies/550")]
    assert [response.status for response in responses] == [200] * 3
    assert max(response.seconds for response in responses) < MAX_UNAFFECTED_SECONDS
    assert pod.probe("/livez", timeout=MAX_UNAFFECTED_SECONDS) == 200


def assert_rejected_with_retry_after(response: Response) -> None:
    assert response.status == 503
    assert response.json["code"] in {"library-unavailable", "library-busy"}
    assert response.retry_after
    assert response.seconds < MAX_WAIT


def favorites_of(pod: Pod) -> set[int]:
    response = pod.get("/me/favorites?page_size=100")
    assert response.status == 200
    return {each["movie"]["id"] for each in response.json["results"]}


def test_killed_database_affects_only_user_lists(pod: Pod, postgres: PostgresqlServer) -> None:
    postgres.kill()
    assert_movies_are_served(pod)
    for method, path in (("GET", "/me/favorites"), ("GET", "/me/ratings")):
        assert_rejected_with_retry_after(pod.call(method, path))
    assert pod.probe("/readyz") == 503
    assert_rejected_with_retry_after(pod.call("POST", "/me/favorites", {"movie_id": 551}))
    assert_rejected_with_retry_after(pod.call("PUT", "/me/ratings/550", {"stars": 3}))
    assert_movies_are_served(pod)


def test_uncached_user_gets_503_while_the_database_is_down(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    postgres.kill()
    response = pod.get("/movies/popular", Authorization=f"Bearer {ADMIN_TOKEN}")
    assert_rejected_with_retry_after(response)


def test_restarted_database_is_used_again_without_a_pod_restart(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    postgres.kill()
    assert_rejected_with_retry_after(pod.get("/me/favorites"))
    postgres.start()
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    assert favorites_of(pod) == {550}
    assert_movies_are_served(pod)
    assert pod.probe("/readyz") == 200


def test_database_restart_between_requests_fails_no_request(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    postgres.kill()
    postgres.start()
    assert favorites_of(pod) == {550}


def test_killed_database_loses_no_acknowledged_write(pod: Pod, postgres: PostgresqlServer) -> None:
    ids = [each["id"] for n in (1, 2, 3) for each in _popular(pod, n)]
    with ThreadPoolExecutor(4) as threads:
        writes = [threads.submit(_add_favorite, pod, movie_id) for movie_id in ids]
        wait_until(lambda: sum(write.done() for write in writes) >= 15)
        postgres.kill()
        statuses = [write.result() for write in writes]
    postgres.start()
    assert_acknowledged_writes_exist(pod, ids, statuses)


def _popular(pod: Pod, page: int) -> list[dict[str, int]]:
    results: list[dict[str, int]] = pod.get(f"/movies/popular?page={page}").json["results"]
    return results


def _add_favorite(pod: Pod, movie_id: int) -> int:
    return pod.call("POST", "/me/favorites", {"movie_id": movie_id}).status


def test_locked_user_lists_affect_only_user_lists(pod: Pod, postgres: PostgresqlServer) -> None:
    with (
        closing(Database(postgres.url)) as database,
        database.writing() as connection,
        ThreadPoolExecutor(1) as threads,
    ):
        connection.execute(text("LOCK TABLE user_movies IN ACCESS EXCLUSIVE MODE"))
        pending = threads.submit(pod.get, "/me/favorites")
        assert_movies_are_served(pod)
        assert_rejected_with_retry_after(pending.result())
    assert favorites_of(pod) == {550}


def test_locked_users_do_not_affect_cached_users(pod: Pod, postgres: PostgresqlServer) -> None:
    with closing(Database(postgres.url)) as database, database.writing() as connection:
        connection.execute(text("LOCK TABLE users, tokens IN ACCESS EXCLUSIVE MODE"))
        assert_movies_are_served(pod)
        assert_hits_are_served_until(pod, after_users_expire())
        assert favorites_of(pod) == {550}


def test_hung_database_affects_only_user_lists(pod: Pod, postgres: PostgresqlServer) -> None:
    postgres.hang()
    with ThreadPoolExecutor(2) as threads:
        lists = [threads.submit(pod.get, path) for path in ("/me/favorites", "/me/ratings")]
        assert_movies_are_served(pod)
        for each in lists:
            assert_rejected_with_retry_after(each.result())
    postgres.resume()
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    assert favorites_of(pod) == {550}


def test_hung_database_delays_only_the_first_user_list(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    postgres.hang()
    assert_rejected_with_retry_after(pod.get("/me/favorites"))
    following = [pod.get("/me/favorites") for _ in range(5)]
    assert pod.probe("/readyz", timeout=MAX_UNAFFECTED_SECONDS) == 503
    for response in following:
        assert_rejected_with_retry_after(response)
    assert max(response.seconds for response in following) < MAX_UNAFFECTED_SECONDS


def test_hung_database_is_logged_once_when_lost_and_once_when_restored(
    env: Environment, postgres: PostgresqlServer
) -> None:
    pod = env.pod()
    # Opens a connection. Without an open one, the reason would be `ConnectionTimeout`.
    assert favorites_of(pod) == set()
    postgres.hang()
    for _ in range(3):
        pod.get("/me/favorites")
    postgres.resume()
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    down, up = pod.errors()
    assert (down["level"], down["event"]) == ("error", "database.unavailable")
    assert down["reason"] == "ServerSilent"
    assert (up["level"], up["event"]) == ("warning", "database.recovered")


def test_hung_database_with_many_user_lists_does_not_delay_movies(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    postgres.hang()
    is_over = after_users_expire()

    def request_lists(_: int) -> list[Response]:
        responses = []
        while not is_over():
            responses.append(pod.get("/me/favorites"))
        return responses

    with ThreadPoolExecutor(30) as threads:
        clients = threads.map(request_lists, range(30))
        assert_hits_are_served_until(pod, is_over)
        for responses in clients:
            for response in responses:
                assert_rejected_with_retry_after(response)


def test_cached_movies_are_served_while_tmdb_and_the_database_hang(
    env: Environment, postgres: PostgresqlServer
) -> None:
    pod = env.pod(CACHE_TTL_SECONDS="60")
    pod.get("/movies/popular")
    env.tmdb.inject(Fault("hang"))
    postgres.hang()
    with ThreadPoolExecutor(60) as threads:
        lists = [threads.submit(pod.get, "/me/favorites") for _ in range(30)]
        new = [threads.submit(pod.get, new_path()) for _ in range(30)]
        assert_hits_are_served_until(pod, lambda: all(each.done() for each in (*lists, *new)))
    for each in lists:
        assert_rejected_with_retry_after(each.result())


def test_brief_database_hang_fails_no_request(pod: Pod, postgres: PostgresqlServer) -> None:
    is_over = after(0.4)
    postgres.hang()
    with ThreadPoolExecutor(1) as threads:
        favorites = threads.submit(favorites_of, pod)
        wait_until(is_over)
        assert not favorites.done()
        postgres.resume()
        assert favorites.result() == {550}


def test_hung_database_loses_no_acknowledged_write_and_is_used_again(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    ids = [each["id"] for n in (1, 2, 3) for each in _popular(pod, n)]
    with ThreadPoolExecutor(4) as threads:
        writes = [threads.submit(_add_favorite, pod, movie_id) for movie_id in ids]
        wait_until(lambda: sum(write.done() for write in writes) >= 15)
        postgres.hang()
        wait_until(lambda: all(write.done() for write in writes))
        postgres.resume()
    assert_acknowledged_writes_exist(pod, ids, [write.result() for write in writes])
    assert _add_favorite(pod, ids[-1]) in {200, 201}
    assert pod.probe("/readyz") == 200


def test_slow_database_loses_no_acknowledged_write_and_delays_no_movies(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    ids = [each["id"] for n in (1, 2) for each in _popular(pod, n)][:30]
    with ThreadPoolExecutor(1) as threads, slow_favorites(postgres, seconds=0.4):
        writes = [partial(_add_favorite, pod, movie_id) for movie_id in ids]
        writing = threads.submit(run_concurrently, *writes)
        assert_hits_are_served_until(pod, writing.done)
        statuses = writing.result()
    assert {200, 201} & set(statuses)
    assert_acknowledged_writes_exist(pod, ids, statuses)


def test_write_to_a_slow_database_returns_503_in_time_and_changes_nothing(
    pod: Pod, postgres: PostgresqlServer
) -> None:
    movie_id = next(each["id"] for each in _popular(pod, 1) if each["id"] != 550)
    with slow_favorites(postgres, seconds=60):
        assert_rejected_with_retry_after(pod.call("POST", "/me/favorites", {"movie_id": movie_id}))
    assert favorites_of(pod) == {550}


def after(seconds: float) -> Callable[[], bool]:
    """Return a function that returns whether this many seconds have passed."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def after_users_expire() -> Callable[[], bool]:
    """Return a function that returns whether cached users have had to be looked up twice."""
    return after(8.0)


def assert_hits_are_served_until(pod: Pod, is_over: Callable[[], bool]) -> None:
    """Check continuously that hits and the liveness probe succeed without waiting."""
    hits = []
    while not is_over():
        hits.append(pod.get("/movies/popular"))
        assert pod.probe("/livez", timeout=MAX_UNAFFECTED_SECONDS) == 200
    assert {hit.status for hit in hits} == {200}
    assert max(hit.seconds for hit in hits) < MAX_UNAFFECTED_SECONDS


def assert_acknowledged_writes_exist(pod: Pod, ids: Sequence[int], statuses: Sequence[int]) -> None:
    assert set(statuses) <= {200, 201, 503}
    assert 503 in statuses
    wait_until(lambda: pod.get("/me/favorites").status == 200)
    acknowledged = {
        movie_id for movie_id, status in zip(ids, statuses, strict=True) if status < 300
    }
    assert acknowledged <= favorites_of(pod)


@contextmanager
def slow_favorites(postgres: PostgresqlServer, seconds: float) -> Iterator[None]:
    """Delay each favorite that is added, with a trigger in the database."""
    trigger = f"""
        CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE INSERT ON user_movies FOR EACH ROW EXECUTE FUNCTION be_slow();
    """
    with closing(Database(postgres.url)) as database:
        with database.writing() as connection:
            connection.execute(text(trigger))
        try:
            yield
        finally:
            with database.writing() as connection:
                connection.execute(text("DROP FUNCTION be_slow CASCADE"))
