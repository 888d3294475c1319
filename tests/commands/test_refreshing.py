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
from threading import Event

import pytest

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, SqlMovies
from butaca.adapters.sql.tables import movies
from butaca.commands.refreshing import EVERY, Report
from butaca.core.errors import CatalogueAnsweredNonsense
from butaca.core.models import StoredMovie
from butaca.core.refresh import Outcome
from butaca.sandbox import Fault, Sandbox
from butaca.sandbox.films.movies import builtin_movies
from tests.builders import CONSUMER, make_record
from tests.nursery import Fork

IDS = sorted(movie.id for movie in builtin_movies()[:30])
CHANGED = sorted({movie.id for movie in builtin_movies()[::3]} & set(IDS))
UNCHANGED = sorted(set(IDS) - set(CHANGED))
SECONDS_TO_END = 30


@dataclass
class Stored:
    """A database with movies, and the TMDB that they are refreshed from."""

    database: Database
    tmdb: Sandbox

    def stock(self, *movie_ids: int, days: int = 40, is_kept: bool = True) -> None:
        at = datetime.now(UTC) - timedelta(days=days)
        for movie_id in movie_ids:
            SqlMovies(self.database).save_movie(make_record(movie_id, title="Before"), at)
            if is_kept:
                SqlLibrary(self.database).add_favorite(CONSUMER.id, movie_id, at)

    def start(
        self, *words: str, stderr: int = subprocess.PIPE, changes: Mapping[str, str] | None = None
    ) -> Fork:
        environment = {
            "DATABASE_URL": self.database.engine.url.render_as_string(hide_password=False),
            "TMDB_TOKEN": "sandbox-token",
            "TMDB_BASE_URL": self.tmdb.url,
            "TMDB_RETRIES": "0",
        }
        return Fork(
            *("movies", "refresh", "--rate", "40", *words),
            environment={**os.environ, **environment, **(changes or {})},
            stderr=stderr,
        )

    def refresh(self, *words: str, **changes: str) -> "Told":
        with self.start(*words, changes=changes) as process:
            return told(process)

    def refresh_until_asked_for(self, movie_id: int, end_by: signal.Signals) -> "Told":
        with self.start() as process:
            while not self.tmdb.calls[f"/3/movie/{movie_id}"] and process.poll() is None:
                Event().wait(0.01)
            process.send_signal(end_by)
            return told(process)

    def movies(self) -> dict[int, StoredMovie]:
        return {each.id: each for each in SqlMovies(self.database).movies(0, limit=1000)}

    def title(self, movie_id: int) -> str:
        favorite = SqlLibrary(self.database).find_favorite(CONSUMER.id, movie_id)
        assert favorite
        return favorite.movie.title


@dataclass
class Told:
    """How a refresh ended, and what it said."""

    status: int
    lines: list[str]
    errors: list[str]

    @property
    def summary(self) -> str:
        return self.lines[-1]


def told(process: Fork) -> Told:
    output, errors = process.communicate(timeout=SECONDS_TO_END)
    return Told(process.returncode, output.splitlines(), (errors or "").splitlines())


def summary(*numbers: int) -> str:
    names = ("refreshed", "unchanged", "gone", "dropped", "failed")
    return ", ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True))


@pytest.fixture
def stored(sqlite: Database) -> Iterator[Stored]:
    SqlAccounts(sqlite).grant_token(CONSUMER, "0" * 64, datetime.now(UTC))
    with Sandbox() as tmdb:
        yield Stored(sqlite, tmdb)


def test_what_changed_is_fetched_and_the_rest_is_not(stored: Stored) -> None:
    stored.stock(*IDS)
    told = stored.refresh()
    assert (told.status, told.errors) == (0, [])
    assert told.lines == ["Movies due: 30", summary(len(CHANGED), len(UNCHANGED), 0, 0, 0)]
    asked = {path for path in stored.tmdb.calls if path != "/3/movie/changes"}
    assert asked == {f"/3/movie/{each}" for each in CHANGED}
    assert {each for each in IDS if stored.title(each) == "Before"} == set(UNCHANGED)


