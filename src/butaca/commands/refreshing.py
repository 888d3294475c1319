"""The output and the exit status of `butaca movies refresh`."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from butaca import resources
from butaca.adapters.sql import SqlMovies, schema
from butaca.adapters.tmdb import TmdbCatalogue
from butaca.core.changes import ChangeReader
from butaca.core.errors import CatalogueFailed
from butaca.core.refresh import Outcome, Refresh
from butaca.core.throttle import Throttle
from butaca.operator_error import OperatorError
from butaca.settings import RefreshSettings

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

PROGRESS_INTERVAL = 1000
"""The number of movies per progress line, if stderr is not a terminal."""


class Interrupted(KeyboardInterrupt):
    """A signal to stop was received. On a KeyboardInterrupt, psycopg cancels a running query."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.name = signal.Signals(number).name
        self.exit_status = 128 + number


def create(settings: RefreshSettings, rate: float) -> Refresh:
    """Create a refresh that calls TMDB at most `rate` times per second, bypassing the cache.

    Raises OperatorError, LibraryUnavailable.
    """
    database = resources.database(settings, connections=1)
    schema.check(database)
    tmdb = TmdbCatalogue(resources.tmdb(settings, connections=1), settings.default_language)
    throttle = Throttle(rate).wait
    return Refresh(SqlMovies(database), tmdb, ChangeReader(tmdb, throttle), throttle)


def run(refresh: Refresh, older_than: timedelta) -> int:
    """Refresh and report; return the exit status: 0, or 128 plus the number of the signal.

    Raises OperatorError if TMDB fails, and LibraryUnavailable, after printing a summary.
    """
    report = Report()
    try:
        with _raising_on_signals():
            refresh.run(older_than, report)
    except Interrupted as interrupted:
        report.summarize(f"Stopped by {interrupted.name}; the next run continues from here: ")
        return interrupted.exit_status
    except CatalogueFailed as failure:
        report.summarize("Stopped; the next run continues from here: ")
        raise OperatorError(f"TMDB: {_describe(failure)}") from failure
    except BaseException:
        report.summarize("Stopped; the next run continues from here: ")
        raise
    report.summarize()
    return 0


class Report:
    """Reports progress with a bar on a terminal, otherwise in lines. Failures go to stderr."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()
        self._due = self._checked = 0
        self._bar: ProgressBar[int] | None = None

    def started(self, due: int) -> None:
        """Report the number of movies that are due."""
        self._due = due
        if due and sys.stderr.isatty():
            self._bar = click.progressbar(
                length=due, label="Refreshing", show_pos=True, file=sys.stderr
            )
            self._bar.render_progress()
        else:
            click.echo(f"Movies due: {due}")

    def done(self, outcome: Outcome, movies: int = 1) -> None:
        """Count the outcome of movies, and report the progress."""
        self._counts[outcome] += movies
        if outcome is not Outcome.DROPPED:
            self._advance(movies)

    def failed(self, movie_id: int, failure: CatalogueFailed) -> None:
        """Report why a movie could not be fetched."""
        if self._bar:
            click.echo("\r\x1b[K", nl=False, err=True)
        click.echo(f"Movie {movie_id}: {_describe(failure)}", err=True)

    def summarize(self, prefix: str = "") -> None:
        """Print a summary line."""
        if self._bar:
            self._bar.render_finish()
        click.echo(prefix + ", ".join(f"{each} {self._counts[each]}" for each in Outcome))

    def _advance(self, movies: int) -> None:
        if self._bar:
            self._bar.update(movies)
            return
        before, self._checked = self._checked, self._checked + movies
        if self._checked // PROGRESS_INTERVAL > before // PROGRESS_INTERVAL:
            click.echo(f"{self._checked} of {self._due}")


def _describe(failure: CatalogueFailed) -> str:
    status = failure.upstream_status
    return f"{failure} (HTTP {status})" if status else str(failure)


@contextmanager
def _raising_on_signals() -> Iterator[None]:
    """Raise Interrupted in the enclosed code on SIGINT (Ctrl-C) or SIGTERM."""
    previous = {each: signal.signal(each, _interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)
