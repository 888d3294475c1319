"""A movie survives the round trip through its row, and titles sort as users expect."""

from dataclasses import fields
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butaca.adapters.sql.rows import (
    fold_title,
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

FULL_DETAILS = make_details(
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
    """Make Hypothesis generate all fields, including those with defaults."""
    return {each.name: ... for each in fields(kind)} | given


ALL_DETAILS = st.builds(
    MovieDetails, **every_field(MovieDetails, popularity=FINITE, vote_average=FINITE)
)
ALL_TRANSLATIONS = st.builds(Translation, **every_field(Translation))


def test_details_round_trip() -> None:
    assert to_details(movie_row(MovieRecord(FULL_DETAILS), NOON)["details"]) == FULL_DETAILS


@given(ALL_DETAILS)
def test_any_details_round_trip(details: MovieDetails) -> None:
    assert to_details(movie_row(MovieRecord(details), NOON)["details"]) == details


@given(ALL_TRANSLATIONS)
def test_translation_is_serialized_on_one_line(translation: Translation) -> None:
    (row,) = translation_rows(make_record(550, translation))
    assert "\n" not in row["texts"]


@given(ALL_TRANSLATIONS)
def test_any_translation_round_trips(translation: Translation) -> None:
    (row,) = translation_rows(make_record(550, translation))
    assert to_translation(row["texts"]) == translation


@given(ALL_DETAILS)
def test_movie_row_contains_no_nul(details: MovieDetails) -> None:
    row = movie_row(MovieRecord(details), NOON)
    assert "\0" not in row["details"] + row["sort_title"]


def test_movie_row_has_filter_and_sort_columns() -> None:
    row = movie_row(make_record(550, title="Él", release_date=date(1953, 7, 9)), NOON)
    columns = {"id": 550, "sort_title": "el", "release_date": date(1953, 7, 9), "fetched_at": NOON}
    assert columns.items() <= row.items()


def test_missing_release_date_is_null() -> None:
    assert movie_row(make_record(550, release_date=None), NOON)["release_date"] is None


def test_each_translation_has_its_own_row() -> None:
    rows = translation_rows(
        make_record(550, make_translation("es", "ES"), make_translation("es", "MX"))
    )
    keys = [(row["movie_id"], row["language"], row["region"]) for row in rows]
    assert keys == [(550, "es", "ES"), (550, "es", "MX")]


def test_duplicate_translations_have_one_row() -> None:
    twice = [make_translation("es", "ES", title="Uno"), make_translation("es", "ES", title="Otro")]
    (row,) = translation_rows(make_record(550, *twice))
    assert (row["language"], row["region"]) == ("es", "ES")


def test_movie_without_translations_has_no_translation_rows() -> None:
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
def test_folding_removes_case_and_accents(title: str, expected: str) -> None:
    assert fold_title(title) == expected


def test_letters_fold_the_same_in_either_case() -> None:
    letters = {chr(code) for code in range(0x10000)}
    differ = {each for each in letters if fold_title(each) != fold_title(each.upper())}
    assert differ == {"\u0131"}  # The dotless i, whose uppercase is a plain I.


def test_folding_a_letter_is_idempotent() -> None:
    once = {fold_title(chr(code)) for code in range(0x10000)}
    assert {each for each in once if fold_title(each) != each} == set()


@given(st.text())
def test_folding_any_text_is_idempotent(title: str) -> None:
    assert fold_title(fold_title(title)) == fold_title(title)
