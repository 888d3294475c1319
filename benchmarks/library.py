"""Measure the lists of a user in a large library, over HTTP and as plain SQL.

`make bench ARGS=library` fills its own PostgreSQL with two million favorites (COPY) and starts
`butaca serve` in front of it. It requests each list in turn, many times, so that other load on the
machine affects all lists alike.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

import click
import psycopg
from sqlalchemy import event

from benchmarks.bulk_insert import Row, add_movies, copy, dsn, favorite, record
from benchmarks.calls import RawClient
from benchmarks.progress import progress_bar
from butaca.adapters.sql import Database, SqlLibrary
from butaca.core.listing import FAVORITE_KEYS, Filter, ListQuery, sort_order
from butaca.core.models import MovieRecord, Stars, User
from butaca.sandbox import Sandbox
from tests.builders import ADMIN, ADMIN_TOKEN, CONSUMER, CONSUMER_TOKEN, NOON
from tests.faults.pods import HOST, Environment
from tests.postgresql_server import postgresql_server
from tests.processes import start_process
from tests.valkey_server import valkey_server

MOVIES = int(os.environ.get("BENCH_MOVIES", "20000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "200"))
FAVORITES_PER_MOVIE, FIRST_USER, USERS = 100, 1001, 20_000
"""Each movie is a favorite of 100 of 20 000 users: 20 000 movies make 2 000 000 favorites."""

HEAVY, LIGHT, LIGHT_FAVORITES = ADMIN, CONSUMER, 20
"""HEAVY has every other movie as a favorite, LIGHT has 20. One favorite in ten is rated."""

DEFAULT = "-release_date,-rating"


@dataclass(frozen=True, slots=True)
class Case:
    """A list of a user, as an HTTP path and as a query of the core, with its times in seconds."""

    name: str
    user: User
    path: str
    query: ListQuery
    http: list[float] = field(default_factory=list)
    sql: list[float] = field(default_factory=list)


def case(name: str, user: User, sort: str = DEFAULT, page: int = 1, **filters: Any) -> Case:
    """Return a case with its HTTP path and its query of the core."""
    parameters = {
        "q" if key == "title" else key: _query_value(value) for key, value in filters.items()
    }
    path = urlencode({"sort": sort, "page": page, **parameters})
    query = ListQuery(sort_order(sort, FAVORITE_KEYS), page, filter=Filter(**filters))
    return Case(name, user, f"/api/v1/me/favorites?{path}", query)


def _query_value(value: Any) -> str:
    return str(value.number if isinstance(value, Stars) else value).lower()


CASES = (
    case("20 favorites", LIGHT),
    case("10 000 favorites", HEAVY),
    case("… page 100", HEAVY, page=100),
    case("… page 500, the last", HEAVY, page=500),
    case("… sort=release_date", HEAVY, sort="release_date"),
    case("… sort=-rating", HEAVY, sort="-rating"),
    case("… sort=rating,title", HEAVY, sort="rating,title"),
    case("… sort=title", HEAVY, sort="title"),
    case("… sort=-favorited_at", HEAVY, sort="-favorited_at"),
    case("… rated=true", HEAVY, rated=True),
    case("… min_rating=4", HEAVY, min_rating=Stars.of(4)),
    case("… genre=35", HEAVY, genre=35),
    case("… year_from=1990, year_to=1999", HEAVY, year_from=1990, year_to=1999),
    case("… q=movie 77", HEAVY, title="movie 77"),
)


def main() -> None:
    """Fill the database, measure, and print the table."""
    with postgresql_server() as postgres:
        _fill(postgres.url)
        with closing(Database(postgres.url)) as database:
            statements = {each.name: _statements(database, each) for each in CASES}
        with _pod(postgres.url) as request, psycopg.connect(dsn(postgres.url)) as connection:
            for _ in progress_bar(range(ROUNDS), "measuring"):
                for each in CASES:
                    each.http.append(_seconds(request, each))
                    each.sql.append(_seconds(_run, connection, statements[each.name]))
    _print()


def _seconds(call: Callable[..., object], *args: object) -> float:
    started = time.perf_counter()
    call(*args)
    return time.perf_counter() - started


# Filling


def _fill(url: str) -> None:
    with psycopg.connect(dsn(url)) as connection:
        users = range(FIRST_USER, FIRST_USER + USERS)
        copy(connection, "users", [_user_row(number) for number in users])
        for first in progress_bar(range(1, MOVIES + 1, 1000), "filling"):
            records = [record(number) for number in range(first, first + 1000)]
            add_movies(connection, records)
            copy(
                connection, "user_movies", (row for each in records for row in _favorite_rows(each))
            )
    with psycopg.connect(dsn(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _user_row(number: int) -> Row:
    return {"id": number, "name": f"somebody-{number}", "role": "USER", "created_at": NOON}


def _favorite_rows(movie: MovieRecord) -> Iterator[Row]:
    number = movie.details.id
    random = Random(-number)
    users = {FIRST_USER + user for user in random.sample(range(USERS), FAVORITES_PER_MOVIE)}
    if number % 2:
        users.add(HEAVY.id)
    if number <= LIGHT_FAVORITES:
        users.add(LIGHT.id)
    for user in users:
        yield favorite(user, movie, random)


# Measuring


def _statements(database: Database, case: Case) -> list[tuple[str, Any]]:
    """Return the SQL statements of a list, as the driver receives them."""
    statements: list[tuple[str, Any]] = []

    def record_statement(
        _connection: object, _cursor: object, sql: str, parameters: Any, *_: object
    ) -> None:
        statements.append((sql, parameters))

    event.listen(database.engine, "before_cursor_execute", record_statement)
    SqlLibrary(database).favorites(case.user.id, case.query)
    event.remove(database.engine, "before_cursor_execute", record_statement)
    return statements


def _run(connection: psycopg.Connection[Any], statements: list[tuple[str, Any]]) -> None:
    with connection.transaction():
        for sql, parameters in statements:
            connection.execute(sql, parameters).fetchall()


@contextmanager
def _pod(url: str) -> Iterator[Callable[[Case], None]]:
    valkey: Any = valkey_server()
    with tempfile.TemporaryDirectory() as folder, valkey, Sandbox() as tmdb:
        env = Environment(Path(folder), tmdb, f"redis://{HOST}:{valkey.port}/0", url, start_process)
        with env, closing(RawClient(HOST, env.pod().port)) as client:
            yield lambda case: _request(client, case)


def _request(client: RawClient, case: Case) -> None:
    client.get(case.path, ADMIN_TOKEN if case.user == ADMIN else CONSUMER_TOKEN)


# Printing


def _print() -> None:
    light = CASES[0]
    click.echo("| list of 20 | HTTP p50 | p99 | SQL p50 | p99 | HTTP / SQL | HTTP / first |")
    click.echo("| - | -: | -: | -: | -: | -: | -: |")
    for each in CASES:
        http, sql = median(each.http), median(each.sql)
        times = (http, _p99(each.http), sql, _p99(each.sql))
        ratios = f"{http / sql:.1f} | {http / median(light.http):.2f}"
        click.echo(f"| {each.name} | {' | '.join(f'{t * 1000:.2f}' for t in times)} | {ratios} |")


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98]
