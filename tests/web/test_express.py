"""The express lane replays the responses that Flask would send, and nothing else."""

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from butaca import trace
from butaca.admission import Admission
from butaca.core.accounts import digest
from butaca.core.errors import CatalogueUnavailable, LibraryUnavailable
from butaca.core.models import Freshness, Role, Source
from butaca.web import WebOptions, create_web, express
from butaca.web.compression import Compression
from butaca.web.express import Express
from butaca.web.observability import Observer
from tests.builders import (
    ADMIN_TOKEN,
    CONSUMER,
    CONSUMER_TOKEN,
    NOON,
    make_movie,
    make_page,
    make_record,
)
from tests.conftest import FakeBackend
from tests.contract_client import ContractClient
from tests.fakes import FakeClock
from tests.web.helpers import API, add_favorites, add_sample_data

POPULAR = f"{API}/movies/popular"
GENRES = f"{API}/movies/genres"
MOVIE = f"{API}/movies/550"
REPLAYED_HEADERS = ("Content-Type", "Cache-Control", "ETag", "Link", "Vary", "X-Frame-Options")
AUTHORIZED = {"Authorization": f"Bearer {CONSUMER_TOKEN}"}
BLOCKED_REQUESTS = 4
FRESH = Freshness(Source.MISS, ttl=30, stored=True)


