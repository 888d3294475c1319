"""Which texts a reader gets: their language, else the same language elsewhere, else ours."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from butaca.core.models import MovieDetails, MovieRecord, Translation

T = TypeVar("T")
D = TypeVar("D")


LANGUAGE = r"^[a-z]{2}(-[A-Z]{2})?$"
"""How a language is written: `xx` (ISO 639-1) or `xx-YY` (with ISO 3166-1)."""


def localized(record: MovieRecord, language: str | None) -> tuple[MovieDetails, str]:
    """Return a movie with the texts for a language, and which language (`xx-YY`) they are in.

    Each text is taken from the exact match, else from another region of the same
    language, else it stays as stored; so a translated title is not lost to a missing tagline.
    Where they are mixed, the language is that of most of them.
    """
    if language is None:
        return record.details, record.language
    code, _, region = language.partition("-")
    ranked = _ranked(record, code, region)
    told = filter(_tells_something, ranked)
    read = next((f"{each.language}-{each.region}" for each in told), record.language)
    return _translated(record.details, ranked, code), read


def _translated(details: MovieDetails, ranked: Sequence[Translation], code: str) -> MovieDetails:
    if not ranked:
        return details
    # TMDB leaves the title empty where it is the original one.
    original = details.original_title if details.original_language == code else None
    return replace(
        details,
        title=_first([each.title or original for each in ranked], details.title),
        overview=_first([each.overview for each in ranked], details.overview),
        tagline=_first([each.tagline for each in ranked], details.tagline),
        homepage=_first([each.homepage for each in ranked], details.homepage),
        runtime=_first([each.runtime for each in ranked], details.runtime),
    )


def _tells_something(texts: Translation) -> bool:
    return any((texts.title, texts.overview, texts.tagline))


def _ranked(record: MovieRecord, code: str, region: str) -> list[Translation]:
    """Return what may be read, the best first: the region asked for, the language's home (es-ES).

    What is stored is of the same language as any other region of its own: en-US serves en-NZ.
    """
    is_stored = record.language.partition("-")[0] == code
    spoken = (each for each in record.translations if each.language == code)
    return sorted(
        (each for each in spoken if each.region == region or not is_stored),
        key=lambda each: (each.region != region, each.region.lower() != code, each.region),
    )


def _first(candidates: Iterable[T | None], otherwise: D) -> T | D:
    return next(filter(None, candidates), otherwise)
