"""Selects texts: the requested language, else another region of it, else the stored texts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from butaca.core.models import MovieDetails, MovieRecord, Translation

T = TypeVar("T")
D = TypeVar("D")

LANGUAGE_PATTERN = r"^[a-z]{2}(-[A-Z]{2})?$"
"""The format of a language: `xx` (ISO 639-1) or `xx-YY` (with ISO 3166-1)."""


def localized(record: MovieRecord, language: str | None) -> tuple[MovieDetails, str]:
    """Return a movie with its texts in a language, and the language (`xx-YY`) of those texts.

    Each text falls back separately, from the exact match to another region of the same language and
    then to the stored text, so that a missing tagline does not hide a translated title. If the
    texts are in several languages, the one returned is that of the best translation with a title,
    an overview or a tagline.
    """
    if language is None:
        return record.details, record.language
    code, _, region = language.partition("-")
    ranked = _ranked(record, code, region)
    with_text = filter(_has_text, ranked)
    used = next((f"{each.language}-{each.region}" for each in with_text), record.language)
    return _translated(record.details, ranked, code), used


def _translated(details: MovieDetails, ranked: Sequence[Translation], code: str) -> MovieDetails:
    if not ranked:
        return details
    # TMDB leaves the title empty if it is the same as the original one.
    original = details.original_title if details.original_language == code else None
    return replace(
        details,
        title=_first([each.title or original for each in ranked], details.title),
        overview=_first([each.overview for each in ranked], details.overview),
        tagline=_first([each.tagline for each in ranked], details.tagline),
        homepage=_first([each.homepage for each in ranked], details.homepage),
        runtime=_first([each.runtime for each in ranked], details.runtime),
    )


def _has_text(translation: Translation) -> bool:
    return any((translation.title, translation.overview, translation.tagline))


def _ranked(record: MovieRecord, code: str, region: str) -> list[Translation]:
    """Return the applicable translations, best first: the requested region, then the main one.

    The main region has the code of the language (es-ES). The stored texts serve as any other region
    of their own language: en-US serves en-NZ.
    """
    is_stored = record.language.partition("-")[0] == code
    candidates = (each for each in record.translations if each.language == code)
    return sorted(
        (each for each in candidates if each.region == region or not is_stored),
        key=lambda each: (each.region != region, each.region.lower() != code, each.region),
    )


def _first(values: Iterable[T | None], default: D) -> T | D:
    return next(filter(None, values), default)