@dataclass
class CachedApp:
    """An app behind an express lane, with a clock that the test advances."""

    backend: FakeBackend
    options: WebOptions = field(default_factory=WebOptions)
    clock: FakeClock = field(default_factory=FakeClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        add_sample_data(self.backend)
        self.backend.catalogue.freshness = FRESH
        services = self.backend.services()
        self.app = create_web(services, replace(self.options, express=False), self.registry)
        observer, self.compression = Observer(CollectorRegistry()), Compression()
        self.store: Any = services.accounts.store
        flask = self.app.wsgi_app
        self.flask_paths: list[str] = []

        def recording_app(environ: Any, start_response: Any) -> Any:
            self.flask_paths.append(environ["PATH_INFO"])
            return flask(environ, start_response)

        self.app.wsgi_app = Express(  # type: ignore[method-assign]
            recording_app, services, observer, self.compression, self.clock.monotonic
        )
        self.client = ContractClient(self.app, self.app.response_class)

    def get(self, path: str = POPULAR, token: str = CONSUMER_TOKEN, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers={"Authorization": f"Bearer {token}", **named})

    @property
    def catalogue_calls(self) -> int:
        return len(self.backend.catalogue.calls)


@pytest.fixture
def cached_app(backend: FakeBackend) -> CachedApp:
    return CachedApp(backend)


def delay_rate_limiter(cached_app: CachedApp, seconds: float) -> None:
    """Make the clock advance whenever the rate limiter is called."""
    seconds_to_wait = cached_app.backend.limiter.seconds_to_wait

    def seconds_to_wait_slowly(caller: str, kind: str) -> int:
        cached_app.clock.advance(seconds)
        return seconds_to_wait(caller, kind)

    cached_app.backend.limiter.seconds_to_wait = seconds_to_wait_slowly  # type: ignore[method-assign]


def test_replayed_response_equals_the_original(cached_app: CachedApp) -> None:
    first, replayed = cached_app.get(), cached_app.get()
    assert cached_app.catalogue_calls == 1
    assert replayed.data == first.data
    assert [replayed.headers[name] for name in REPLAYED_HEADERS] == [
        first.headers[name] for name in REPLAYED_HEADERS
    ]
    assert set(replayed.headers.keys()) == set(first.headers.keys())


def test_replayed_response_has_its_current_age(cached_app: CachedApp) -> None:
    cached_app.get()
    cached_app.clock.advance(12.5)
    headers = cached_app.get().headers
    assert headers["Age"] == "12"
    assert headers["Cache-Status"] == "butaca; hit; ttl=17"
    assert headers["Cache-Control"] == "private, max-age=30"


def test_response_is_replayed_until_it_expires(cached_app: CachedApp) -> None:
    cached_app.get()
    cached_app.clock.advance(29.9)
    cached_app.get()
    assert cached_app.catalogue_calls == 1
    cached_app.clock.advance(0.1)
    cached_app.get()
    assert cached_app.catalogue_calls == 2


def test_freshness_does_not_change_while_a_request_is_processed(cached_app: CachedApp) -> None:
    cached_app.get()
    cached_app.clock.advance(29.9)
    delay_rate_limiter(cached_app, seconds=5)
    headers = cached_app.get().headers
    assert headers["Cache-Status"] == "butaca; hit; ttl=0"
    assert cached_app.catalogue_calls == 1


def test_replayed_cache_hit_includes_its_original_age(cached_app: CachedApp) -> None:
    cached_app.backend.catalogue.freshness = Freshness(Source.HIT, age=20, ttl=10)
    cached_app.get()
    cached_app.clock.advance(5)
    assert cached_app.get().headers["Age"] == "25"
    cached_app.clock.advance(5)
    cached_app.get()
    assert cached_app.catalogue_calls == 2


@pytest.mark.parametrize("source", [Source.STALE, Source.COOLDOWN, Source.UPDATING, Source.BUSY])
def test_stale_response_is_not_replayed(cached_app: CachedApp, source: Source) -> None:
    cached_app.backend.catalogue.freshness = Freshness(source, age=70, ttl=-40)
    cached_app.get()
    cached_app.get()
    assert cached_app.catalogue_calls == 2


def test_every_request_has_its_own_request_id(cached_app: CachedApp) -> None:
    cached_app.get()
    assert cached_app.get(X_Request_Id="mine").headers["X-Request-Id"] == "mine"
    assert cached_app.get().headers["X-Request-Id"] != cached_app.get().headers["X-Request-Id"]


def test_shared_response_is_replayed_to_other_users(cached_app: CachedApp) -> None:
    assert cached_app.get(token=CONSUMER_TOKEN).data == cached_app.get(token=ADMIN_TOKEN).data
    assert cached_app.catalogue_calls == 1


@pytest.mark.parametrize("authorization", ["", "Bearer nobody", "Basic eA==", "Bearer "])
def test_invalid_credentials_are_rejected(cached_app: CachedApp, authorization: str) -> None:
    cached_app.get()
    response = cached_app.client.get(POPULAR, headers={"Authorization": authorization})
    assert response.status_code == 401


def test_request_without_a_token_is_rejected(cached_app: CachedApp) -> None:
    cached_app.get()
    assert cached_app.client.get(POPULAR).status_code == 401


def test_revoked_token_is_rejected(cached_app: CachedApp) -> None:
    cached_app.get()
    cached_app.backend.accounts.revoke_by_digest(digest(CONSUMER_TOKEN), NOON)
    assert cached_app.get().status_code == 401


def test_each_request_counts_once_toward_the_rate_limit(cached_app: CachedApp) -> None:
    for _ in range(3):
        cached_app.get()
    assert cached_app.backend.limiter.calls == [("user:2", "read")] * 3


def test_rate_limited_request_returns_429(cached_app: CachedApp) -> None:
    cached_app.get()
    cached_app.backend.limiter.wait = 7
    response = cached_app.get()
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    "other",
    [
        {"path": f"{POPULAR}?page=1"},
        {"path": MOVIE},
        {"Accept_Encoding": "gzip"},
        {"Origin": "https://friend.example"},
    ],
)
def test_different_request_is_cached_separately(
    cached_app: CachedApp, other: dict[str, str]
) -> None:
    cached_app.get()
    cached_app.get(**other)
    assert cached_app.catalogue_calls == 2
    cached_app.get(**other)
    assert cached_app.catalogue_calls == 2