def test_a_second_refresh_has_nothing_to_do(stored: Stored) -> None:
    stored.stock(*IDS)
    stored.refresh()
    stored.tmdb.calls.reset()
    told = stored.refresh()
    assert told.lines == ["Movies due: 0", summary(0, 0, 0, 0, 0)]
    assert stored.tmdb.calls.total == 0


def test_the_line_of_the_readme_works(stored: Stored) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (line,) = [each for each in readme.splitlines() if each.startswith("butaca movies refresh")]
    stored.stock(*CHANGED[:2])
    assert stored.refresh(*line.split()[3:]).summary == summary(2, 0, 0, 0, 0)


def test_what_is_older_than_tmdb_permits_is_fetched_even_if_unchanged(stored: Stored) -> None:
    stored.stock(*UNCHANGED, days=181)
    told = stored.refresh("--older-than", "9999d")
    assert told.summary == summary(len(UNCHANGED), 0, 0, 0, 0)


def test_what_is_gone_is_marked_and_stays(stored: Stored) -> None:
    stored.stock(CHANGED[0], UNCHANGED[0])
    stored.tmdb.inject(Fault("deleted", ids=(UNCHANGED[0],)))
    told = stored.refresh()
    assert told.summary == summary(1, 0, 1, 0, 0)
    assert stored.movies()[UNCHANGED[0]].gone_at
    assert stored.movies()[CHANGED[0]].gone_at is None
    assert stored.title(UNCHANGED[0]) == "Before"


def test_what_nobody_keeps_is_dropped(stored: Stored) -> None:
    stored.stock(550)
    stored.stock(551, 552, days=1, is_kept=False)
    assert stored.refresh().summary == summary(0, 1, 0, 2, 0)
    assert stored.movies().keys() == {550}


@pytest.mark.parametrize("end_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_refresh_is_resumed_where_it_was_cut(
    stored: Stored, end_by: signal.Signals
) -> None:
    stored.stock(*CHANGED)
    stored.tmdb.inject(Fault("hang", paths=f"/3/movie/{CHANGED[4]}"))
    told = stored.refresh_until_asked_for(CHANGED[4], end_by)
    assert told.status == 128 + end_by
    assert told.errors == []
    assert told.summary == (
        f"Stopped by {end_by.name}; the next run continues from here: {summary(4, 0, 0, 0, 0)}"
    )

    stored.tmdb.clear_faults()
    stored.tmdb.calls.reset()
    assert stored.refresh().summary == summary(len(CHANGED) - 4, 0, 0, 0, 0)
    assert not [each for each in CHANGED[:4] if stored.tmdb.calls[f"/3/movie/{each}"]]


def test_a_movie_that_makes_no_sense_is_told_and_passed_over(stored: Stored) -> None:
    stored.stock(*CHANGED)
    stored.tmdb.inject(Fault("object", paths=f"/3/movie/{CHANGED[1]}"))
    told = stored.refresh()
    assert told.status == 0
    assert told.summary == summary(len(CHANGED) - 1, 0, 0, 0, 1)
    assert told.errors == [
        f"Movie {CHANGED[1]}: The movie catalogue answered something that makes no sense."
        " (HTTP 200)"
    ]


def test_a_tmdb_that_fails_stops_it_in_a_line(stored: Stored) -> None:
    stored.stock(*IDS, days=181)
    stored.tmdb.inject(Fault("503", paths="/3/movie/[0-9]*"))
    told = stored.refresh()
    assert told.status == 1
    assert len(told.errors) == 11
    assert told.errors[-1] == (
        "Error: TMDB: The movie catalogue cannot be reached right now. (HTTP 503)"
    )
    assert told.summary == f"Stopped; the next run continues from here: {summary(0, 0, 0, 0, 10)}"


def test_a_tmdb_that_cannot_be_reached_stops_it_at_its_first_call(stored: Stored) -> None:
    stored.stock(*IDS)
    stored.tmdb.stop()
    told = stored.refresh()
    assert told.status == 1
    assert told.errors == ["Error: TMDB: The movie catalogue cannot be reached right now."]


def test_an_address_that_is_not_tmdbs_marks_nothing_as_gone(stored: Stored) -> None:
    stored.stock(*IDS, days=181)
    told = stored.refresh(TMDB_BASE_URL=f"{stored.tmdb.url}/nowhere")
    assert told.status == 1
    assert not [each for each in stored.movies().values() if each.gone_at]


def test_a_schema_that_is_not_current_is_told_in_a_line(stored: Stored, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    told = stored.refresh(DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}")
    assert told.status == 1
    assert told.errors == ["Error: The schema of the database is not current; run: butaca migrate"]


def test_a_database_that_goes_away_is_told_after_what_was_done(stored: Stored) -> None:
    stored.stock(*CHANGED)
    stored.tmdb.inject(Fault("delay", paths=f"/3/movie/{CHANGED[1]}", seconds=0.5))
    with stored.start() as process:
        while not stored.tmdb.calls[f"/3/movie/{CHANGED[1]}"]:
            Event().wait(0.01)
        with stored.database.writing() as connection:
            connection.execute(movies.update().values(gone_at=None))
            ended = told(process)
    assert ended.status == 1
    assert ended.summary.endswith(summary(1, 0, 0, 0, 0))
    expected = "Error: The database at DATABASE_URL cannot be reached: database is locked."
    assert ended.errors[-1] == expected


def test_an_age_that_is_none_is_told_in_a_line(stored: Stored) -> None:
    told = stored.refresh("--older-than", "month")
    assert told.status == 1
    assert len(told.errors) == 1
    assert "'month' is not a duration such as 90d" in told.errors[0]


def test_it_goes_no_faster_than_the_rate(stored: Stored) -> None:
    stored.stock(*CHANGED)
    started = time.monotonic()
    stored.refresh("--rate", "10")
    assert time.monotonic() - started >= len(CHANGED) / 10


def test_two_at_once_do_no_harm(stored: Stored) -> None:
    stored.stock(*CHANGED)
    with stored.start() as one, stored.start() as other:
        ended = [told(one), told(other)]
    assert [each.status for each in ended] == [0, 0]
    assert stored.refresh().lines[0] == "Movies due: 0"


def test_on_a_terminal_there_is_a_bar(stored: Stored) -> None:
    stored.stock(*CHANGED)
    stored.tmdb.inject(Fault("object", paths=f"/3/movie/{CHANGED[1]}"))
    ours, theirs = pty.openpty()
    with stored.start(stderr=theirs) as process:
        os.close(theirs)
        shown = b"".join(chunks(ours))
        output, _ = process.communicate(timeout=SECONDS_TO_END)
    os.close(ours)
    bar = f"{len(CHANGED)}/{len(CHANGED)}".encode()
    assert bar in shown
    assert f"\r\x1b[KMovie {CHANGED[1]}: ".encode() in shown
    assert output == summary(len(CHANGED) - 1, 0, 0, 0, 1) + "\n"


def chunks(terminal: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(terminal, 4096):
            yield chunk
    except OSError:  # So a terminal ends whose other side is closed.
        return


# In parts


def test_lines_tell_how_far_a_long_refresh_is(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.began(2 * EVERY + 5)
    report.done(Outcome.DROPPED, EVERY)
    report.done(Outcome.UNCHANGED, EVERY - 1)
    report.done(Outcome.REFRESHED)
    report.done(Outcome.GONE, EVERY + 5)
    report.tell()
    assert capsys.readouterr().out.splitlines() == [
        "Movies due: 2005",
        "1000 of 2005",
        "2005 of 2005",
        summary(1, 999, 1005, 1000, 0),
    ]


def test_a_failure_without_a_status_is_told_without_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Report().failed(550, CatalogueAnsweredNonsense("No."))
    assert capsys.readouterr().err == "Movie 550: No.\n"
