"""`butaca movies refresh` end to end: a real process, a sandbox TMDB and a real store."""

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, SqlMovies
from butaca.adapters.sql.tables import movies
from butaca.commands.refreshing import PROGRESS_INTERVAL, Report
from butaca.core.errors import CatalogueInvalidResponse
from butaca.core.models import StoredMovie
from butaca.core.refresh import Outcome
from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.movies.movies import builtin_movies
from tests.builders import CONSUMER, make_record
from tests.fork_server import Fork
from tests.waiting import wait_until

IDS = sorted(movie.id for movie in builtin_movies()[:30])
CHANGED = sorted({movie.id for movie in builtin_movies()[::3]} & set(IDS))
UNCHANGED = sorted(set(IDS) - set(CHANGED))
EXIT_TIMEOUT = 30


@dataclass
class RefreshSetup:
    """A database with movies, and a sandbox TMDB to refresh them from."""

    database: Database
    tmdb: Sandbox

    def add_movies(self, *movie_ids: int, days: int = 40, is_favorite: bool = True) -> None:
        at = datetime.now(UTC) - timedelta(days=days)
        for movie_id in movie_ids:
            SqlMovies(self.database).save_movie(make_record(movie_id, title="Before"), at)
            if is_favorite:
                SqlLibrary(self.database).add_favorite(CONSUMER.id, movie_id, at)

    def start(
        self,
        *arguments: str,
        stderr: int = subprocess.PIPE,
        changes: Mapping[str, str] | None = None,
    ) -> Fork:
        environment = {
            "DATABASE_URL": self.database.engine.url.render_as_string(hide_password=False),
            "TMDB_TOKEN": "sandbox-token",
            "TMDB_BASE_URL": self.tmdb.url,
            "TMDB_RETRIES": "0",
        }
        return Fork(
            *("movies", "refresh", "--rate", "40", *arguments),
            environment={**os.environ, **environment, **(changes or {})},
            stderr=stderr,
        )

    def refresh(self, *arguments: str, **changes: str) -> "RefreshResult":
        with self.start(*arguments, changes=changes) as process:
            return finish(process)

    def refresh_until_request_for(self, movie_id: int, signal_: signal.Signals) -> "RefreshResult":
        with self.start() as process:
            self.wait_until_request_for(movie_id)
            process.send_signal(signal_)
            return finish(process)

    def wait_until_request_for(self, movie_id: int) -> None:
        wait_until(lambda: self.tmdb.calls[f"/3/movie/{movie_id}"], EXIT_TIMEOUT)

    def movies(self) -> dict[int, StoredMovie]:
        return {each.id: each for each in SqlMovies(self.database).movies(0, limit=1000)}

    def title(self, movie_id: int) -> str:
        favorite = SqlLibrary(self.database).find_favorite(CONSUMER.id, movie_id)
        assert favorite
        return favorite.movie.title


@dataclass
class RefreshResult:
    """The exit status and the output of a refresh."""

    status: int
    lines: list[str]
    errors: list[str]

    @property
    def summary(self) -> str:
        return self.lines[-1]


def finish(process: Fork) -> RefreshResult:
    output, errors = process.communicate(timeout=EXIT_TIMEOUT)
    return RefreshResult(process.returncode, output.splitlines(), (errors or "").splitlines())


def summary(*numbers: int) -> str:
    names = ("refreshed", "unchanged", "gone", "dropped", "failed")
    return ", ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True))


@pytest.fixture
def setup(sqlite: Database) -> Iterator[RefreshSetup]:
    SqlAccounts(sqlite).grant_token(CONSUMER, "0" * 64, datetime.now(UTC))
    with Sandbox() as tmdb:
        yield RefreshSetup(sqlite, tmdb)


def test_only_changed_movies_are_fetched(setup: RefreshSetup) -> None:
    setup.add_movies(*IDS)
    result = setup.refresh()
    assert (result.status, result.errors) == (0, [])
    assert result.lines == ["Movies due: 30", summary(len(CHANGED), len(UNCHANGED), 0, 0, 0)]
    requested = {path for path in setup.tmdb.calls if path != "/3/movie/changes"}
    assert requested == {f"/3/movie/{each}" for each in CHANGED}
    assert {each for each in IDS if setup.title(each) == "Before"} == set(UNCHANGED)