def test_each_origin_gets_its_own_cors_header(backend: FakeBackend) -> None:
    origins = ("https://one.example", "https://two.example")
    cached_app = CachedApp(backend, WebOptions(cors_origins=origins))
    for _ in range(2):
        allowed = [
            cached_app.get(Origin=origin).headers["Access-Control-Allow-Origin"]
            for origin in origins
        ]
        assert allowed == list(origins)


def test_compressed_response_is_replayed_compressed(cached_app: CachedApp) -> None:
    cached_app.backend.catalogue.pages[1] = make_page(*(make_movie(number) for number in range(20)))
    first = cached_app.get(Accept_Encoding="gzip")
    replayed = cached_app.get(Accept_Encoding="gzip")
    assert replayed.headers["Content-Encoding"] == "gzip"
    assert replayed.data == first.data
    assert json.loads(cached_app.get().data)["results"]


@pytest.mark.parametrize("path", [POPULAR, GENRES, MOVIE])
def test_matching_etag_returns_304(cached_app: CachedApp, path: str) -> None:
    etag = cached_app.get(path).headers["ETag"]
    by_app = cached_app.client.get(
        path,
        headers={"Authorization": f"Bearer {CONSUMER_TOKEN}", "If-None-Match": f"{etag}, {etag}"},
    )
    calls = cached_app.catalogue_calls
    replayed = cached_app.get(path, If_None_Match=etag)
    assert replayed.status_code == 304
    assert replayed.data == b""
    # Werkzeug adds `Date` to conditional responses, and the server adds it to all responses.
    assert set(replayed.headers.keys()) == set(by_app.headers.keys()) - {"Date"}
    assert cached_app.catalogue_calls == calls


def test_304_of_a_shared_response_is_replayed(cached_app: CachedApp) -> None:
    etag = cached_app.get().headers["ETag"]
    cached_app.clock.advance(30)
    statuses = [cached_app.get(If_None_Match=etag).status_code for _ in range(3)]
    assert statuses == [304] * 3
    assert cached_app.catalogue_calls == 2
    assert cached_app.get().data != b""


def test_other_etag_is_passed_to_the_app(cached_app: CachedApp) -> None:
    cached_app.get()
    assert cached_app.get(If_None_Match='"another"').status_code == 200
    assert cached_app.catalogue_calls == 2


MARKED_PATHS = (f"{POPULAR}?include=me", f"{MOVIE}?include=me")


def remove_favorite_550(cached_app: CachedApp) -> None:
    """Remove a movie from the favorites of the USER. It stays a favorite of the ADMIN."""
    assert cached_app.backend.store.remove_favorite(CONSUMER.id, 550)


@pytest.mark.parametrize("path", MARKED_PATHS)
def test_response_with_marks_is_replayed(cached_app: CachedApp, path: str) -> None:
    first, replayed = cached_app.get(path), cached_app.get(path)
    assert cached_app.catalogue_calls == 1
    assert replayed.data == first.data
    same = (
        (*REPLAYED_HEADERS[:3], "Content-Length", "Vary")
        if path.startswith(MOVIE)
        else REPLAYED_HEADERS
    )
    assert [replayed.headers[name] for name in same] == [first.headers[name] for name in same]
    assert set(replayed.headers.keys()) == set(first.headers.keys())
    assert replayed.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("path", MARKED_PATHS)
def test_replayed_response_has_the_current_marks_of_the_caller(
    cached_app: CachedApp, path: str
) -> None:
    before = cached_app.get(path).data
    remove_favorite_550(cached_app)
    mine, others = cached_app.get(path), cached_app.get(path, token=ADMIN_TOKEN)
    assert cached_app.catalogue_calls == 1
    assert b'"me":{"favorite":false,"rating":4.5}' in mine.data
    assert others.data == before
    assert mine.headers["ETag"] != others.headers["ETag"]


def test_response_without_include_has_no_marks(cached_app: CachedApp) -> None:
    cached_app.get(MARKED_PATHS[0])
    assert b'"me"' not in cached_app.get().data


