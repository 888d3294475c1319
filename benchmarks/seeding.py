"""Data stored before a measurement: responses in Redis, favorites in PostgreSQL."""

from collections.abc import Sequence
from contextlib import closing
from random import Random
from typing import Any

import psycopg
import redis

from benchmarks.bulk_insert import add_movies, copy, dsn, favorite, record
from benchmarks.calls import Client
from benchmarks.compared_servers import POPULAR
from benchmarks.processes import Server
from benchmarks.testbed import Testbed
from butaca.adapters.cache.redis import entry_key
from butaca.adapters.sql import Database, SqlAccounts
from butaca.core.accounts import digest
from butaca.core.clock import utc_now
from butaca.core.models import DEFAULT_LANGUAGE, Role, User

FIRST_MOVIE, FIRST_USER = 5_000_000, 500_000


def fill_cache(testbed: Testbed, pod: Server, number: int) -> tuple[str, ...]:
    """Put fresh entries for this many pages into Redis; return the paths of the pages."""
    paths = tuple(popular_path(each) for each in range(number))
    Client(pod.origin).get(paths[0])
    with closing(redis.Redis.from_url(testbed.redis_url)) as client:
        body: Any = client.get(_entry_key(0))
        milliseconds: Any = client.pttl(_entry_key(0))
        with client.pipeline(transaction=False) as pipeline:
            for each in range(number):
                pipeline.set(_entry_key(each), body, px=milliseconds)
                if each % 1_000 == 0:
                    pipeline.execute()
            pipeline.execute()
    return paths


def popular_path(number: int) -> str:
    """Return one of 338 000 distinct paths to popular movies."""
    page, region = _page_and_region(number)
    return f"{POPULAR}?page={page}&region={region}"


def _entry_key(number: int) -> str:
    page, region = _page_and_region(number)
    return entry_key(f"popular:{page}:{DEFAULT_LANGUAGE}:{region}")


def _page_and_region(number: int) -> tuple[int, str]:
    region, page = divmod(number, 500)
    first, second = divmod(region, 26)
    return page + 1, f"{chr(65 + first)}{chr(65 + second)}"


def create_users_with_favorites(url: str, numbers: Sequence[int]) -> dict[int, str]:
    """Create a user for each number of favorites; return their tokens."""
    movies = [record(FIRST_MOVIE + number) for number in range(max(numbers))]
    tokens = {number: f"token-of-{number}" for number in numbers}
    with closing(Database(url, connections=1)) as database:
        for number, token in tokens.items():
            user = User(FIRST_USER + number, f"user with {number} favorites", Role.USER)
            SqlAccounts(database).grant_token(user, digest(token), utc_now())
    with psycopg.connect(dsn(url)) as connection:
        add_movies(connection, movies)
        for number in numbers:
            random = Random(number)
            rows = (favorite(FIRST_USER + number, each, random) for each in movies[:number])
            copy(connection, "user_movies", rows)
    with psycopg.connect(dsn(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return tokens
