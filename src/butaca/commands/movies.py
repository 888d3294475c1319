"""Looking after the movies that are stored."""

import sys
from datetime import timedelta

import click

from butaca.commands.durations import Duration
from butaca.commands.one_line import OneLineGroup, one_line


@click.group(cls=OneLineGroup)
def movies() -> None:
    """Look after the movies that are stored."""


@movies.command()
@click.option(
    "--older-than",
    type=Duration(),
    default="30d",
    show_default=True,
    help="How long ago a movie was last checked, such as 30d or 12h.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1, max=40),
    default=20.0,
    show_default=True,
    help="How many calls TMDB gets a second; it takes some 40 from one address.",
)
def refresh(older_than: timedelta, rate: float) -> None:
    """Fetch again what is stored of movies and too old, and drop what nobody keeps or rates.

    A movie that TMDB's lists of changes do not name needs no fetching, until it nears the 180
    days that TMDB permits. Safe to stop, to repeat, and to run at once from many places.
    """
    from butaca.commands import refreshing
    from butaca.settings import RefreshSettings, read_settings

    with one_line():
        settings = read_settings(RefreshSettings)
        status = refreshing.run(refreshing.create(settings, rate), older_than)
    sys.exit(status)
