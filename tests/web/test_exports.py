"""A user's data as a file: complete, or recognizably incomplete."""

import csv
import json
import logging
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from butaca.core.errors import LibraryUnavailable
from butaca.core.library import EXPORT_PAGE
from butaca.core.models import Entry
from butaca.web import WebOptions, create_web
from tests.builders import ADMIN, CONSUMER_TOKEN, NOON, make_record
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.fakes import FakeLibrary
from tests.web.scene import API, keep, rate

EXPORT = f"{API}/me/export"
CSV = f"{EXPORT}?format=csv"
HEADER = "tmdbID,Title,Year,Rating,WatchedDate\r\n"


def movies(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    found: list[dict[str, Any]] = json.loads(answer.text)["movies"]
    return found


def rows(answer: TestResponse) -> list[list[str]]:
    assert answer.status_code == 200
    return list(csv.reader(StringIO(answer.text, newline=""), strict=True))[1:]


def test_a_json_export_is_who_i_am_and_all_that_my_movies_are_to_me(
    world: World, consumer: ContractClient
) -> None:
    record = make_record(550, imdb_id="tt0137523")
    keep(world, record)
    rate(world, record, 4)
    consumer.patch(f"{API}/me/ratings/550", json={"stars": 4.5})

    answer = consumer.get(EXPORT)

    assert json.loads(answer.text) == {
        "exported_at": "2026-05-01T14:00:00Z",
        "user": {"id": 2, "name": "consumer", "role": "USER"},
        "movies": [
            {
                "id": 550,
                "imdb_id": "tt0137523",
                "title": "Movie 550",
                "original_title": "Original 550",
                "release_date": "1999-10-15",
                "favorited_at": "2026-05-01T12:00:00Z",
                "stars": 4.5,
                "rated_at": "2026-05-01T13:00:00Z",
                "corrected_at": "2026-05-01T14:00:00Z",
            }
        ],
    }


def test_a_csv_export_has_the_columns_that_letterboxd_imports(
    world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(13))
    rate(world, make_record(550), 4.5)

    answer = consumer.get(CSV)

    assert answer.text == f"{HEADER}13,Movie 13,1999,,\r\n550,Movie 550,1999,4.5,\r\n"


def test_what_is_absent_is_null_in_json(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550, release_date=None))

    (movie,) = movies(consumer.get(EXPORT))

    absent = {name for name, value in movie.items() if value is None}
    assert absent == {"imdb_id", "release_date", "stars", "rated_at", "corrected_at"}


def test_what_is_absent_is_empty_in_csv(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550, release_date=None))

    assert rows(consumer.get(CSV)) == [["550", "Movie 550", "", "", ""]]


@pytest.mark.parametrize(
    ("stars", "written"), [(0, ""), (0.5, "0.5"), (1, "1"), (4.5, "4.5"), (5, "5")]
)
def test_stars_are_written_as_letterboxd_takes_them(
    stars: float, written: str, world: World, consumer: ContractClient
) -> None:
    rate(world, make_record(550), stars)

    assert rows(consumer.get(CSV)) == [["550", "Movie 550", "1999", written, ""]]


def test_no_stars_are_a_rating_in_json(world: World, consumer: ContractClient) -> None:
    rate(world, make_record(550), 0)

    (movie,) = movies(consumer.get(EXPORT))

    assert movie["stars"] == 0


def test_an_empty_library_is_exported_as_json(consumer: ContractClient) -> None:
    assert movies(consumer.get(EXPORT)) == []


def test_an_empty_library_is_exported_as_csv(consumer: ContractClient) -> None:
    assert consumer.get(CSV).text == HEADER


def test_what_is_somebody_elses_is_not_exported(world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550), user=ADMIN)

    assert movies(consumer.get(EXPORT)) == []


ODD = [
    'Say "Hello"',
    "Me, Myself & Irene",
    "Two\nlines",
    "Two\r\nlines",
    "El club de la lucha: ¿qué?",
    "千と千尋の神隠し",
    "\U0001f3ac \u202eright to left",
    "; \t | '",
    "",
]


@pytest.mark.parametrize("title", ODD, ids=ascii)
def test_an_odd_title_comes_out_of_a_csv_as_it_was(
    title: str, world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550, title=title), make_record(551))

    assert [row[1] for row in rows(consumer.get(CSV))] == [title, "Movie 551"]


FORMULAS = [
    '=HYPERLINK("http://example.org")',
    "+1",
    "-30-",
    "@Suicide Room",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
]


@pytest.mark.parametrize("title", FORMULAS, ids=ascii)
def test_a_title_in_a_csv_is_no_formula(title: str, world: World, consumer: ContractClient) -> None:
    keep(world, make_record(550, title=title))

    assert rows(consumer.get(CSV)) == [["550", f"'{title}", "1999", "", ""]]


def test_a_nul_is_left_out_of_a_csv_and_hides_no_formula(
    world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550, title="\0=A\0B"))

    assert rows(consumer.get(CSV)) == [["550", "'=AB", "1999", "", ""]]


