"""Complete, valid entities for tests, with the fields that a test overrides."""

from datetime import UTC, date, datetime
from typing import Any

from butaca.core.models import (
    Genre,
    Movie,
    MovieDetails,
    MovieRecord,
    Page,
    Role,
    Translation,
    User,
)

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ADMIN = User(1, "admin", Role.ADMIN)
CONSUMER = User(2, "consumer", Role.USER)
ADMIN_TOKEN = "abcdef1234567890"
CONSUMER_TOKEN = "1234567890"


def make_movie(movie_id: int = 550, **changes: Any) -> Movie:
    fields: dict[str, Any] = {
        "title": f"Movie {movie_id}",
        "original_title": f"Original {movie_id}",
        "original_language": "en",
        "overview": "Somebody does something.",
        "release_date": date(1999, 10, 15),
        "genre_ids": (18, 53),
        "popularity": 20.5,
        "vote_average": 8.4,
        "vote_count": 31000,
        "poster_path": f"/{movie_id}-poster.jpg",
        "backdrop_path": f"/{movie_id}-backdrop.jpg",
    }
    return Movie(id=movie_id, **{**fields, **changes})


def make_details(movie_id: int = 550, **changes: Any) -> MovieDetails:
    fields: dict[str, Any] = {
        "title": f"Movie {movie_id}",
        "original_title": f"Original {movie_id}",
        "original_language": "en",
        "overview": "Somebody does something.",
        "tagline": "Something is done.",
        "release_date": date(1999, 10, 15),
        "runtime": 139,
        "status": "Released",
        "genres": (Genre(18, "Drama"),),
        "poster_path": f"/{movie_id}-poster.jpg",
    }
    return MovieDetails(id=movie_id, **{**fields, **changes})


def make_translation(language: str = "es", region: str = "ES", **changes: Any) -> Translation:
    fields: dict[str, Any] = {
        "title": f"Título {language}-{region}",
        "overview": "Alguien hace algo.",
        "tagline": "Algo se hace.",
    }
    return Translation(language, region, **{**fields, **changes})


def make_record(movie_id: int = 550, *translations: Translation, **changes: Any) -> MovieRecord:
    return MovieRecord(make_details(movie_id, **changes), translations)


def make_page(*movies: Movie, page: int = 1, total_pages: int = 1, total: int = 0) -> Page[Movie]:
    return Page(
        results=movies,
        page=page,
        page_size=20,
        total_results=total or len(movies),
        total_pages=total_pages,
    )
