"""Measure resource use: bytes in PostgreSQL, Redis and a process, and the cost of a request.

`make bench ARGS=footprint` prints the table of docs/operations.md.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from random import Random
from string import ascii_lowercase
from typing import Any

import click
import psutil  # type: ignore[import-untyped]
import psycopg
import redis
from sqlalchemy import insert

from benchmarks.bulk_insert import dsn
from benchmarks.testbed import MALLOC
from butaca.adapters.cache.redis import entry_key
from butaca.adapters.sql import Database, SqlLibrary
from butaca.adapters.sql.tables import user_movies, users
from butaca.adapters.tmdb import Limits, TmdbCatalogue, TmdbHttp
from butaca.app import MEMORY_CACHE_ENTRIES
from butaca.core.models import MovieRecord, Translation
from butaca.core.ports import PopularQuery
from butaca.sandbox import Sandbox
from tests.builders import NOON, make_record, make_translation
from tests.faults.pods import HOST, Environment, Pod, request
from tests.postgresql_server import postgresql_server
from tests.processes import start_process
from tests.valkey_server import valkey_server

USER_IDS, FIRST_MOVIE, MOVIES, FAVORITES_PER_USER = range(2001, 3001), 1_000_000, 400, 100
"""A thousand users have 100 favorites each, out of 400 movies."""

PAGES = MEMORY_CACHE_ENTRIES
"""Number of responses that a process caches in memory."""

LANGUAGES = 40
"""Number of translations that a popular movie has."""

Row = tuple[str, str]
Call = tuple[str, str, object]


def measure(data: str | None) -> None:
    """Measure with the sandbox's movies or with recorded responses, and print the table."""
    valkey: Any = valkey_server()
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql_server() as postgres,
        valkey,
        Sandbox(data) as tmdb,
        redis.Redis(port=valkey.port) as redis_client,
    ):
        rows = [*_measure_database(postgres.url, tmdb)]
        redis_url = f"redis://{HOST}:{valkey.port}/0"
        with Environment(Path(folder), tmdb, redis_url, postgres.url, start_process) as env:
            pod, other = env.pods(2, CACHE_TTL_SECONDS="3600", **MALLOC)
            rows += [
                *_measure_caches(pod, redis_client),
                *_measure_requests(pod, other, redis_client),
            ]
    click.echo("| item | measured |\n| - | -: |")
    click.echo("\n".join(f"| {what} | {size} |" for what, size in rows))


# In PostgreSQL


def _measure_database(url: str, tmdb: Sandbox) -> Iterator[Row]:
    """Measure movies with as many translations as TMDB has, then favorites with ratings."""
    with closing(Database(url)) as database, psycopg.connect(dsn(url), autocommit=True) as sql:
        library = SqlLibrary(database)
        real = [*_records(tmdb)]
        for record in real:
            library.save_movie(record, NOON)
        size = _size(sql, "movies", "translations", "movie_genres") / len(real)
        yield f"PostgreSQL: a movie in {LANGUAGES} languages", f"{size / 1024:.0f} KiB"
        for number in range(MOVIES):
            library.save_movie(make_record(FIRST_MOVIE + number), NOON)
        with database.writing() as connection:
            connection.execute(insert(users), [_user_row(number) for number in USER_IDS])
        for user_id in USER_IDS:
            with database.writing() as connection:
                connection.execute(insert(user_movies), [*_favorites(user_id)])
        favorites = len(USER_IDS) * FAVORITES_PER_USER
        size = _size(sql, "user_movies") / favorites
        yield "PostgreSQL: a favorite, one in ten rated", f"{size:.0f} B"


def _records(tmdb: Sandbox) -> Iterator[MovieRecord]:
    """Return the movies of the first five popular pages."""
    catalogue = TmdbCatalogue(TmdbHttp(tmdb.url, "sandbox-token", Limits()), "en-US")
    for page in range(1, 6):
        for movie in catalogue.popular(PopularQuery("en-US", page=page)).value.results:
            yield MovieRecord(catalogue.record(movie.id).value.details, (*_translations(movie.id),))


def _translations(seed: int) -> Iterator[Translation]:
    """Return texts of ordinary length, random so that they compress no better than real ones."""
    random = Random(seed)
    for number in range(LANGUAGES):
        letters = "".join(random.choices(ascii_lowercase + "    ", k=350))
        yield make_translation(f"x{chr(97 + number % 26)}", f"X{number // 26}", overview=letters)


def _user_row(number: int) -> dict[str, object]:
    return {"id": number, "name": f"somebody-{number}", "role": "USER", "created_at": NOON}


def _favorites(user_id: int) -> Iterator[dict[str, object]]:
    for number in range(FAVORITES_PER_USER):
        is_rated = number % 10 == 0
        yield {
            "user_id": user_id,
            "movie_id": FIRST_MOVIE + (user_id + number) % MOVIES,
            "favorited_at": NOON,
            "half_stars": number % 11 if is_rated else None,
            "rated_at": NOON if is_rated else None,
            "release_date": NOON.date(),
            "sort_title": f"a title of an ordinary length {number}",
        }


