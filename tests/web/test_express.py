"""The express lane repeats exactly what Flask would respond, and nothing else."""

import json
import logging
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
from tests.conftest import World
from tests.contract_client import ContractClient
from tests.fakes import FakeClock
from tests.web.scene import API, furnish, keep

POPULAR = f"{API}/movies/popular"
GENRES = f"{API}/movies/genres"
MOVIE = f"{API}/movies/550"
SAME = ("Content-Type", "Cache-Control", "ETag", "Link", "Vary", "X-Frame-Options")
AUTHORIZED = {"Authorization": f"Bearer {CONSUMER_TOKEN}"}
HELD_UP = 4
FRESH = Freshness(Source.MISS, ttl=30, stored=True)


@dataclass
class Lane:
    """An app with an express lane whose time the test moves, and what its catalogue was asked."""

    world: World
    options: WebOptions = field(default_factory=WebOptions)
    clock: FakeClock = field(default_factory=FakeClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        furnish(self.world)
        self.world.catalogue.freshness = FRESH
        services = self.world.services()
        self.app = create_web(services, replace(self.options, express=False), self.registry)
        observer, self.compression = Observer(CollectorRegistry()), Compression()
        self.store: Any = services.accounts.store
        flask = self.app.wsgi_app
        self.by_flask: list[str] = []

        def counted(environ: Any, start_response: Any) -> Any:
            self.by_flask.append(environ["PATH_INFO"])
            return flask(environ, start_response)

        self.app.wsgi_app = Express(  # type: ignore[method-assign]
            counted, services, observer, self.compression, self.clock.monotonic
        )
        self.client = ContractClient(self.app, self.app.response_class)

    def get(self, path: str = POPULAR, token: str = CONSUMER_TOKEN, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers={"Authorization": f"Bearer {token}", **named})

    @property
    def asked(self) -> int:
        return len(self.world.catalogue.calls)


@pytest.fixture
def lane(world: World) -> Lane:
    return Lane(world)


def test_what_is_told_again_is_what_was_told(lane: Lane) -> None:
    first, again = lane.get(), lane.get()
    assert lane.asked == 1
    assert again.data == first.data
    assert [again.headers[name] for name in SAME] == [first.headers[name] for name in SAME]
    assert set(again.headers.keys()) == set(first.headers.keys())


def test_it_says_how_old_it_is_by_now(lane: Lane) -> None:
    lane.get()
    lane.clock.move(12.5)
    headers = lane.get().headers
    assert headers["Age"] == "12"
    assert headers["Cache-Status"] == "butaca; hit; ttl=17"
    assert headers["Cache-Control"] == "private, max-age=30"


def test_it_is_told_again_for_as_long_as_it_is_fresh(lane: Lane) -> None:
    lane.get()
    lane.clock.move(29.9)
    lane.get()
    assert lane.asked == 1
    lane.clock.move(0.1)
    lane.get()
    assert lane.asked == 2


def test_what_was_fresh_when_it_was_found_is_told_as_fresh(lane: Lane) -> None:
    lane.get()
    lane.clock.move(29.9)
    wait = lane.world.limiter.seconds_to_wait

    def count_slowly(caller: str, kind: str) -> int:
        lane.clock.move(5)
        return wait(caller, kind)

    lane.world.limiter.seconds_to_wait = count_slowly  # type: ignore[method-assign]
    headers = lane.get().headers
    assert headers["Cache-Status"] == "butaca; hit; ttl=0"
    assert lane.asked == 1


def test_a_hit_is_as_old_as_it_was(lane: Lane) -> None:
    lane.world.catalogue.freshness = Freshness(Source.HIT, age=20, ttl=10)
    lane.get()
    lane.clock.move(5)
    assert lane.get().headers["Age"] == "25"
    lane.clock.move(5)
    lane.get()
    assert lane.asked == 2


@pytest.mark.parametrize("source", [Source.STALE, Source.COOLDOWN, Source.UPDATING, Source.BUSY])
def test_what_is_stale_is_not_told_again(lane: Lane, source: Source) -> None:
    lane.world.catalogue.freshness = Freshness(source, age=70, ttl=-40)
    lane.get()
    lane.get()
    assert lane.asked == 2


def test_every_request_has_a_name_of_its_own(lane: Lane) -> None:
    lane.get()
    assert lane.get(X_Request_Id="mine").headers["X-Request-Id"] == "mine"
    assert lane.get().headers["X-Request-Id"] != lane.get().headers["X-Request-Id"]


def test_it_is_the_same_for_everybody(lane: Lane) -> None:
    assert lane.get(token=CONSUMER_TOKEN).data == lane.get(token=ADMIN_TOKEN).data
    assert lane.asked == 1


@pytest.mark.parametrize("authorization", ["", "Bearer nobody", "Basic eA==", "Bearer "])
def test_nobody_hears_it_who_may_not(lane: Lane, authorization: str) -> None:
    lane.get()
    answer = lane.client.get(POPULAR, headers={"Authorization": authorization})
    assert answer.status_code == 401


def test_nobody_hears_it_without_a_token(lane: Lane) -> None:
    lane.get()
    assert lane.client.get(POPULAR).status_code == 401


def test_nobody_hears_it_whose_token_was_revoked(lane: Lane) -> None:
    lane.get()
    lane.world.accounts.revoke(digest(CONSUMER_TOKEN), NOON)
    assert lane.get().status_code == 401


def test_each_call_counts_once(lane: Lane) -> None:
    for _ in range(3):
        lane.get()
    assert lane.world.limiter.calls == [("user:2", "read")] * 3


def test_whoever_calls_too_often_is_told_so(lane: Lane) -> None:
    lane.get()
    lane.world.limiter.wait = 7
    answer = lane.get()
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    "other",
    [
        {"path": f"{POPULAR}?page=1"},
        {"path": MOVIE},
        {"Accept_Encoding": "gzip"},
        {"Origin": "https://friend.example"},
    ],
)
def test_another_question_is_asked_anew(lane: Lane, other: dict[str, str]) -> None:
    lane.get()
    lane.get(**other)
    assert lane.asked == 2
    lane.get(**other)
    assert lane.asked == 2


def test_each_origin_hears_its_own_name(world: World) -> None:
    origins = ("https://one.example", "https://two.example")
    lane = Lane(world, WebOptions(cors_origins=origins))
    for _ in range(2):
        allowed = [
            lane.get(Origin=origin).headers["Access-Control-Allow-Origin"] for origin in origins
        ]
        assert allowed == list(origins)


def test_a_packed_answer_is_told_again_packed(lane: Lane) -> None:
    lane.world.catalogue.pages[1] = make_page(*(make_movie(each) for each in range(20)))
    first = lane.get(Accept_Encoding="gzip")
    again = lane.get(Accept_Encoding="gzip")
    assert again.headers["Content-Encoding"] == "gzip"
    assert again.data == first.data
    assert json.loads(lane.get().data)["results"]


@pytest.mark.parametrize("path", [POPULAR, GENRES, MOVIE])
def test_whoever_has_it_is_told_so(lane: Lane, path: str) -> None:
    tag = lane.get(path).headers["ETag"]
    by_app = lane.client.get(
        path,
        headers={"Authorization": f"Bearer {CONSUMER_TOKEN}", "If-None-Match": f"{tag}, {tag}"},
    )
    asked = lane.asked
    again = lane.get(path, If_None_Match=tag)
    assert again.status_code == 304
    assert again.data == b""
    # Werkzeug dates what is conditional; the server dates everything.
    assert set(again.headers.keys()) == set(by_app.headers.keys()) - {"Date"}
    assert lane.asked == asked


def test_what_everybody_has_is_asked_for_once(lane: Lane) -> None:
    tag = lane.get().headers["ETag"]
    lane.clock.move(30)
    statuses = [lane.get(If_None_Match=tag).status_code for _ in range(3)]
    assert statuses == [304] * 3
    assert lane.asked == 2
    assert lane.get().data != b""


def test_whoever_has_another_one_is_answered_by_the_app(lane: Lane) -> None:
    lane.get()
    assert lane.get(If_None_Match='"another"').status_code == 200
    assert lane.asked == 2


MARKED = (f"{POPULAR}?include=me", f"{MOVIE}?include=me")


def forget(lane: Lane) -> None:
    """Let the consumer no longer keep a movie, which the ADMIN keeps."""
    assert lane.world.store.remove_favorite(CONSUMER.id, 550)


@pytest.mark.parametrize("path", MARKED)
def test_what_is_the_same_of_a_marked_answer_is_told_again(lane: Lane, path: str) -> None:
    first, again = lane.get(path), lane.get(path)
    assert lane.asked == 1
    assert again.data == first.data
    same = (*SAME[:3], "Content-Length", "Vary") if path.startswith(MOVIE) else SAME
    assert [again.headers[name] for name in same] == [first.headers[name] for name in same]
    assert set(again.headers.keys()) == set(first.headers.keys())
    assert again.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("path", MARKED)
def test_the_marks_of_an_answer_are_those_of_whoever_asks_now(lane: Lane, path: str) -> None:
    before = lane.get(path).data
    forget(lane)
    mine, others = lane.get(path), lane.get(path, token=ADMIN_TOKEN)
    assert lane.asked == 1
    assert b'"me":{"favorite":false,"rating":4.5}' in mine.data
    assert others.data == before
    assert mine.headers["ETag"] != others.headers["ETag"]


def test_marks_are_not_told_to_whoever_does_not_ask_for_them(lane: Lane) -> None:
    lane.get(MARKED[0])
    assert b'"me"' not in lane.get().data


def test_whoever_has_a_marked_answer_is_told_so(lane: Lane) -> None:
    tag = lane.get(MARKED[0]).headers["ETag"]
    again = lane.get(MARKED[0], If_None_Match=tag)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    assert "Content-Length" not in again.headers
    forget(lane)
    changed = lane.get(MARKED[0], If_None_Match=tag)
    assert changed.status_code == 200
    assert lane.asked == 1


@pytest.mark.parametrize("tags", ["*", 'W/"one"', "{0}, {0}"])
def test_whoever_may_have_several_is_answered_by_the_app(lane: Lane, tags: str) -> None:
    tag = lane.get(MARKED[0]).headers["ETag"]
    lane.get(MARKED[0], If_None_Match=tags.format(tag))
    assert lane.asked == 2


def test_that_somebody_has_a_marked_answer_teaches_nothing(lane: Lane) -> None:
    tag = lane.get(MARKED[0]).headers["ETag"]
    lane.clock.move(30)
    assert lane.get(MARKED[0], If_None_Match=tag).status_code == 304
    assert lane.get(MARKED[0]).headers["Content-Type"] == "application/json"
    assert lane.asked == 3


def test_a_marked_answer_is_packed_as_the_app_packs_it(lane: Lane) -> None:
    lane.world.catalogue.pages[1] = make_page(*(make_movie(each) for each in range(20)))
    first, again = (lane.get(MARKED[0], Accept_Encoding="gzip") for _ in range(2))
    assert lane.asked == 1
    assert again.headers["Content-Encoding"] == "gzip"
    assert (again.data, again.headers["ETag"]) == (first.data, first.headers["ETag"])


def test_without_marks_the_app_says_why(lane: Lane) -> None:
    lane.get(MARKED[0])

    def fail(*_: object) -> Any:
        raise LibraryUnavailable

    lane.world.store.marks = fail  # type: ignore[method-assign, assignment]
    answer = lane.get(MARKED[0])
    assert (answer.status_code, answer.get_json()["code"]) == (503, "library-unavailable")


def test_without_a_place_the_app_says_so(lane: Lane) -> None:
    lane.get(MARKED[0])
    app = lane.app.wsgi_app
    lane.app.wsgi_app = Admission(app, slots=0)  # type: ignore[method-assign]
    answer = lane.get(MARKED[0])
    assert (answer.status_code, answer.get_json()["code"]) == (503, "overloaded")
    lane.app.wsgi_app = Admission(app, slots=1)  # type: ignore[method-assign]
    assert [lane.get(MARKED[0]).status_code for _ in range(3)] == [200] * 3
    assert lane.asked == 1


FAVORITES, RATINGS = f"{API}/me/favorites", f"{API}/me/ratings"
MINE = (
    FAVORITES,
    f"{FAVORITES}?sort=title&page_size=1&min_rating=4",
    f"{FAVORITES}?page=2",
    f"{FAVORITES}?language=es-AR",
    RATINGS,
)


@pytest.mark.parametrize("path", MINE)
def test_a_list_of_my_own_is_told_again_without_flask(lane: Lane, path: str) -> None:
    first, again = lane.get(path), lane.get(path)
    assert len(lane.by_flask) == 1
    assert again.data == first.data
    once = {"X-Request-Id", "Date"}
    assert {(name, value) for name, value in again.headers if name not in once} == {
        (name, value) for name, value in first.headers if name not in once
    }


def test_a_list_of_my_own_is_told_as_it_is_now(lane: Lane) -> None:
    lane.get(f"{FAVORITES}?page_size=1")
    keep(lane.world, make_record(13))
    now = lane.get(f"{FAVORITES}?page_size=1")
    assert now.get_json()["total_results"] == 2
    assert 'page_size=1&page=2>; rel="last"' in now.headers["Link"]
    assert len(lane.by_flask) == 1


def test_a_list_of_my_own_says_in_which_languages_it_is_now(lane: Lane) -> None:
    forget(lane)
    assert "Content-Language" not in lane.get(FAVORITES).headers
    keep(lane.world, make_record(550))
    assert lane.get(FAVORITES).headers["Content-Language"] == "en-US"
    forget(lane)
    assert "Content-Language" not in lane.get(FAVORITES).headers
    assert len(lane.by_flask) == 1


def test_a_list_of_my_own_is_never_told_to_others(lane: Lane) -> None:
    lane.get(FAVORITES)
    forget(lane)
    theirs, mine = lane.get(FAVORITES, token=ADMIN_TOKEN), lane.get(FAVORITES)
    assert [each.get_json()["total_results"] for each in (theirs, mine)] == [1, 0]
    assert len(lane.by_flask) == 1


def test_a_list_of_my_own_is_told_again_for_as_long_as_there_is_room(lane: Lane) -> None:
    lane.get(FAVORITES)
    lane.clock.move(1e9)
    again = lane.get(FAVORITES)
    assert {"Age", "Cache-Status"}.isdisjoint(again.headers.keys())
    assert len(lane.by_flask) == 1


@pytest.mark.parametrize(("takes", "took"), [("", ""), ("", "gzip"), ("gzip", "zstd")])
def test_whoever_has_a_list_of_their_own_is_told_so(lane: Lane, takes: str, took: str) -> None:
    keep(lane.world, *(make_record(number) for number in range(1, 20)))
    tag = lane.get(FAVORITES, Accept_Encoding=took).headers["ETag"]
    lane.get(FAVORITES, Accept_Encoding=takes)
    asked = len(lane.by_flask)
    again = lane.get(FAVORITES, Accept_Encoding=takes, If_None_Match=tag)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"].startswith(tag.rstrip('"').partition("-")[0])
    assert "Content-Language" not in again.headers
    assert len(lane.by_flask) == asked
    forget(lane)
    assert lane.get(FAVORITES, Accept_Encoding=takes, If_None_Match=tag).status_code == 200


@pytest.mark.parametrize("path", [FAVORITES, MARKED[0]])
def test_a_library_that_refuses_is_asked_once(lane: Lane, path: str) -> None:
    lane.get(path)
    asked = []

    def fail(*_: object) -> Any:
        asked.append(path)
        raise LibraryUnavailable

    lane.world.store.favorites = fail  # type: ignore[method-assign, assignment]
    lane.world.store.marks = fail  # type: ignore[method-assign, assignment]
    answer = lane.get(path)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "library-unavailable")
    assert asked == [path]


@pytest.mark.parametrize("path", [FAVORITES, MARKED[0]])
def test_what_breaks_in_the_lane_is_told_by_the_app(
    lane: Lane, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    lane.get(path)
    lane.world.store.favorites = lane.world.store.marks = None  # type: ignore[method-assign, assignment]
    # Not by the client that holds answers against the contract: it wants no such answer.
    answer = lane.app.test_client().get(path, headers=AUTHORIZED)
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal-server-error")
    assert "X-Frame-Options" in answer.headers
    assert [record.getMessage() for record in caplog.records] == ["request.broke"]


@pytest.mark.parametrize("failure", [LibraryUnavailable, RuntimeError])
def test_what_the_lane_passes_on_is_counted_once(lane: Lane, failure: type[Exception]) -> None:
    lane.get(FAVORITES)

    def fail(*_: object) -> Any:
        raise failure

    lane.world.store.favorites = fail  # type: ignore[method-assign, assignment]
    lane.world.limiter.calls.clear()
    lane.app.test_client().get(FAVORITES, headers=AUTHORIZED)
    assert lane.world.limiter.calls == [("user:2", "read")]


def test_whoever_is_turned_away_is_counted_once(lane: Lane) -> None:
    lane.get(FAVORITES)
    lane.world.limiter.calls.clear()
    lane.world.limiter.wait = 7
    assert lane.get(FAVORITES).status_code == 429
    assert lane.world.limiter.calls == [("user:2", "read")]


def test_whoever_finds_no_place_is_not_counted(lane: Lane) -> None:
    lane.get(FAVORITES)
    lane.world.limiter.calls.clear()
    lane.app.wsgi_app = Admission(lane.app.wsgi_app, slots=0)  # type: ignore[method-assign]
    assert lane.get(FAVORITES).status_code == 503
    assert lane.world.limiter.calls == []


def test_what_is_very_long_is_answered_by_the_app(lane: Lane) -> None:
    for _ in range(2):
        assert lane.get(f"{FAVORITES}?page=1{'&' * 2048}").status_code == 200
    assert len(lane.by_flask) == 2


def test_what_a_client_has_is_not_packed_again(lane: Lane) -> None:
    keep(lane.world, *(make_record(number) for number in range(1, 20)))
    tag = lane.get(FAVORITES, Accept_Encoding="gzip").headers["ETag"]
    lane.compression._cache.clear()
    again = lane.get(FAVORITES, Accept_Encoding="gzip", If_None_Match=tag)
    assert (again.status_code, again.headers["ETag"]) == (304, tag)
    assert len(lane.compression._cache) == 0


def test_what_an_admin_asks_for_is_answered_by_the_app(lane: Lane) -> None:
    path = f"{API}/users/{CONSUMER.id}/favorites"
    statuses = [lane.get(path, token=token).status_code for token in (ADMIN_TOKEN, CONSUMER_TOKEN)]
    assert statuses == [200, 403]
    assert len(lane.by_flask) == 2


def test_what_only_admins_may_hear_is_told_to_nobody_else(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = lane.app.view_functions["api.movies.list_popular_movies"]
    monkeypatch.setattr(view, "butaca_role", Role.ADMIN)
    assert [lane.get(token=ADMIN_TOKEN).status_code for _ in range(2)] == [200, 200]
    assert lane.by_flask == [POPULAR]
    assert ask(lane).status_code == 403


@pytest.mark.parametrize("path", [f"{API}/me", f"{API}/me/favorites", f"{API}/me/export"])
def test_what_is_ones_own_is_never_told_to_others(lane: Lane, path: str) -> None:
    theirs = {lane.get(path, token=ADMIN_TOKEN).data for _ in range(3)}
    mine = lane.get(path, token=CONSUMER_TOKEN)
    assert mine.status_code == 200
    assert mine.data not in theirs


def test_a_failure_is_not_told_again(lane: Lane) -> None:
    lane.world.catalogue.failure = CatalogueUnavailable()
    assert lane.get().status_code == 503
    lane.world.catalogue.failure = None
    assert lane.get().status_code == 200


def test_that_there_is_no_such_movie_is_not_told_again(lane: Lane) -> None:
    for _ in range(2):
        assert lane.get(f"{API}/movies/404").status_code == 404
    assert lane.asked == 2


def test_head_is_answered_by_the_app(lane: Lane) -> None:
    lane.get()
    answer = lane.client.head(POPULAR, headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"})
    assert (answer.status_code, answer.data) == (200, b"")


def test_a_request_in_the_lane_leaves_its_line(
    lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "butaca.access")
    lane.get()
    lane.get(X_Request_Id="mine")
    first, again = (vars(record) for record in caplog.records)
    shown: Any = ("method", "route", "status", "user_id")
    assert [again[name] for name in shown] == [first[name] for name in shown]
    assert again["cache"] == "hit"
    assert again["milliseconds"] >= 0


def test_the_lane_forgets_what_it_has_no_room_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "MEMORY", 10)
    lane = Lane(world)
    lane.get()
    assert lane.get().status_code == 200
    assert lane.asked == 2


@contextmanager
def held_up(lane: Lane, owner: object, name: str) -> Iterator[None]:
    """Let some be held up in a function on their way through the lane, until the block is left."""
    function, came, go_on = getattr(owner, name), SimpleQueue[None](), Event()

    def hang(*args: Any) -> Any:
        came.put(None)
        assert go_on.wait(10)
        return function(*args)

    ask(lane)
    with ThreadPoolExecutor(HELD_UP) as pool:
        setattr(owner, name, hang)
        asked = [pool.submit(ask, lane) for _ in range(HELD_UP)]
        for _ in asked:
            came.get(timeout=10)
        setattr(owner, name, function)
        try:
            yield
            assert not any(each.done() for each in asked)
        finally:
            go_on.set()
    assert {each.result().status_code for each in asked} == {200}


def ask(lane: Lane) -> TestResponse:
    return lane.app.test_client().get(POPULAR, headers=AUTHORIZED)


def test_who_waits_for_redis_holds_up_nobody(lane: Lane) -> None:
    with held_up(lane, lane.world.limiter, "seconds_to_wait"):
        assert ask(lane).status_code == 200
    assert lane.by_flask == [POPULAR]


def test_who_waits_for_the_database_holds_up_nobody(lane: Lane) -> None:
    with held_up(lane, lane.store, "find_bearer"):
        assert ask(lane).status_code == 200
    assert lane.by_flask == [POPULAR]


def test_an_app_has_a_lane_unless_it_is_told_otherwise(world: World) -> None:
    furnish(world)
    world.catalogue.freshness = FRESH
    for is_wanted, asked in ((True, 1), (False, 3)):
        client = world.client(WebOptions(express=is_wanted), CONSUMER_TOKEN)
        for _ in range(2):
            client.get(POPULAR)
        assert len(world.catalogue.calls) == asked
