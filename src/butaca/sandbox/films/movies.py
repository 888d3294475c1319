"""The built-in movies, from movies.json: facts of real films, with texts of our own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from butaca.sandbox.films.paging import folded

NO_TEXTS: Mapping[str, str] = {"title": "", "overview": "", "tagline": ""}


@dataclass(frozen=True, slots=True)
class Movie:
    """A film as in movies.json; its numbers are generated elsewhere."""

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
        texts = self.texts.get(language) or self.texts.get(self._main(language)) or NO_TEXTS
        return texts[field]

    def title(self, language: str) -> str:
        """Return the title, or the original title if there is no translation."""
        return self.text("title", language) or self.original_title

    def is_called(self, query: str) -> bool:
        """Return whether any title contains the normalized query."""
        titles = [self.original_title, *(texts["title"] for texts in self.texts.values())]
        return any(query in folded(title) for title in titles)

    def _main(self, language: str) -> str:
        return next((one for one in self.texts if one.split("-")[0] == language), "")


@cache
def builtin_movies() -> tuple[Movie, ...]:
    """Return all movies, most popular first."""
    text = files("butaca.sandbox.films").joinpath("movies.json").read_text(encoding="utf-8")
    return tuple(_movie(rank, written) for rank, written in enumerate(json.loads(text)))


def _movie(rank: int, written: dict[str, Any]) -> Movie:
    collection = written.get("collection")
    return Movie(
        id=written["id"],
        rank=rank,
        imdb_id=written["imdb_id"],
        original_language=written["language"],
        original_title=written["title"],
        release_date=written["date"],
        runtime=written["runtime"],
        status=written.get("status", "Released"),
        genre_ids=tuple(written["genres"]),
        countries=tuple(written["countries"]),
        companies=tuple((one[0], one[1], one[2]) for one in written.get("companies", ())),
        collection=(collection[0], collection[1]) if collection else None,
        texts=_texts(written["texts"]),
        has_poster=written.get("poster", True),
        has_backdrop=written.get("backdrop", True),
    )


def _texts(written: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    # Mexican Spanish is given only where it differs from that of Spain.
    spanish = written.get("es-ES", {})
    inherited = {"es-MX": {**spanish, "title": ""}}
    return {
        language: {**NO_TEXTS, **inherited.get(language, {}), **texts}
        for language, texts in written.items()
    }
