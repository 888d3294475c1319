"""TMDB's names of genres, languages and countries."""

from collections.abc import Mapping
from typing import Any

GENRES: Mapping[int, tuple[str, str]] = {
    12: ("Adventure", "Aventura"),
    14: ("Fantasy", "Fantasía"),
    16: ("Animation", "Animación"),
    18: ("Drama", "Drama"),
    27: ("Horror", "Terror"),
    28: ("Action", "Acción"),
    35: ("Comedy", "Comedia"),
    36: ("History", "Historia"),
    37: ("Western", "Western"),
    53: ("Thriller", "Suspense"),
    80: ("Crime", "Crimen"),
    99: ("Documentary", "Documental"),
    878: ("Science Fiction", "Ciencia ficción"),
    9648: ("Mystery", "Misterio"),
    10402: ("Music", "Música"),
    10749: ("Romance", "Romance"),
    10751: ("Family", "Familia"),
    10752: ("War", "Bélica"),
    10770: ("TV Movie", "Película de TV"),
}

# English name, native name, and the country that TMDB assigns to the language.
LANGUAGES: Mapping[str, tuple[str, str, str]] = {
    "da": ("Danish", "Dansk", "DK"),
    "de": ("German", "Deutsch", "DE"),
    "en": ("English", "English", "US"),
    "es": ("Spanish", "Español", "ES"),
    "fi": ("Finnish", "suomi", "FI"),
    "fr": ("French", "Français", "FR"),
    "ja": ("Japanese", "日本語", "JP"),
    "kn": ("Kannada", "ಕನ್ನಡ", "IN"),
    "ko": ("Korean", "한국어/조선말", "KR"),
    "lv": ("Latvian", "Latviešu", "LV"),
    "no": ("Norwegian", "Norsk", "NO"),
    "pt": ("Portuguese", "Português", "PT"),
    "te": ("Telugu", "తెలుగు", "IN"),
    "zh": ("Mandarin", "普通话", "CN"),
}

COUNTRIES: Mapping[str, str] = {
    "AU": "Australia",
    "BR": "Brazil",
    "CA": "Canada",
    "CL": "Chile",
    "CN": "China",
    "DE": "Germany",
    "DK": "Denmark",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GB": "United Kingdom",
    "HK": "Hong Kong",
    "IN": "India",
    "JP": "Japan",
    "KR": "South Korea",
    "LV": "Latvia",
    "NO": "Norway",
    "PT": "Portugal",
    "US": "United States of America",
}


def genre_name(genre_id: int, language: str) -> str:
    """Return the name of a genre, in Spanish if the language is Spanish, else in English."""
    english, spanish = GENRES[genre_id]
    return spanish if language.startswith("es") else english


def genre_list(language: str) -> list[dict[str, Any]]:
    """Return all genres in TMDB's order, which is that of their English names.

    A genre without a name in the language has the name `None`: only in the details of a movie does
    TMDB use the English name instead.
    """
    is_named = language[:2] in {"en", "es"}
    return [
        {"id": genre_id, "name": genre_name(genre_id, language) if is_named else None}
        for genre_id in sorted(GENRES, key=lambda genre_id: GENRES[genre_id])
    ]