def test_second_refresh_finds_nothing_due(setup: RefreshSetup) -> None:
    setup.add_movies(*IDS)
    setup.refresh()
    setup.tmdb.calls.reset()
    result = setup.refresh()
    assert result.lines == ["Movies due: 0", summary(0, 0, 0, 0, 0)]
    assert setup.tmdb.calls.total == 0


def test_command_in_the_readme_works(setup: RefreshSetup) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (line,) = [each for each in readme.splitlines() if each.startswith("butaca movies refresh")]
    setup.add_movies(*CHANGED[:2])
    assert setup.refresh(*line.split()[3:]).summary == summary(2, 0, 0, 0, 0)


def test_movies_beyond_the_permitted_age_are_fetched_even_if_unchanged(setup: RefreshSetup) -> None:
    setup.add_movies(*UNCHANGED, days=181)
    result = setup.refresh("--older-than", "9999d")
    assert result.summary == summary(len(UNCHANGED), 0, 0, 0, 0)


def test_gone_movie_is_marked_and_not_deleted(setup: RefreshSetup) -> None:
    setup.add_movies(CHANGED[0], UNCHANGED[0])
    setup.tmdb.inject(Fault("deleted", ids=(UNCHANGED[0],)))
    result = setup.refresh()
    assert result.summary == summary(1, 0, 1, 0, 0)
    assert setup.movies()[UNCHANGED[0]].gone_at
    assert setup.movies()[CHANGED[0]].gone_at is None
    assert setup.title(UNCHANGED[0]) == "Before"


def test_unreferenced_movies_are_dropped(setup: RefreshSetup) -> None:
    setup.add_movies(550)
    setup.add_movies(551, 552, days=1, is_favorite=False)
    assert setup.refresh().summary == summary(0, 1, 0, 2, 0)
    assert setup.movies().keys() == {550}


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_refresh_is_resumed_by_the_next_run(
    setup: RefreshSetup, signal_: signal.Signals
) -> None:
    setup.add_movies(*CHANGED)
    setup.tmdb.inject(Fault("hang", paths=f"/3/movie/{CHANGED[4]}"))
    result = setup.refresh_until_request_for(CHANGED[4], signal_)
    assert result.status == 128 + signal_
    assert result.errors == []
    assert result.summary == (
        f"Stopped by {signal_.name}; the next run continues from here: {summary(4, 0, 0, 0, 0)}"
    )

    setup.tmdb.clear_faults()
    setup.tmdb.calls.reset()
    assert setup.refresh().summary == summary(len(CHANGED) - 4, 0, 0, 0, 0)
    assert not [each for each in CHANGED[:4] if setup.tmdb.calls[f"/3/movie/{each}"]]


def test_invalid_movie_is_reported_and_skipped(setup: RefreshSetup) -> None:
    setup.add_movies(*CHANGED)
    setup.tmdb.inject(Fault("object", paths=f"/3/movie/{CHANGED[1]}"))
    result = setup.refresh()
    assert result.status == 0
    assert result.summary == summary(len(CHANGED) - 1, 0, 0, 0, 1)
    assert result.errors == [
        f"Movie {CHANGED[1]}: The movie catalogue returned an invalid response. (HTTP 200)"
    ]


def test_ten_consecutive_failures_stop_the_refresh(setup: RefreshSetup) -> None:
    setup.add_movies(*IDS, days=181)
    setup.tmdb.inject(Fault("503", paths="/3/movie/[0-9]*"))
    result = setup.refresh()
    assert result.status == 1
    assert len(result.errors) == 11
    assert result.errors[-1] == (
        "Error: TMDB: The movie catalogue cannot be reached right now. (HTTP 503)"
    )
    assert result.summary == f"Stopped; the next run continues from here: {summary(0, 0, 0, 0, 10)}"


