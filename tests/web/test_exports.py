"""An export of a user's data is complete, or it cannot be parsed."""

import csv
import json
import logging
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from butaca import trace
from butaca.core.errors import LibraryUnavailable
from butaca.core.library import EXPORT_PAGE_SIZE
from butaca.core.models import UserMovie
from butaca.log import JsonFormatter
from butaca.web import WebOptions, create_web
from tests.builders import ADMIN, CONSUMER_TOKEN, NOON, make_record
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.fakes import FakeLibrary
from tests.web.helpers import API, add_favorites, add_rating

EXPORT = f"{API}/me/export"
CSV = f"{EXPORT}?format=csv"
HEADER = "tmdbID,Title,Year,Rating,WatchedDate\r\n"


def movies(response: TestResponse) -> list[dict[str, Any]]:
    assert response.status_code == 200
    exported: list[dict[str, Any]] = json.loads(response.text)["movies"]
    return exported


def rows(response: TestResponse) -> list[list[str]]:
    assert response.status_code == 200
    return list(csv.reader(StringIO(response.text, newline=""), strict=True))[1:]


def test_json_export_has_the_user_and_all_movie_data(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    record = make_record(550, imdb_id="tt0137523")
    add_favorites(backend, record)
    add_rating(backend, record, 4)
    consumer.patch(f"{API}/me/ratings/550", json={"stars": 4.5})

    response = consumer.get(EXPORT)

    assert json.loads(response.text) == {
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


def test_csv_export_has_the_columns_that_letterboxd_imports(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(13))
    add_rating(backend, make_record(550), 4.5)

    response = consumer.get(CSV)

    assert response.text == f"{HEADER}13,Movie 13,1999,,\r\n550,Movie 550,1999,4.5,\r\n"


def test_missing_values_are_null_in_json(backend: FakeBackend, consumer: ContractClient) -> None:
    add_favorites(backend, make_record(550, release_date=None))

    (movie,) = movies(consumer.get(EXPORT))

    null = {name for name, value in movie.items() if value is None}
    assert null == {"imdb_id", "release_date", "stars", "rated_at", "corrected_at"}


def test_missing_values_are_empty_in_csv(backend: FakeBackend, consumer: ContractClient) -> None:
    add_favorites(backend, make_record(550, release_date=None))

    assert rows(consumer.get(CSV)) == [["550", "Movie 550", "", "", ""]]


@pytest.mark.parametrize(
    ("stars", "expected"), [(0, ""), (0.5, "0.5"), (1, "1"), (4.5, "4.5"), (5, "5")]
)
def test_csv_stars_are_in_the_letterboxd_format(
    stars: float, expected: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_rating(backend, make_record(550), stars)

    assert rows(consumer.get(CSV)) == [["550", "Movie 550", "1999", expected, ""]]


def test_zero_stars_are_a_rating_in_json(backend: FakeBackend, consumer: ContractClient) -> None:
    add_rating(backend, make_record(550), 0)

    (movie,) = movies(consumer.get(EXPORT))

    assert movie["stars"] == 0


def test_empty_library_is_exported_as_json(consumer: ContractClient) -> None:
    assert movies(consumer.get(EXPORT)) == []


def test_empty_library_is_exported_as_csv(consumer: ContractClient) -> None:
    assert consumer.get(CSV).text == HEADER


def test_data_of_other_users_is_not_exported(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550), user=ADMIN)

    assert movies(consumer.get(EXPORT)) == []


UNUSUAL_TITLES = [
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


@pytest.mark.parametrize("title", UNUSUAL_TITLES, ids=ascii)
def test_unusual_title_survives_a_csv_round_trip(
    title: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550, title=title), make_record(551))

    assert [row[1] for row in rows(consumer.get(CSV))] == [title, "Movie 551"]


FORMULA_TITLES = [
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


@pytest.mark.parametrize("title", FORMULA_TITLES, ids=ascii)
def test_formula_in_a_csv_title_is_escaped(
    title: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550, title=title))

    assert rows(consumer.get(CSV)) == [["550", f"'{title}", "1999", "", ""]]


def test_nul_is_removed_before_a_csv_formula_is_escaped(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550, title="\0=A\0B"))

    assert rows(consumer.get(CSV)) == [["550", "'=AB", "1999", "", ""]]


@pytest.mark.parametrize("title", [*UNUSUAL_TITLES, *FORMULA_TITLES, "\0=A\0B"], ids=ascii)
def test_any_title_survives_a_json_round_trip(
    title: str, backend: FakeBackend, consumer: ContractClient
) -> None:
    add_favorites(backend, make_record(550, title=title))

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
def test_export_is_an_attachment_that_is_not_cached(
    method: str, query: str, content_type: str, name: str, consumer: ContractClient
) -> None:
    headers = consumer.open(EXPORT + query, method=method).headers

    assert headers["Content-Type"] == content_type
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert headers["Cache-Control"] == "private, no-store"
    assert "ETag" not in headers


@pytest.mark.parametrize("name", ["", "xml", "JSON", "csv,json", "csv%00", "null"])
def test_unknown_format_is_rejected(name: str, consumer: ContractClient) -> None:
    response = consumer.get(f"{EXPORT}?format={name}")

    assert response.status_code == 422
    assert response.json is not None
    assert [(error["location"], error["field"]) for error in response.json["errors"]] == [
        ("query", "format")
    ]


# Exports of several pages


@dataclass
class FailingLibrary(FakeLibrary):
    """A library that fails after `good_pages` pages of movies."""

    good_pages: int = 1
    failure: Exception = field(default_factory=LibraryUnavailable)

    def user_movies(self, user_id: int, after: int, limit: int) -> tuple[UserMovie, ...]:
        if not self.good_pages:
            raise self.failure
        self.good_pages -= 1
        return super().user_movies(user_id, after, limit)


def add_many_favorites(store: FakeLibrary, count: int = EXPORT_PAGE_SIZE + 1) -> list[int]:
    for number in range(count):
        store.save_movie(make_record(number), NOON)
        store.add_favorite(2, number, NOON)
    return list(range(count))


def unchecked_client(store: FakeLibrary) -> FlaskClient:
    """Return a client that does not check responses against the contract."""
    client = create_web(FakeBackend(store=store).services(), WebOptions()).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {CONSUMER_TOKEN}"
    return client


def test_json_export_of_several_pages_is_one_document(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    ids = add_many_favorites(backend.store)

    assert [movie["id"] for movie in movies(consumer.get(EXPORT))] == ids


def test_csv_export_of_several_pages_has_one_header(
    backend: FakeBackend, consumer: ContractClient
) -> None:
    ids = add_many_favorites(backend.store)

    assert [int(row[0]) for row in rows(consumer.get(CSV))] == ids


@pytest.mark.parametrize("path", [EXPORT, CSV])
def test_page_is_fetched_after_the_previous_one_is_sent(path: str) -> None:
    store = FailingLibrary(good_pages=1)
    add_many_favorites(store)

    with unchecked_client(store).get(path) as response:
        parts = response.iter_encoded()
        sent = next(parts) + next(parts)

    assert f"Movie {EXPORT_PAGE_SIZE - 1}" in sent.decode()


@pytest.mark.parametrize("path", [EXPORT, CSV])
def test_unavailable_database_returns_503_before_the_export_starts(path: str) -> None:
    response = unchecked_client(FailingLibrary(good_pages=0)).get(path)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "Content-Disposition" not in response.headers


FAILURES = [LibraryUnavailable(), RuntimeError("unexpected failure")]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_interrupted_json_export_cannot_be_parsed(failure: Exception) -> None:
    store = FailingLibrary(failure=failure)
    add_many_favorites(store)

    response = unchecked_client(store).get(EXPORT)

    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.text)


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_interrupted_csv_export_cannot_be_parsed(failure: Exception) -> None:
    store = FailingLibrary(failure=failure)
    add_many_favorites(store)

    response = unchecked_client(store).get(CSV)

    with pytest.raises(csv.Error, match="unexpected end"):
        rows(response)


@pytest.mark.parametrize("path", [EXPORT, CSV])
def test_interrupted_export_ends_with_a_note(path: str) -> None:
    store = FailingLibrary()
    add_many_favorites(store)

    response = unchecked_client(store).get(path)

    assert response.text.endswith("This export was interrupted and is incomplete.")
    assert f"Movie {EXPORT_PAGE_SIZE - 1}" in response.text


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_interrupted_export_is_logged_once(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = FailingLibrary(failure=failure)
    add_many_favorites(store)

    unchecked_client(store).get(EXPORT, buffered=True)

    (record,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert (record.getMessage(), record.__dict__["user_id"]) == ("export.aborted", 2)


def test_interrupted_export_is_logged_with_the_ids_of_its_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FailingLibrary()
    add_many_favorites(store)
    caplog.handler.setFormatter(JsonFormatter())

    unchecked_client(store).get(EXPORT, buffered=True, headers={"X-Request-Id": "abc"})

    lines = map(json.loads, caplog.text.splitlines())
    assert [each["request_id"] for each in lines if each["event"] == "export.aborted"] == ["abc"]


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "interrupted by the client"])
def test_thread_has_no_ids_after_an_export(*, is_read: bool) -> None:
    store = FailingLibrary(good_pages=9)
    add_many_favorites(store)

    with unchecked_client(store).get(EXPORT) as response:
        parts = response.iter_encoded()
        next(parts)
        if is_read:
            list(parts)

    assert trace.current() is None


def test_unexpected_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    store = FailingLibrary(failure=RuntimeError("unexpected failure"))
    add_many_favorites(store)

    unchecked_client(store).get(EXPORT, buffered=True)

    assert "unexpected failure" in caplog.text


def test_client_disconnect_is_not_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    store = FailingLibrary()
    add_many_favorites(store)

    with unchecked_client(store).get(EXPORT) as response:
        next(response.iter_encoded())

    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
