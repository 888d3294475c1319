"""TMDB's JSON for a movie: as a list item, in detail, and its translations."""

from collections.abc import Mapping
from typing import Any

from butaca.sandbox.movies.movies import EMPTY_TEXTS, Movie
from butaca.sandbox.movies.names import COUNTRIES, LANGUAGES, genre_name
from butaca.sandbox.movies.numbers import generate_numbers


def list_item(movie: Movie, language: str) -> dict[str, Any]:
    """Return the 15 fields of a list item."""
    values = generate_numbers(movie)
    return {
        "adult": False,
        "backdrop_path": backdrop_path(movie),
        "genre_ids": list(movie.genre_ids),
        "id": movie.id,
        "title": movie.title(language),
        "original_language": movie.original_language,
        "original_title": movie.original_title,
        "overview": movie.text("overview", language),
        "popularity": values.popularity,
        "poster_path": poster_path(movie),
        "release_date": movie.release_date,
        "softcore": False,
        "video": False,
        "vote_average": values.vote_average,
        "vote_count": values.vote_count,
    }


def details(movie: Movie, language: str) -> dict[str, Any]:
    """Return the 27 fields of the details, in TMDB's order."""
    item, values = list_item(movie, language), generate_numbers(movie)
    del item["genre_ids"]
    item |= {
        "belongs_to_collection": _collection(movie),
        "budget": values.budget,
        "genres": [{"id": each, "name": genre_name(each, language)} for each in movie.genre_ids],
        "homepage": f"https://movies.example/{movie.id}" if movie.id % 4 == 0 else "",
        "imdb_id": movie.imdb_id,
        "origin_country": list(movie.countries),
        "production_companies": _companies(movie),
        "production_countries": [
            {"iso_3166_1": country, "name": COUNTRIES[country]} for country in movie.countries
        ],
        "revenue": values.revenue,
        "runtime": movie.runtime,
        "spoken_languages": [_spoken(movie.original_language)],
        "status": movie.status,
        "tagline": movie.text("tagline", language),
    }
    return dict(sorted(item.items()))


def translations(movie: Movie) -> list[dict[str, Any]]:
    """Return an entry per language; the title is `""` if it is the original one."""
    original = f"{movie.original_language}-{LANGUAGES[movie.original_language][2]}"
    all_texts = {original: EMPTY_TEXTS, **movie.texts}
    return [_translation(movie, language, texts) for language, texts in all_texts.items()]


def poster_path(movie: Movie) -> str | None:
    """Return the path of the poster, without the base URL and the size."""
    return f"/{movie.id}-poster.svg" if movie.has_poster else None


def backdrop_path(movie: Movie) -> str | None:
    """Return the path of the backdrop, without the base URL and the size."""
    return f"/{movie.id}-backdrop.svg" if movie.has_backdrop else None


def _translation(movie: Movie, language: str, texts: Mapping[str, str]) -> dict[str, Any]:
    code, _, country = language.partition("-")
    english_name, name, _ = LANGUAGES[code]
    # Translations of the title alone have a runtime of 0.
    runtime = movie.runtime if texts["overview"] else 0
    return {
        "iso_3166_1": country,
        "iso_639_1": code,
        "name": name,
        "english_name": english_name,
        "data": {**texts, "homepage": "", "runtime": runtime},
    }


def _collection(movie: Movie) -> dict[str, Any] | None:
    if not movie.collection:
        return None
    collection_id, name = movie.collection
    return {"id": collection_id, "name": name, "poster_path": None, "backdrop_path": None}


def _companies(movie: Movie) -> list[dict[str, Any]]:
    return [
        {"id": company_id, "logo_path": None, "name": name, "origin_country": country}
        for company_id, name, country in movie.companies
    ]


def _spoken(language: str) -> dict[str, str]:
    english_name, name, _ = LANGUAGES[language]
    return {"english_name": english_name, "iso_639_1": language, "name": name}
