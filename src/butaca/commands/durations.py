"""Durations on the command line, such as 90d."""

import re
from datetime import timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Duration(click.ParamType[timedelta]):
    """A positive integer with a unit: seconds, minutes, hours, days or weeks, such as 90d."""

    name = "duration"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Parse a duration."""
        match = re.fullmatch(r"([1-9][0-9]{0,7})([smhdw])", value)
        if match is None:
            self.fail(f"{value!r} is not a duration such as 90d, 12h or 30m.", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
