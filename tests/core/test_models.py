"""Stars are exact, and the role ADMIN includes the role USER."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from butaca.core.errors import StarsOutOfRange
from butaca.core.models import Role, Stars

NUMBERS = st.floats() | st.integers() | st.integers(-100, 200).map(lambda tenths: tenths / 10)


@pytest.mark.parametrize("halves", range(11))
def test_half_steps_are_represented_exactly(halves: int) -> None:
    stars = Stars.of(halves / 2)
    assert stars == Stars(halves)
    assert stars.number == halves / 2


@pytest.mark.parametrize("number", range(6))
def test_stars_can_be_created_from_integers(number: int) -> None:
    assert Stars.of(number).number == number


def test_negative_zero_is_zero() -> None:
    assert Stars.of(-0.0) == Stars(0)


@pytest.mark.parametrize("number", [True, False])
def test_boolean_is_rejected(number: bool) -> None:
    with pytest.raises(StarsOutOfRange):
        Stars.of(number)


@pytest.mark.parametrize(
    "number",
    [-1, 6, 5.5, -0.5, 4.3, 0.25, 1e308, -1e308, 5e-324, 10**400, -(10**400), 4.500000000000001],
)
def test_number_out_of_range_or_between_half_steps_is_rejected(number: float) -> None:
    with pytest.raises(StarsOutOfRange):
        Stars.of(number)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_rejected(number: float) -> None:
    with pytest.raises(StarsOutOfRange):
        Stars.of(number)


@given(NUMBERS)
@example(2.5)
@example(5)
def test_any_number_is_represented_exactly_or_rejected(number: float) -> None:
    steps = [halves / 2 for halves in range(11)]
    try:
        stars = Stars.of(number)
    except StarsOutOfRange:
        assert number not in steps
    else:
        assert stars.number == number
        assert number in steps


@pytest.mark.parametrize("halves", [-1, 11])
def test_constructor_rejects_half_stars_out_of_range(halves: int) -> None:
    with pytest.raises(StarsOutOfRange):
        Stars(halves)


def test_stars_are_ordered_by_number() -> None:
    assert Stars.of(0) < Stars.of(0.5) < Stars.of(5)


@pytest.mark.parametrize(
    ("role", "other", "is_included"),
    [
        (Role.USER, Role.USER, True),
        (Role.USER, Role.ADMIN, False),
        (Role.ADMIN, Role.USER, True),
        (Role.ADMIN, Role.ADMIN, True),
    ],
)
def test_admin_role_includes_user_role(role: Role, other: Role, is_included: bool) -> None:
    assert role.includes(other) is is_included