def test_response_with_marks_returns_304_until_they_change(cached_app: CachedApp) -> None:
    etag = cached_app.get(MARKED_PATHS[0]).headers["ETag"]
    replayed = cached_app.get(MARKED_PATHS[0], If_None_Match=etag)
    assert (replayed.status_code, replayed.data) == (304, b"")
    assert replayed.headers["ETag"] == etag
    assert "Content-Length" not in replayed.headers
    remove_favorite_550(cached_app)
    changed = cached_app.get(MARKED_PATHS[0], If_None_Match=etag)
    assert changed.status_code == 200
    assert cached_app.catalogue_calls == 1


@pytest.mark.parametrize(
    ("if_none_match", "status"), [("*", 304), ('W/"one"', 200), ("{0}, {0}", 304)]
)
def test_complex_if_none_match_is_passed_to_the_app(
    cached_app: CachedApp, if_none_match: str, status: int
) -> None:
    etag = cached_app.get(MARKED_PATHS[0]).headers["ETag"]
    response = cached_app.get(MARKED_PATHS[0], If_None_Match=if_none_match.format(etag))
    assert response.status_code == status
    assert cached_app.catalogue_calls == 2


def test_304_of_a_response_with_marks_is_not_cached(cached_app: CachedApp) -> None:
    etag = cached_app.get(MARKED_PATHS[0]).headers["ETag"]
    cached_app.clock.advance(30)
    assert cached_app.get(MARKED_PATHS[0], If_None_Match=etag).status_code == 304
    assert cached_app.get(MARKED_PATHS[0]).headers["Content-Type"] == "application/json"
    assert cached_app.catalogue_calls == 3


def test_response_with_marks_is_compressed_like_the_app_does(cached_app: CachedApp) -> None:
    cached_app.backend.catalogue.pages[1] = make_page(*(make_movie(number) for number in range(20)))
    first, replayed = (cached_app.get(MARKED_PATHS[0], Accept_Encoding="gzip") for _ in range(2))
    assert cached_app.catalogue_calls == 1
    assert replayed.headers["Content-Encoding"] == "gzip"
    assert (replayed.data, replayed.headers["ETag"]) == (first.data, first.headers["ETag"])


def test_failure_to_read_marks_is_reported_by_the_app(cached_app: CachedApp) -> None:
    cached_app.get(MARKED_PATHS[0])

    def fail(*_: object) -> Any:
        raise LibraryUnavailable

    cached_app.backend.store.marks = fail  # type: ignore[method-assign, assignment]
    response = cached_app.get(MARKED_PATHS[0])
    assert (response.status_code, response.get_json()["code"]) == (503, "library-unavailable")


def test_overload_is_reported_by_the_app(cached_app: CachedApp) -> None:
    cached_app.get(MARKED_PATHS[0])
    app = cached_app.app.wsgi_app
    cached_app.app.wsgi_app = Admission(app, slots=0)  # type: ignore[method-assign]
    response = cached_app.get(MARKED_PATHS[0])
    assert (response.status_code, response.get_json()["code"]) == (503, "overloaded")
    cached_app.app.wsgi_app = Admission(app, slots=1)  # type: ignore[method-assign]
    assert [cached_app.get(MARKED_PATHS[0]).status_code for _ in range(3)] == [200] * 3
    assert cached_app.catalogue_calls == 1


FAVORITES, RATINGS = f"{API}/me/favorites", f"{API}/me/ratings"
LIST_PATHS = (
    FAVORITES,
    f"{FAVORITES}?sort=title&page_size=1&min_rating=4",
    f"{FAVORITES}?page=2",
    f"{FAVORITES}?language=es-AR",
    RATINGS,
)


@pytest.mark.parametrize("path", LIST_PATHS)
def test_user_list_is_replayed_without_flask(cached_app: CachedApp, path: str) -> None:
    first, replayed = cached_app.get(path), cached_app.get(path)
    assert len(cached_app.flask_paths) == 1
    assert replayed.data == first.data
    per_request = {"X-Request-Id", "Date"}
    assert {(name, value) for name, value in replayed.headers if name not in per_request} == {
        (name, value) for name, value in first.headers if name not in per_request
    }