@pytest.mark.parametrize("title", [*ODD, *FORMULAS, "\0=A\0B"], ids=ascii)
def test_any_title_comes_out_of_json_as_it_was(
    title: str, world: World, consumer: ContractClient
) -> None:
    keep(world, make_record(550, title=title))

    (movie,) = movies(consumer.get(EXPORT))

    assert movie["title"] == title


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("query", "content_type", "name"),
    [
        ("", "application/json", "butaca-export-2026-05-01.json"),
        ("?format=json", "application/json", "butaca-export-2026-05-01.json"),
        (
            "?format=csv",
            "text/csv; charset=utf-8; header=present",
            "butaca-export-2026-05-01.csv",
        ),
    ],
)
def test_an_export_is_a_file_that_nobody_else_keeps(
    method: str, query: str, content_type: str, name: str, consumer: ContractClient
) -> None:
    headers = consumer.open(EXPORT + query, method=method).headers

    assert headers["Content-Type"] == content_type
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert headers["Cache-Control"] == "private, no-store"
    assert "ETag" not in headers


@pytest.mark.parametrize("name", ["", "xml", "JSON", "csv,json", "csv%00", "null"])
def test_an_unknown_format_is_refused(name: str, consumer: ContractClient) -> None:
    answer = consumer.get(f"{EXPORT}?format={name}")

    assert answer.status_code == 422
    assert answer.json is not None
    assert [(each["location"], each["field"]) for each in answer.json["errors"]] == [
        ("query", "format")
    ]


# Longer than a page


@dataclass
class BreakingLibrary(FakeLibrary):
    """A library that fails from its so-and-so-many-th page on."""

    good_pages: int = 1
    failure: Exception = field(default_factory=LibraryUnavailable)

    def entries(self, user_id: int, after: int, limit: int) -> tuple[Entry, ...]:
        if not self.good_pages:
            raise self.failure
        self.good_pages -= 1
        return super().entries(user_id, after, limit)


def fill(store: FakeLibrary, count: int = EXPORT_PAGE + 1) -> list[int]:
    for number in range(count):
        store.save_movie(make_record(number), NOON)
        store.add_favorite(2, number, NOON)
    return list(range(count))


def unchecked(store: FakeLibrary) -> FlaskClient:
    """Return a client that takes even what the contract does not know."""
    client = create_web(World(store=store).services(), WebOptions()).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
    return client


def test_json_of_several_pages_is_one_document(world: World, consumer: ContractClient) -> None:
    ids = fill(world.store)

    assert [movie["id"] for movie in movies(consumer.get(EXPORT))] == ids


def test_csv_of_several_pages_has_one_header(world: World, consumer: ContractClient) -> None:
    ids = fill(world.store)

    assert [int(row[0]) for row in rows(consumer.get(CSV))] == ids


@pytest.mark.parametrize("path", [EXPORT, CSV])
def test_no_page_is_fetched_before_the_one_before_it_is_sent(path: str) -> None:
    store = BreakingLibrary(good_pages=1)
    fill(store)

    with unchecked(store).get(path) as answer:
        parts = answer.iter_encoded()
        sent = next(parts) + next(parts)

    assert f"Movie {EXPORT_PAGE - 1}" in sent.decode()


@pytest.mark.parametrize("path", [EXPORT, CSV])
def test_a_database_that_is_away_is_told_before_an_export_begins(path: str) -> None:
    answer = unchecked(BreakingLibrary(good_pages=0)).get(path)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "Content-Disposition" not in answer.headers


FAILURES = [LibraryUnavailable(), RuntimeError("a fault of ours")]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_json_that_broke_off_cannot_be_read(failure: Exception) -> None:
    store = BreakingLibrary(failure=failure)
    fill(store)

    answer = unchecked(store).get(EXPORT)

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_csv_that_broke_off_cannot_be_read(failure: Exception) -> None:
    store = BreakingLibrary(failure=failure)
    fill(store)

    answer = unchecked(store).get(CSV)

    with pytest.raises(csv.Error, match="unexpected end"):
        rows(answer)


@pytest.mark.parametrize("path", [EXPORT, CSV])
def test_whoever_looks_at_an_export_that_broke_off_sees_it(path: str) -> None:
    store = BreakingLibrary()
    fill(store)

    answer = unchecked(store).get(path)

    assert answer.text.endswith("This export broke off. It is not whole.")
    assert f"Movie {EXPORT_PAGE - 1}" in answer.text


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_an_export_that_broke_off_is_one_line_in_the_log(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = BreakingLibrary(failure=failure)
    fill(store)

    unchecked(store).get(EXPORT, buffered=True)

    (line,) = (line for line in caplog.records if line.levelno >= logging.ERROR)
    assert (line.getMessage(), line.__dict__["user_id"]) == ("export.broke_off", 2)


def test_the_line_tells_where_a_fault_of_ours_is(caplog: pytest.LogCaptureFixture) -> None:
    store = BreakingLibrary(failure=RuntimeError("a fault of ours"))
    fill(store)

    unchecked(store).get(EXPORT, buffered=True)

    assert "a fault of ours" in caplog.text


def test_whoever_leaves_before_the_end_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = BreakingLibrary()
    fill(store)

    with unchecked(store).get(EXPORT) as answer:
        next(answer.iter_encoded())

    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []
