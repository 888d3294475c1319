"""Readers get their language, else that language of another region, else the stored texts."""

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


def untold(language: str, region: str) -> Translation:
    return Translation(language, region)


def told(
    details: MovieDetails, translations: Iterable[Translation], language: str | None
) -> MovieDetails:
    movie, _ = localized(MovieRecord(details, tuple(translations)), language)
    return movie


def test_the_exact_region_is_taken() -> None:
    movie = told(make_details(), [SPANISH, MEXICAN, FRENCH], "es-MX")
    assert movie.title == "Título es-MX"


def test_every_text_is_taken() -> None:
    translation = Translation(
        "es", "MX", title="T", overview="O", tagline="L", homepage="https://mx.test", runtime=141
    )
    movie = told(make_details(homepage="https://en.test"), [translation], "es-MX")
    assert (movie.title, movie.overview, movie.tagline) == ("T", "O", "L")
    assert (movie.homepage, movie.runtime) == ("https://mx.test", 141)


def test_what_is_no_text_stays() -> None:
    details = make_details()
    movie = told(details, [MEXICAN], "es-MX")
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
def test_another_region_is_the_home_of_the_language_or_the_first_by_its_letters(
    language: str, regions: list[str], chosen: str
) -> None:
    code = language[:2]
    details = make_details(original_language="ko")
    for order in permutations(regions):
        movie = told(details, [make_translation(code, each) for each in order], language)
        assert movie.title == f"Título {code}-{chosen}"


@pytest.mark.parametrize("language", ["fr-FR", "fr", "e", "es_ES", "ES", ""])
def test_a_language_that_nobody_told_the_movie_in_changes_nothing(language: str) -> None:
    details = make_details()
    assert told(details, [SPANISH, MEXICAN], language) == details


def test_no_language_changes_nothing() -> None:
    details = make_details()
    assert told(details, [SPANISH], None) == details


def test_no_translations_change_nothing() -> None:
    details = make_details(original_language="es")
    assert told(details, [], "es-ES") == details


def test_a_missing_text_comes_from_another_region() -> None:
    untagged = make_translation("es", "MX", tagline=None)
    movie = told(make_details(), [untagged, SPANISH], "es-MX")
    assert (movie.title, movie.tagline) == ("Título es-MX", SPANISH.tagline)


@pytest.mark.parametrize("empty", ["", None])
def test_a_text_missing_everywhere_stays_as_stored(empty: str | None) -> None:
    untold_text = make_translation("es", "ES", overview=empty)
    details = make_details()
    assert told(details, [untold_text], "es-ES").overview == details.overview


def test_a_text_that_is_nowhere_stays_absent() -> None:
    movie = told(make_details(homepage=None, runtime=None), [SPANISH], "es-ES")
    assert (movie.homepage, movie.runtime) == (None, None)


def test_a_title_missing_in_a_foreign_language_comes_from_another_region() -> None:
    movie = told(make_details(), [untold("es", "MX"), SPANISH], "es-MX")
    assert movie.title == "Título es-ES"


def test_a_title_missing_in_every_region_stays_as_stored() -> None:
    assert told(make_details(), [untold("es", "MX")], "es-MX").title == "Movie 550"


WILD_TALES = make_details(
    title="Wild Tales", original_title="Relatos salvajes", original_language="es"
)


def test_an_empty_title_in_the_original_language_is_the_original_title() -> None:
    assert told(WILD_TALES, [untold("es", "AR")], "es-AR").title == "Relatos salvajes"


def test_the_original_title_is_not_lost_to_the_title_of_another_region() -> None:
    elsewhere = make_translation("es", "ES", title="Cuentos salvajes")
    movie = told(WILD_TALES, [elsewhere, untold("es", "AR")], "es-AR")
    assert movie.title == "Relatos salvajes"


def test_a_region_may_have_a_title_of_its_own_in_the_original_language() -> None:
    own = make_translation("es", "ES", title="Cuentos salvajes")
    movie = told(WILD_TALES, [own, untold("es", "AR")], "es-ES")
    assert movie.title == "Cuentos salvajes"


def test_another_region_of_the_stored_language_gets_what_is_stored() -> None:
    australian = make_translation("en", "AU", title="Mate")
    for language in ("en", "en-NZ", "en-US"):
        assert told(make_details(), [australian], language).title == "Movie 550"


def test_an_exact_region_of_the_stored_language_gets_its_own() -> None:
    australian = make_translation("en", "AU", title="Mate")
    assert told(make_details(), [australian], "en-AU").title == "Mate"


def test_what_is_stored_in_another_language_gives_way_to_a_translation() -> None:
    record = MovieRecord(make_details(), (make_translation("en", "AU", title="Mate"),), "es-ES")
    movie, _ = localized(record, "en")
    assert movie.title == "Mate"


# Which language that is


def read(language: str | None, *translations: Translation) -> str:
    _, read_in = localized(make_record(550, *translations), language)
    return read_in


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
def test_the_language_is_that_of_the_texts_that_are_read(
    language: str | None, expected: str
) -> None:
    spanish = [make_translation("es", region) for region in ("MX", "ES")]
    assert read(language, *spanish) == expected


def test_a_translation_without_texts_is_not_read() -> None:
    nothing = make_translation("es", "AR", title=None, overview=None, tagline=None)
    assert read("es-AR", nothing, make_translation("es", "ES")) == "es-ES"
    assert read("es-AR", nothing) == "en-US"
