"""Texts are in the requested language, else another region of it, else as stored."""

from collections.abc import Iterable
from itertools import permutations

import pytest

from butaca.core.models import MovieDetails, MovieRecord, Translation
from butaca.core.translations import localized
from tests.builders import make_details, make_record, make_translation

SPANISH = make_translation("es", "ES")
MEXICAN = make_translation("es", "MX")
ARGENTINE = make_translation("es", "AR")
FRENCH = make_translation("fr", "FR")


def empty_translation(language: str, region: str) -> Translation:
    return Translation(language, region)


def localize(
    details: MovieDetails, translations: Iterable[Translation], language: str | None
) -> MovieDetails:
    movie, _ = localized(MovieRecord(details, tuple(translations)), language)
    return movie


def test_exact_region_is_preferred() -> None:
    movie = localize(make_details(), [SPANISH, MEXICAN, FRENCH], "es-MX")
    assert movie.title == "Título es-MX"


def test_every_text_is_translated() -> None:
    translation = Translation(
        "es", "MX", title="T", overview="O", tagline="L", homepage="https://mx.test", runtime=141
    )
    movie = localize(make_details(homepage="https://en.test"), [translation], "es-MX")
    assert (movie.title, movie.overview, movie.tagline) == ("T", "O", "L")
    assert (movie.homepage, movie.runtime) == ("https://mx.test", 141)


def test_other_fields_are_not_translated() -> None:
    details = make_details()
    movie = localize(details, [MEXICAN], "es-MX")
    assert movie.release_date == details.release_date
    assert movie.original_title == details.original_title
    assert movie.genres == details.genres


@pytest.mark.parametrize(
    ("language", "regions", "chosen"),
    [
        ("es-AR", ["MX", "ES"], "ES"),
        ("es", ["AR", "MX", "ES"], "ES"),
        ("es-CL", ["MX", "AR"], "AR"),
        ("ar-MA", ["TN", "EG", "SA"], "EG"),
        ("zh", ["TW", "CN"], "CN"),
    ],
)
def test_fallback_is_the_main_region_or_the_first_alphabetically(
    language: str, regions: list[str], chosen: str
) -> None:
    code = language[:2]
    details = make_details(original_language="ko")
    for order in permutations(regions):
        movie = localize(details, [make_translation(code, each) for each in order], language)
        assert movie.title == f"Título {code}-{chosen}"


@pytest.mark.parametrize("language", ["fr-FR", "fr", "e", "es_ES", "ES", ""])
def test_language_without_translations_changes_nothing(language: str) -> None:
    details = make_details()
    assert localize(details, [SPANISH, MEXICAN], language) == details


def test_no_requested_language_changes_nothing() -> None:
    details = make_details()
    assert localize(details, [SPANISH], None) == details


def test_movie_without_translations_is_unchanged() -> None:
    details = make_details(original_language="es")
    assert localize(details, [], "es-ES") == details


def test_missing_text_falls_back_to_another_region() -> None:
    untagged = make_translation("es", "MX", tagline=None)
    movie = localize(make_details(), [untagged, SPANISH], "es-MX")
    assert (movie.title, movie.tagline) == ("Título es-MX", SPANISH.tagline)


@pytest.mark.parametrize("empty", ["", None])
def test_text_missing_in_all_regions_stays_as_stored(empty: str | None) -> None:
    without_overview = make_translation("es", "ES", overview=empty)
    details = make_details()
    assert localize(details, [without_overview], "es-ES").overview == details.overview


def test_text_missing_everywhere_is_none() -> None:
    movie = localize(make_details(homepage=None, runtime=None), [SPANISH], "es-ES")
    assert (movie.homepage, movie.runtime) == (None, None)


def test_missing_title_in_a_foreign_language_falls_back_to_another_region() -> None:
    movie = localize(make_details(), [empty_translation("es", "MX"), SPANISH], "es-MX")
    assert movie.title == "Título es-ES"


def test_title_missing_in_all_regions_stays_as_stored() -> None:
    assert localize(make_details(), [empty_translation("es", "MX")], "es-MX").title == "Movie 550"


WILD_TALES = make_details(
    title="Wild Tales", original_title="Relatos salvajes", original_language="es"
)


def test_empty_title_in_the_original_language_is_the_original_title() -> None:
    assert (
        localize(WILD_TALES, [empty_translation("es", "AR")], "es-AR").title == "Relatos salvajes"
    )


def test_original_title_takes_precedence_over_another_region() -> None:
    spanish = make_translation("es", "ES", title="Cuentos salvajes")
    movie = localize(WILD_TALES, [spanish, empty_translation("es", "AR")], "es-AR")
    assert movie.title == "Relatos salvajes"


def test_translated_title_takes_precedence_over_the_original_title() -> None:
    spanish = make_translation("es", "ES", title="Cuentos salvajes")
    movie = localize(WILD_TALES, [spanish, empty_translation("es", "AR")], "es-ES")
    assert movie.title == "Cuentos salvajes"


def test_stored_texts_serve_other_regions_of_their_language() -> None:
    australian = make_translation("en", "AU", title="Mate")
    for language in ("en", "en-NZ", "en-US"):
        assert localize(make_details(), [australian], language).title == "Movie 550"


def test_exact_region_of_the_stored_language_is_preferred() -> None:
    australian = make_translation("en", "AU", title="Mate")
    assert localize(make_details(), [australian], "en-AU").title == "Mate"


def test_translation_takes_precedence_over_texts_in_another_language() -> None:
    record = MovieRecord(make_details(), (make_translation("en", "AU", title="Mate"),), "es-ES")
    movie, _ = localized(record, "en")
    assert movie.title == "Mate"


# --- the returned language


def text_language_of(language: str | None, *translations: Translation) -> str:
    _, text_language = localized(make_record(550, *translations), language)
    return text_language


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("es-MX", "es-MX"),
        ("es-AR", "es-ES"),
        ("es", "es-ES"),
        ("fr-FR", "en-US"),
        ("en-NZ", "en-US"),
        ("en", "en-US"),
        (None, "en-US"),
    ],
)
def test_returned_language_is_that_of_the_texts(language: str | None, expected: str) -> None:
    spanish = [make_translation("es", region) for region in ("MX", "ES")]
    assert text_language_of(language, *spanish) == expected


def test_translation_without_texts_is_skipped() -> None:
    nothing = make_translation("es", "AR", title=None, overview=None, tagline=None)
    assert text_language_of("es-AR", nothing, make_translation("es", "ES")) == "es-ES"
    assert text_language_of("es-AR", nothing) == "en-US"
