"""`butaca movies`: maintenance of stored movies."""

import sys
from datetime import timedelta

import click

from butaca.commands.database import read_settings_with_example
from butaca.commands.durations import Duration
from butaca.commands.one_line import OneLineGroup, one_line_errors


@click.group(cls=OneLineGroup)
def movies() -> None:
    """Maintain the stored movies."""


@movies.command()
@click.option(
    "--older-than",
    type=Duration(),
    default="30d",
    show_default=True,
    help="Check movies that were last checked this long ago, such as 30d or 12h.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1, max=40),
    default=20.0,
    show_default=True,
    help="Maximum number of requests to TMDB per second; it accepts about 40 per address.",
)
def refresh(older_than: timedelta, rate: float) -> None:
    """Refresh stored movies from TMDB.

    Checks the movies that were last checked long enough ago, and drops those that no user has
    favorited or rated. Movies that are not in TMDB's lists of changes are not fetched again, until
    they approach the 180 days for which TMDB permits caching.

    Can be stopped, repeated, and run concurrently from several places.
    """
    from butaca.commands import refreshing
    from butaca.settings import RefreshSettings

    with one_line_errors():
        settings = read_settings_with_example(RefreshSettings)
        status = refreshing.run(refreshing.create(settings, rate), older_than)
    sys.exit(status)
