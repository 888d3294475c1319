"""The built-in movies, from movies.json: facts of real films, with texts of our own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from butaca.sandbox.movies.paging import normalize_text

EMPTY_TEXTS: Mapping[str, str] = {"title": "", "overview": "", "tagline": ""}


@dataclass(frozen=True, slots=True)
class Movie:
    """A film as in movies.json. Its numbers are generated in numbers.py."""

    id: int
    rank: int
    imdb_id: str | None
    original_language: str
    original_title: str
    release_date: str
    runtime: int
    status: str
    genre_ids: tuple[int, ...]
    countries: tuple[str, ...]
    companies: tuple[tuple[int, str, str], ...]
    collection: tuple[int, str] | None
    texts: Mapping[str, Mapping[str, str]]
    has_poster: bool
    has_backdrop: bool

    def text(self, field: str, language: str) -> str:
        """Return a text in `xx-YY`, or in the main region of `xx`, without another fallback."""
        main_locale = self._main_locale(language)
        texts = self.texts.get(language) or self.texts.get(main_locale) or EMPTY_TEXTS
        return texts[field]

    def title(self, language: str) -> str:
        """Return the title, or the original title if there is no translation."""
        return self.text("title", language) or self.original_title

    def has_title_containing(self, query: str) -> bool:
        """Return whether any title contains the normalized query."""
        titles = [self.original_title, *(texts["title"] for texts in self.texts.values())]
        return any(query in normalize_text(title) for title in titles)

    def _main_locale(self, language: str) -> str:
        return next((locale for locale in self.texts if locale.split("-")[0] == language), "")


@cache
def builtin_movies() -> tuple[Movie, ...]:
    """Return all movies, most popular first."""
    text = files("butaca.sandbox.movies").joinpath("movies.json").read_text(encoding="utf-8")
    return tuple(_parse_movie(rank, data) for rank, data in enumerate(json.loads(text)))


def _parse_movie(rank: int, data: dict[str, Any]) -> Movie:
    collection = data.get("collection")
    return Movie(
        id=data["id"],
        rank=rank,
        imdb_id=data["imdb_id"],
        original_language=data["language"],
        original_title=data["title"],
        release_date=data["date"],
        runtime=data["runtime"],
        status=data.get("status", "Released"),
        genre_ids=tuple(data["genres"]),
        countries=tuple(data["countries"]),
        companies=tuple(
            (company[0], company[1], company[2]) for company in data.get("companies", ())
        ),
        collection=(collection[0], collection[1]) if collection else None,
        texts=_parse_texts(data["texts"]),
        has_poster=data.get("poster", True),
        has_backdrop=data.get("backdrop", True),
    )


def _parse_texts(data: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    # Mexican Spanish is given only where it differs from that of Spain.
    spanish = data.get("es-ES", {})
    inherited = {"es-MX": {**spanish, "title": ""}}
    return {
        language: {**EMPTY_TEXTS, **inherited.get(language, {}), **texts}
        for language, texts in data.items()
    }