def test_unreachable_tmdb_stops_the_refresh_at_the_first_call(setup: RefreshSetup) -> None:
    setup.add_movies(*IDS)
    setup.tmdb.stop()
    result = setup.refresh()
    assert result.status == 1
    assert result.errors == ["Error: TMDB: The movie catalogue cannot be reached right now."]


def test_wrong_tmdb_url_marks_no_movie_as_gone(setup: RefreshSetup) -> None:
    setup.add_movies(*IDS, days=181)
    result = setup.refresh(TMDB_BASE_URL=f"{setup.tmdb.url}/nowhere")
    assert result.status == 1
    assert not [each for each in setup.movies().values() if each.gone_at]


def test_outdated_schema_is_reported_in_one_line(setup: RefreshSetup, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    result = setup.refresh(DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}")
    assert result.status == 1
    assert result.errors == [
        "Error: The schema of the database is not current; run: butaca migrate"
    ]


def test_locked_database_is_reported_after_the_summary(setup: RefreshSetup) -> None:
    setup.add_movies(*CHANGED)
    setup.tmdb.inject(Fault("delay", paths=f"/3/movie/{CHANGED[1]}", seconds=0.5))
    with setup.start() as process:
        setup.wait_until_request_for(CHANGED[1])
        with setup.database.writing() as connection:
            connection.execute(movies.update().values(gone_at=None))
            result = finish(process)
    assert result.status == 1
    assert result.summary.endswith(summary(1, 0, 0, 0, 0))
    expected = "Error: The database at DATABASE_URL cannot be reached: database is locked."
    assert result.errors[-1] == expected


def test_invalid_duration_is_reported_in_one_line(setup: RefreshSetup) -> None:
    result = setup.refresh("--older-than", "month")
    assert result.status == 1
    assert len(result.errors) == 1
    assert "'month' is not a duration such as 90d" in result.errors[0]


def test_refresh_respects_the_rate_limit(setup: RefreshSetup) -> None:
    setup.add_movies(*CHANGED)
    started = time.monotonic()
    setup.refresh("--rate", "10")
    assert time.monotonic() - started >= len(CHANGED) / 10


def test_two_concurrent_refreshes_succeed(setup: RefreshSetup) -> None:
    setup.add_movies(*CHANGED)
    with setup.start() as one, setup.start() as other:
        results = [finish(one), finish(other)]
    assert [each.status for each in results] == [0, 0]
    assert setup.refresh().lines[0] == "Movies due: 0"


def test_terminal_shows_a_progress_bar(setup: RefreshSetup) -> None:
    setup.add_movies(*CHANGED)
    setup.tmdb.inject(Fault("object", paths=f"/3/movie/{CHANGED[1]}"))
    reader, writer = pty.openpty()
    with setup.start(stderr=writer) as process:
        os.close(writer)
        terminal_output = b"".join(read_chunks(reader))
        output, _ = process.communicate(timeout=EXIT_TIMEOUT)
    os.close(reader)
    bar = f"{len(CHANGED)}/{len(CHANGED)}".encode()
    assert bar in terminal_output
    assert f"\r\x1b[KMovie {CHANGED[1]}: ".encode() in terminal_output
    assert output == summary(len(CHANGED) - 1, 0, 0, 0, 1) + "\n"


def read_chunks(terminal: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(terminal, 4096):
            yield chunk
    except OSError:  # Raised when the other side of the terminal is closed.
        return


# Report


def test_report_prints_progress_lines(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.started(2 * PROGRESS_INTERVAL + 5)
    report.done(Outcome.DROPPED, PROGRESS_INTERVAL)
    report.done(Outcome.UNCHANGED, PROGRESS_INTERVAL - 1)
    report.done(Outcome.REFRESHED)
    report.done(Outcome.GONE, PROGRESS_INTERVAL + 5)
    report.summarize()
    assert capsys.readouterr().out.splitlines() == [
        "Movies due: 2005",
        "1000 of 2005",
        "2005 of 2005",
        summary(1, 999, 1005, 1000, 0),
    ]


def test_failure_without_a_status_is_printed_without_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Report().failed(550, CatalogueInvalidResponse("No."))
    assert capsys.readouterr().err == "Movie 550: No.\n"
