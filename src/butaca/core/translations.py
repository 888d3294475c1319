"""Which texts a reader gets: their language, else the same language elsewhere, else ours."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from butaca.core.models import MovieDetails, Translation

T = TypeVar("T")
D = TypeVar("D")


def localized(
    details: MovieDetails, translations: Iterable[Translation], language: str | None
) -> MovieDetails:
    """Return the movie with the texts for `language` (`xx` or `xx-YY`).

    Each text is taken from the exact match, else from another region of the same
    language, else it stays as stored; so a translated title is not lost to a missing tagline.
    """
    if language is None:
        return details
    code, _, region = language.partition("-")
    ranked = sorted(
        (each for each in translations if each.language == code), key=lambda t: _rank(t, region)
    )
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


def _rank(translation: Translation, region: str) -> tuple[bool, bool, str]:
    """Put the region asked for first, then the language's home (es-ES), then by the alphabet."""
    at_home = translation.region.lower() == translation.language
    return (translation.region != region, not at_home, translation.region)


def _first(candidates: Iterable[T | None], otherwise: D) -> T | D:
    return next(filter(None, candidates), otherwise)
