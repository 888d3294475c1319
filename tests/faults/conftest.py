"""Fixtures: a pod that all tests of a process share, and separate environments."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from butaca.adapters.sql import Database, SqlAccounts
from butaca.core.accounts import Accounts
from butaca.sandbox import Sandbox
from tests.faults.pods import Environment, Pod, recover
from tests.postgresql_server import PostgresqlServer, postgresql_server, truncate_tables
from tests.valkey_server import valkey_server


@pytest.fixture(scope="session")
def shared_env(
    postgresql_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Environment, Pod]]:
    """An environment with one pod that no test may kill."""
    with closing(Database(postgresql_url)) as database:
        truncate_tables(database)  # Other tests may have left users behind.
    folder = tmp_path_factory.mktemp("pod")
    with Sandbox() as tmdb, valkey_server() as valkey:
        redis_url = f"redis://127.0.0.1:{valkey.port}/0"
        with Environment(folder, tmdb, redis_url, postgresql_url) as env:
            yield env, env.pod()


@pytest.fixture
def demo_database(postgresql: Database) -> Database:
    """A database that contains only the two demo users."""
    Accounts(SqlAccounts(postgresql)).enable_demo_users()
    return postgresql


@pytest.fixture
def pod(shared_env: tuple[Environment, Pod], demo_database: Database) -> Iterator[Pod]:
    """The shared pod, with a healthy TMDB and an empty Redis."""
    env, pod = shared_env
    _reset(env, pod)
    yield pod
    pod.assert_no_secret_logged()


@pytest.fixture
def tmdb(shared_env: tuple[Environment, Pod], pod: Pod) -> Sandbox:
    """The TMDB of the shared pod, healthy and with its call counts reset."""
    return shared_env[0].tmdb


@pytest.fixture
def redis_client(shared_env: tuple[Environment, Pod], pod: Pod) -> Iterator["redis.Redis"]:
    """A client for the Redis of the shared pod."""
    with redis.Redis.from_url(shared_env[0].redis_url) as client:
        yield client


def _reset(env: Environment, pod: Pod) -> None:
    with redis.Redis.from_url(env.redis_url) as client:
        client.flushdb()
    recover(pod, env.tmdb)
    env.tmdb.calls.reset()
    pod.clear_errors()


@pytest.fixture
def with_startup_code(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Return a function that returns settings of a pod that runs this Python code at startup."""

    def settings(code: str) -> dict[str, str]:
        folder = tmp_path / "startup"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
        others = os.environ.get("PYTHONPATH", "")
        return {"PYTHONPATH": f"{folder}{os.pathsep}{others}"}

    return settings


@pytest.fixture
def postgres() -> Iterator[PostgresqlServer]:
    """A separate PostgreSQL with the demo users that a test may kill and hang."""
    with postgresql_server() as server:
        yield server


@pytest.fixture
def database_url(demo_database: Database) -> str:
    """The URL of the environment's database, on the server that all tests share."""
    return demo_database.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def env(database_url: str, empty_redis: str, tmp_path: Path) -> Iterator[Environment]:
    """A healthy environment without pods."""
    with Sandbox() as tmdb, Environment(tmp_path, tmdb, empty_redis, database_url) as env:
        yield env
