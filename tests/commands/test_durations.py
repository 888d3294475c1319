"""Parsing of durations on the command line."""

from datetime import timedelta

import click
import pytest

from butaca.commands.durations import Duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1s", timedelta(seconds=1)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("4w", timedelta(weeks=4)),
        ("99999999w", timedelta(weeks=99_999_999)),
    ],
)
def test_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert Duration().convert(text, None, None) == duration


@pytest.mark.parametrize(
    "text",
    ["", "90", "d", "0d", "-1d", "1.5h", "1h30m", "90 d", "90D", "1y", "٣d", "today", "999999999w"],
)
def test_invalid_duration_is_rejected(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 90d"):
        Duration().convert(text, None, None)