def test_replayed_user_list_is_up_to_date(cached_app: CachedApp) -> None:
    cached_app.get(f"{FAVORITES}?page_size=1")
    add_favorites(cached_app.backend, make_record(13))
    replayed = cached_app.get(f"{FAVORITES}?page_size=1")
    assert replayed.get_json()["total_results"] == 2
    assert 'page_size=1&page=2>; rel="last"' in replayed.headers["Link"]
    assert len(cached_app.flask_paths) == 1


def test_replayed_user_list_has_its_current_content_language(cached_app: CachedApp) -> None:
    remove_favorite_550(cached_app)
    assert "Content-Language" not in cached_app.get(FAVORITES).headers
    add_favorites(cached_app.backend, make_record(550))
    assert cached_app.get(FAVORITES).headers["Content-Language"] == "en-US"
    remove_favorite_550(cached_app)
    assert "Content-Language" not in cached_app.get(FAVORITES).headers
    assert len(cached_app.flask_paths) == 1


def test_replayed_user_list_belongs_to_the_caller(cached_app: CachedApp) -> None:
    cached_app.get(FAVORITES)
    remove_favorite_550(cached_app)
    theirs, mine = cached_app.get(FAVORITES, token=ADMIN_TOKEN), cached_app.get(FAVORITES)
    assert [response.get_json()["total_results"] for response in (theirs, mine)] == [1, 0]
    assert len(cached_app.flask_paths) == 1


def test_cached_user_list_does_not_expire(cached_app: CachedApp) -> None:
    cached_app.get(FAVORITES)
    cached_app.clock.advance(1e9)
    replayed = cached_app.get(FAVORITES)
    assert {"Age", "Cache-Status"}.isdisjoint(replayed.headers.keys())
    assert len(cached_app.flask_paths) == 1


@pytest.mark.parametrize(("encoding", "etag_encoding"), [("", ""), ("", "gzip"), ("gzip", "zstd")])
def test_user_list_returns_304_until_it_changes(
    cached_app: CachedApp, encoding: str, etag_encoding: str
) -> None:
    add_favorites(cached_app.backend, *(make_record(number) for number in range(1, 20)))
    etag = cached_app.get(FAVORITES, Accept_Encoding=etag_encoding).headers["ETag"]
    cached_app.get(FAVORITES, Accept_Encoding=encoding)
    requests = len(cached_app.flask_paths)
    replayed = cached_app.get(FAVORITES, Accept_Encoding=encoding, If_None_Match=etag)
    assert (replayed.status_code, replayed.data) == (304, b"")
    assert replayed.headers["ETag"].startswith(etag.rstrip('"').partition("-")[0])
    assert "Content-Language" not in replayed.headers
    assert len(cached_app.flask_paths) == requests
    remove_favorite_550(cached_app)
    assert (
        cached_app.get(FAVORITES, Accept_Encoding=encoding, If_None_Match=etag).status_code == 200
    )


@pytest.mark.parametrize("path", [FAVORITES, MARKED_PATHS[0]])
def test_failing_library_is_called_once(cached_app: CachedApp, path: str) -> None:
    cached_app.get(path)
    calls = []

    def fail(*_: object) -> Any:
        calls.append(path)
        raise LibraryUnavailable

    cached_app.backend.store.favorites = fail  # type: ignore[method-assign, assignment]
    cached_app.backend.store.marks = fail  # type: ignore[method-assign, assignment]
    response = cached_app.get(path)
    assert (response.status_code, response.get_json()["code"]) == (503, "library-unavailable")
    assert calls == [path]