def _size(sql: psycopg.Connection[Any], *tables: str) -> int:
    """Return the total size of tables in bytes, indexes included."""
    sql.execute("VACUUM FULL ANALYZE")
    query = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS t (name)"
    return int(sql.execute(query, ([*tables],)).fetchone()[0])  # type: ignore[index]


# In Redis and in a process


def _measure_caches(pod: Pod, redis_client: "redis.Redis") -> Iterator[Row]:
    """Fill the memory cache of a process and measure what the entries take."""
    with closing(pod.connect()) as connection:
        request(connection, "GET", _page(0))
        before = _memory(pod)
        for number in range(1, PAGES):
            request(connection, "GET", _page(number))
        grown = (_memory(pod) - before) / (PAGES - 1)
        for movie in request(connection, "GET", "/movies/popular").json["results"]:
            request(connection, "GET", f"/movies/{movie['id']}")
    yield "Redis: a page of 20 movies", _mean_entry_size(redis_client, entry_key("popular:*"))
    yield "Redis: the details of a movie", _mean_entry_size(redis_client, entry_key("details:*"))
    yield "a process: a cached page", f"{grown / 1024:.0f} KiB"
    yield "a process: at startup", f"{before / 2**20:.0f} MiB"
    yield f"a process: with {PAGES} pages", f"{_memory(pod) / 2**20:.0f} MiB"


def _page(number: int) -> str:
    page, region = number % 5 + 1, number // 5
    return f"/movies/popular?page={page}&region={chr(65 + region // 26)}{chr(65 + region % 26)}"


def _mean_entry_size(redis_client: "redis.Redis", pattern: str) -> str:
    keys = [*islice(redis_client.scan_iter(pattern, count=1000), 200)]
    sizes = [int(redis_client.memory_usage(key) or 0) for key in keys]
    return f"{sum(sizes) / len(sizes) / 1024:.1f} KiB"


def _processes(pod: Pod) -> list[Any]:
    main = psutil.Process(pod.process.pid)
    return [main, *main.children(recursive=True)]


def _memory(pod: Pod) -> int:
    """Return the bytes of a pod's processes (PSS). Shared memory is counted once."""
    return sum(each.memory_full_info().pss for each in _processes(pod))


# What a request costs


def _measure_requests(pod: Pod, other: Pod, redis_client: "redis.Redis") -> Iterator[Row]:
    me, warm = "/me/favorites", _page(PAGES - 1)
    kinds: dict[str, Callable[[int], Call]] = {
        "a warm page": lambda _: ("GET", warm, None),
        "a warm page, include=me": lambda _: ("GET", f"{warm}&include=me", None),
        "a page of favorites": lambda _: ("GET", me, None),
        "rating a movie": lambda n: ("PUT", "/me/ratings/550", {"stars": n % 6}),
        "a cold page": lambda n: ("GET", _page(PAGES + n), None),
    }
    with closing(pod.connect()) as connection:
        for movie in request(connection, "GET", "/movies/popular").json["results"]:
            request(connection, "POST", "/me/favorites", {"movie_id": movie["id"]})
        request(connection, "PUT", "/me/ratings/550", {"stars": 4})
        for what, call in kinds.items():
            yield what, _cost(call, pod, connection, redis_client)
    with closing(other.connect()) as connection:
        request(connection, "GET", warm)
        yield (
            "a page fetched by another pod",
            _cost(lambda n: ("GET", _page(n), None), other, connection, redis_client),
        )
    yield "a process: after these requests", f"{_memory(pod) / 2**20:.0f} MiB"


def _cost(
    call: Callable[[int], Call], pod: Pod, connection: HTTPConnection, redis_client: "redis.Redis"
) -> str:
    """Return the cost of a request: CPU time of the pod, work of Redis, and bytes sent."""
    before, cpu_before, sent = redis_client.info(), _seconds(pod), 0
    for number in range(PAGES):
        response = request(connection, *call(number))
        assert response.status in {200, 201}, response
        sent += len(response.body) + len(str(response.headers))
    cpu, after = (_seconds(pod) - cpu_before) / PAGES * 1000, redis_client.info()
    calls, *traffic = (
        (int(after[name]) - int(before[name])) / PAGES
        for name in ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes")
    )
    return (
        f"{cpu:.2f} ms; {round(calls)} commands and {sum(traffic) / 1024:.1f} KiB of Redis; "
        f"{sent / PAGES / 1024:.1f} KiB to the client"
    )


def _seconds(pod: Pod) -> float:
    """Return the CPU seconds that a pod has used."""
    times = [each.cpu_times() for each in _processes(pod)]
    return float(sum(each.user + each.system for each in times))
