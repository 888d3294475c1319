"""Fill PostgreSQL with movies and favorites, using COPY."""

from collections.abc import Iterable
from datetime import date, timedelta
from random import Random
from typing import Any

import psycopg
from sqlalchemy import make_url

from butaca.adapters.sql.rows import fold_title, genre_rows, movie_row, translation_rows
from butaca.core.models import Genre, MovieRecord
from tests.builders import NOON, make_record, make_translation

GENRES = (Genre(18, "Drama"), Genre(35, "Comedy"), Genre(878, "Science Fiction"))
Connection = psycopg.Connection[Any]
Row = dict[str, Any]


def dsn(url: str) -> str:
    """Return a database URL in the form that psycopg takes."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def record(number: int) -> MovieRecord:
    """Return a movie in six languages, with texts as long as TMDB's."""
    random = Random(number)
    return make_record(
        number,
        *(
            make_translation(language, language.upper())
            for language in ("es", "fr", "de", "it", "pt")
        ),
        overview="Somebody does something, and somebody else minds. " * 8,
        release_date=date(1930, 1, 1) + timedelta(days=random.randrange(35_000)),
        genres=tuple(random.sample(GENRES, 2)),
    )


def add_movies(connection: Connection, records: list[MovieRecord]) -> None:
    """Store movies."""
    copy(connection, "movies", [movie_row(each, NOON) for each in records])
    copy(connection, "translations", (row for each in records for row in translation_rows(each)))
    copy(connection, "movie_genres", (row for each in records for row in genre_rows(each)))


def favorite(user_id: int, movie: MovieRecord, random: Random, rated: float = 0.1) -> Row:
    """Return the row of a favorite; `rated` is the probability that it has a rating."""
    is_rated = random.random() < rated
    return {
        "user_id": user_id,
        "movie_id": movie.details.id,
        "favorited_at": NOON + timedelta(seconds=random.randrange(10**7)),
        "half_stars": random.randrange(11) if is_rated else None,
        "rated_at": NOON if is_rated else None,
        "release_date": movie.details.release_date,
        "sort_title": fold_title(movie.details.title),
    }


def copy(connection: Connection, table: str, rows: Iterable[Row]) -> None:
    """Copy rows into a table. All rows have the columns of the first."""
    rows = list(rows)
    names = ", ".join(rows[0])
    with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(tuple(row.values()))