@pytest.mark.parametrize("path", [FAVORITES, MARKED_PATHS[0]])
def test_unexpected_error_in_the_lane_is_reported_by_the_app(
    cached_app: CachedApp, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    cached_app.get(path)
    cached_app.backend.store.favorites = cached_app.backend.store.marks = None  # type: ignore[method-assign, assignment]
    # ContractClient rejects every 500.
    response = cached_app.app.test_client().get(path, headers=AUTHORIZED)
    assert (response.status_code, response.get_json()["code"]) == (500, "internal-server-error")
    assert "X-Frame-Options" in response.headers
    assert [record.getMessage() for record in caplog.records] == ["request.failed"]


@pytest.mark.parametrize("failure", [LibraryUnavailable, RuntimeError])
def test_request_that_fails_in_the_lane_counts_once(
    cached_app: CachedApp, failure: type[Exception]
) -> None:
    cached_app.get(FAVORITES)

    def fail(*_: object) -> Any:
        raise failure

    cached_app.backend.store.favorites = fail  # type: ignore[method-assign, assignment]
    cached_app.backend.limiter.calls.clear()
    cached_app.app.test_client().get(FAVORITES, headers=AUTHORIZED)
    assert cached_app.backend.limiter.calls == [("user:2", "read")]


def test_rate_limited_request_counts_once(cached_app: CachedApp) -> None:
    cached_app.get(FAVORITES)
    cached_app.backend.limiter.calls.clear()
    cached_app.backend.limiter.wait = 7
    assert cached_app.get(FAVORITES).status_code == 429
    assert cached_app.backend.limiter.calls == [("user:2", "read")]


def test_overloaded_request_does_not_count(cached_app: CachedApp) -> None:
    cached_app.get(FAVORITES)
    cached_app.backend.limiter.calls.clear()
    cached_app.app.wsgi_app = Admission(cached_app.app.wsgi_app, slots=0)  # type: ignore[method-assign]
    assert cached_app.get(FAVORITES).status_code == 503
    assert cached_app.backend.limiter.calls == []


def test_very_long_query_is_passed_to_the_app(cached_app: CachedApp) -> None:
    for _ in range(2):
        assert cached_app.get(f"{FAVORITES}?page=1{'&' * 2048}").status_code == 200
    assert len(cached_app.flask_paths) == 2


def test_304_does_not_compress_the_body(cached_app: CachedApp) -> None:
    add_favorites(cached_app.backend, *(make_record(number) for number in range(1, 20)))
    etag = cached_app.get(FAVORITES, Accept_Encoding="gzip").headers["ETag"]
    cached_app.compression._cache.clear()
    replayed = cached_app.get(FAVORITES, Accept_Encoding="gzip", If_None_Match=etag)
    assert (replayed.status_code, replayed.headers["ETag"]) == (304, etag)
    assert len(cached_app.compression._cache) == 0


def test_admin_route_is_passed_to_the_app(cached_app: CachedApp) -> None:
    path = f"{API}/users/{CONSUMER.id}/favorites"
    statuses = [
        cached_app.get(path, token=token).status_code for token in (ADMIN_TOKEN, CONSUMER_TOKEN)
    ]
    assert statuses == [200, 403]
    assert len(cached_app.flask_paths) == 2


def test_admin_response_is_not_replayed_to_other_roles(
    cached_app: CachedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = cached_app.app.view_functions["api.movies.list_popular_movies"]
    monkeypatch.setattr(view, "butaca_role", Role.ADMIN)
    assert [cached_app.get(token=ADMIN_TOKEN).status_code for _ in range(2)] == [200, 200]
    assert cached_app.flask_paths == [POPULAR]
    assert get_popular(cached_app).status_code == 403


@pytest.mark.parametrize("path", [f"{API}/me", f"{API}/me/favorites", f"{API}/me/export"])
def test_user_data_is_not_replayed_to_other_users(cached_app: CachedApp, path: str) -> None:
    theirs = {cached_app.get(path, token=ADMIN_TOKEN).data for _ in range(3)}
    mine = cached_app.get(path, token=CONSUMER_TOKEN)
    assert mine.status_code == 200
    assert mine.data not in theirs


def test_error_response_is_not_replayed(cached_app: CachedApp) -> None:
    cached_app.backend.catalogue.failure = CatalogueUnavailable()
    assert cached_app.get().status_code == 503
    cached_app.backend.catalogue.failure = None
    assert cached_app.get().status_code == 200


def test_not_found_response_is_not_replayed(cached_app: CachedApp) -> None:
    for _ in range(2):
        assert cached_app.get(f"{API}/movies/404").status_code == 404
    assert cached_app.catalogue_calls == 2


def test_head_request_is_passed_to_the_app(cached_app: CachedApp) -> None:
    cached_app.get()
    response = cached_app.client.head(
        POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"}
    )
    assert (response.status_code, response.data) == (200, b"")


def test_replayed_request_is_logged(
    cached_app: CachedApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "butaca.access")
    cached_app.get()
    cached_app.get(X_Request_Id="mine")
    first, replayed = (vars(record) for record in caplog.records)
    fields: Any = ("method", "route", "status", "user_id")
    assert [replayed[name] for name in fields] == [first[name] for name in fields]
    assert replayed["cache"] == "hit"


def test_replayed_request_is_logged_with_its_own_duration(
    cached_app: CachedApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "perf_counter", cached_app.clock.monotonic)
    caplog.set_level(logging.INFO, "butaca.access")
    cached_app.get()
    delay_rate_limiter(cached_app, seconds=5)
    cached_app.get()
    assert [vars(record)["milliseconds"] for record in caplog.records] == [0, 5000]


def test_thread_has_no_ids_after_a_replay(cached_app: CachedApp) -> None:
    cached_app.get()
    cached_app.get()
    assert len(cached_app.flask_paths) == 1
    assert trace.current() is None


def test_response_larger_than_the_cache_is_not_cached(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "MAX_BYTES", 10)
    cached_app = CachedApp(backend)
    cached_app.get()
    assert cached_app.get().status_code == 200
    assert cached_app.catalogue_calls == 2


@contextmanager
def blocked_requests(cached_app: CachedApp, owner: object, name: str) -> Iterator[None]:
    """Block some requests in a function that the lane calls, until the block exits."""
    function, entered, release = getattr(owner, name), SimpleQueue[None](), Event()

    def block(*args: Any) -> Any:
        entered.put(None)
        assert release.wait(10)
        return function(*args)

    get_popular(cached_app)
    with ThreadPoolExecutor(BLOCKED_REQUESTS) as pool:
        setattr(owner, name, block)
        requests = [pool.submit(get_popular, cached_app) for _ in range(BLOCKED_REQUESTS)]
        for _ in requests:
            entered.get(timeout=10)
        setattr(owner, name, function)
        try:
            yield
            assert not any(request.done() for request in requests)
        finally:
            release.set()
    assert {request.result().status_code for request in requests} == {200}


def get_popular(cached_app: CachedApp) -> TestResponse:
    return cached_app.app.test_client().get(POPULAR, headers=AUTHORIZED)


def test_slow_rate_limiter_does_not_block_other_requests(cached_app: CachedApp) -> None:
    with blocked_requests(cached_app, cached_app.backend.limiter, "seconds_to_wait"):
        assert get_popular(cached_app).status_code == 200
    assert cached_app.flask_paths == [POPULAR]


def test_slow_database_does_not_block_other_requests(cached_app: CachedApp) -> None:
    with blocked_requests(cached_app, cached_app.store, "find_bearer"):
        assert get_popular(cached_app).status_code == 200
    assert cached_app.flask_paths == [POPULAR]


@pytest.mark.parametrize(("express_enabled", "catalogue_calls"), [(True, 1), (False, 2)])
def test_express_option_enables_the_lane(
    backend: FakeBackend, express_enabled: bool, catalogue_calls: int
) -> None:
    add_sample_data(backend)
    backend.catalogue.freshness = FRESH
    client = backend.client(WebOptions(express=express_enabled), CONSUMER_TOKEN)
    for _ in range(2):
        client.get(POPULAR)
    assert len(backend.catalogue.calls) == catalogue_calls
