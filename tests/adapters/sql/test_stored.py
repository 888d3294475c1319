"""A movie survives the round trip through its row, and titles sort as users expect."""

from dataclasses import fields
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butaca.adapters.sql.stored import (
    folded,
    movie_row,
    to_details,
    to_translation,
    translation_rows,
)
from butaca.core.models import (
    Collection,
    Company,
    Country,
    MovieDetails,
    MovieRecord,
    SpokenLanguage,
    Translation,
)
from tests.builders import NOON, make_details, make_record, make_translation

WHOLE = make_details(
    belongs_to_collection=Collection(10, "Saga", "/saga.jpg"),
    production_companies=(Company(7, "Estudio", None, "AR"),),
    production_countries=(Country("AR", "Argentina"),),
    spoken_languages=(SpokenLanguage("es", "Español", "Spanish"),),
    origin_country=("AR", "ES"),
    popularity=61.416,
    homepage="https://example.test",
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def every_field(kind: type, **given: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Ask Hypothesis for all fields, those with a default too."""
    return {each.name: ... for each in fields(kind)} | given


ALL_DETAILS = st.builds(
    MovieDetails, **every_field(MovieDetails, popularity=FINITE, vote_average=FINITE)
)
ALL_TRANSLATIONS = st.builds(Translation, **every_field(Translation))


def test_details_come_back_whole() -> None:
    assert to_details(movie_row(MovieRecord(WHOLE), NOON)["details"]) == WHOLE


@given(ALL_DETAILS)
def test_any_details_come_back_whole(details: MovieDetails) -> None:
    assert to_details(movie_row(MovieRecord(details), NOON)["details"]) == details


@given(ALL_TRANSLATIONS)
def test_a_translation_is_one_line(translation: Translation) -> None:
    (row,) = translation_rows(make_record(550, translation))
    assert "\n" not in row["texts"]


@given(ALL_TRANSLATIONS)
def test_any_translation_comes_back_whole(translation: Translation) -> None:
    (row,) = translation_rows(make_record(550, translation))
    assert to_translation(row["texts"]) == translation


@given(ALL_DETAILS)
def test_what_goes_into_a_row_has_no_nul(details: MovieDetails) -> None:
    row = movie_row(MovieRecord(details), NOON)
    assert "\0" not in row["details"] + row["sort_title"]


def test_a_row_has_apart_what_a_movie_is_found_and_sorted_by() -> None:
    row = movie_row(make_record(550, title="Él", release_date=date(1953, 7, 9)), NOON)
    apart = {"id": 550, "sort_title": "el", "release_date": date(1953, 7, 9), "fetched_at": NOON}
    assert apart.items() <= row.items()


def test_a_row_without_a_date_says_so() -> None:
    assert movie_row(make_record(550, release_date=None), NOON)["release_date"] is None


def test_each_translation_has_a_row_of_its_own() -> None:
    rows = translation_rows(
        make_record(550, make_translation("es", "ES"), make_translation("es", "MX"))
    )
    keys = [(row["movie_id"], row["language"], row["region"]) for row in rows]
    assert keys == [(550, "es", "ES"), (550, "es", "MX")]


def test_a_translation_told_twice_has_one_row() -> None:
    twice = [make_translation("es", "ES", title="Uno"), make_translation("es", "ES", title="Otro")]
    (row,) = translation_rows(make_record(550, *twice))
    assert (row["language"], row["region"]) == ("es", "ES")


def test_a_movie_without_translations_has_no_rows() -> None:
    assert translation_rows(make_record(550)) == []


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Fight Club", "fight club"),
        ("ÁÉÍÓÚ Ñ Ü Ç", "aeiou n u c"),
        ("Ångström", "angstrom"),
        ("A\u030angstro\u0308m", "angstrom"),
        ("Straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("№ 9™", "no 9tm"),
        ("ﬁn", "fin"),
        ("鬼滅の刃", "鬼滅の刃"),
        ("a\0b", "ab"),
        ("", ""),
    ],
)
def test_titles_are_sorted_without_case_and_accents(title: str, expected: str) -> None:
    assert folded(title) == expected


def test_every_letter_is_sorted_the_same_in_either_case() -> None:
    letters = {chr(code) for code in range(0x10000)}
    differ = {each for each in letters if folded(each) != folded(each.upper())}
    assert differ == {"\u0131"}  # The dotless i, whose capital is just an I.


def test_no_letter_changes_when_it_is_folded_again() -> None:
    once = {folded(chr(code)) for code in range(0x10000)}
    assert {each for each in once if folded(each) != each} == set()


@given(st.text())
def test_folding_again_changes_nothing(title: str) -> None:
    assert folded(folded(title)) == folded(title)
