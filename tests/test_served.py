"""The service as in production, with a real Redis, PostgreSQL and HTTP server."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

import pytest
import requests

from butaca.adapters.sql import Database
from butaca.adapters.sql.tables import movies
from butaca.sandbox import Sandbox
from butaca.server import free_port
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.contract_client import UNPACK
from tests.faults.pods import run_concurrently
from tests.many import keep_many
from tests.processes import Process, end, line_with, running
from tests.turns import Alone

TIMEOUT = 10


@dataclass
class Served:
    """A served Butaca, and the TMDB behind it."""

    url: str
    tmdb: Sandbox
    process: Process

    def get(self, path: str, **headers: str) -> requests.Response:
        return self._call("GET", path, headers=headers)

    def post(self, path: str, body: object) -> requests.Response:
        return self._call("POST", path, body)

    def put(self, path: str, body: object) -> requests.Response:
        return self._call("PUT", path, body)

    def delete(self, path: str) -> requests.Response:
        return self._call("DELETE", path)

    def _call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        return requests.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {CONSUMER_TOKEN}", **(headers or {})},
            timeout=TIMEOUT,
        )


@contextmanager
def serving(postgresql: Database, redis_url: str, **changes: str) -> Iterator[Served]:
    port = free_port("127.0.0.1")
    with Sandbox() as tmdb:
        environment = {
            "DATABASE_URL": postgresql.engine.url.render_as_string(hide_password=False),
            "REDIS_URL": redis_url,
            "TMDB_TOKEN": "sandbox-token",
            "TMDB_BASE_URL": tmdb.url,
            "PORT": str(port),
            "DEMO_USERS": "true",
            "LOG_FORMAT": "json",
            **changes,
        }
        with running("serve", environment=environment) as process:
            line_with(process, "server.listens")
            yield Served(f"http://127.0.0.1:{port}", tmdb, process)


@pytest.fixture
def served(postgresql: Database, empty_redis: str) -> Iterator[Served]:
    with serving(postgresql, empty_redis) as served:
        yield served


def lines_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_six_equal_gets_within_the_ttl_make_one_upstream_call(served: Served) -> None:
    answers = [served.get("/movies/popular") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert served.tmdb.calls.total == 1
    assert len({answer.content for answer in answers}) == 1


def test_with_tmdb_stopped_the_last_good_answer_is_served_stale(
    postgresql: Database, empty_redis: str
) -> None:
    with serving(postgresql, empty_redis, CACHE_TTL_SECONDS="0.2", TMDB_RETRIES="0") as served:
        good = served.get("/movies/popular")
        served.tmdb.stop()
        answers = iter(lambda: served.get("/movies/popular"), None)
        stale = next(answer for answer in answers if "; hit" not in answer.headers["Cache-Status"])
        assert stale.content == good.content
        assert stale.headers["Cache-Status"] == "butaca; fwd=stale"
        assert stale.headers["Cache-Control"] == "private, max-age=0"
        _, stderr = end(served.process)
    errors = [line for line in lines_of(stderr) if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["tmdb.call_failed"]
    assert errors[0]["served"] == "stale"
    assert errors[0]["request_id"] == stale.headers["X-Request-Id"]


def test_a_favorite_is_readable_with_tmdb_stopped(served: Served) -> None:
    served.post("/me/favorites", {"movie_id": 550})
    served.tmdb.stop()
    (favorite,) = served.get("/me/favorites?language=es").json()["results"]
    assert favorite["movie"]["title"] == "El club de la lucha"


def test_of_32_people_who_keep_the_same_movie_at_once_one_makes_it_a_favorite(
    served: Served, alone: Alone
) -> None:
    _warm_up(served)
    keep = partial(served.post, "/me/favorites", {"movie_id": 550})
    with alone():
        answers = run_concurrently(*[partial(_insist, keep)] * 32)
    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert served.get("/me/favorites").json()["total_results"] == 1
    assert served.tmdb.calls.total == 1


def test_of_32_people_who_rate_the_same_movie_at_once_one_makes_the_rating(
    served: Served, alone: Alone
) -> None:
    _warm_up(served)
    rate = partial(served.put, "/me/ratings/550", {"stars": 4.5})
    with alone():
        answers = run_concurrently(*[partial(_insist, rate)] * 32)
    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
    assert served.get("/me/ratings").json()["total_results"] == 1


def _insist(call: Callable[[], requests.Response]) -> requests.Response:
    """Come back while it is busy, as `Retry-After` asks: a starved machine turns some away."""
    for _ in range(10):
        answer = call()
        if answer.status_code != 503:
            return answer
        assert answer.json()["code"] == "library-busy"
        Event().wait(int(answer.headers["Retry-After"]))
    raise TimeoutError("It never let us in.")


def _warm_up(served: Served) -> None:
    """Let it connect and compile what it will say: under coverage that takes longer than a race."""
    served.put("/me/ratings/680", {"stars": 3})
    served.delete("/me/ratings/680")
    served.post("/me/favorites", {"movie_id": 680})
    served.delete("/me/favorites/680")
    served.tmdb.calls.reset()


def test_an_export_of_3_000_movies_arrives_whole(served: Served, postgresql: Database) -> None:
    keep_many(postgresql, 3000)
    as_json = served.get("/me/export")
    as_csv = served.get("/me/export?format=csv")
    assert len(as_json.json()["movies"]) == 3000
    assert len(list(csv.reader(as_csv.text.splitlines(), strict=True))) == 3001
    assert as_json.headers["Transfer-Encoding"] == "chunked"


def test_an_export_that_breaks_off_is_not_taken_for_a_whole_one(
    served: Served, postgresql: Database
) -> None:
    keep_many(postgresql, 3000)
    with postgresql.writing() as connection:
        connection.execute(movies.update().where(movies.c.id == 2500).values(details="{"))
    answer = served.get("/me/export")
    assert answer.status_code == 200
    assert answer.text.endswith('"This export broke off. It is not whole.')
    _, stderr = end(served.process)
    errors = [line for line in lines_of(stderr) if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["export.broke_off"]
    assert errors[0]["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("coding", UNPACK)
def test_a_packed_answer_has_the_length_that_it_says(coding: str, served: Served) -> None:
    plain = served.get("/movies/popular", **{"Accept-Encoding": "identity"})
    headers = {"Accept-Encoding": coding, "Authorization": f"Bearer {CONSUMER_TOKEN}"}
    url = f"{served.url}/api/v1/movies/popular"
    with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as packed:
        body = packed.raw.read(decode_content=False)
    head = requests.head(url, headers=headers, timeout=TIMEOUT)
    assert len(body) < len(plain.content) / 2
    assert UNPACK[coding](body) == plain.content
    for answer in (packed, head):
        assert answer.headers["Content-Encoding"] == coding
        assert answer.headers["Content-Length"] == str(len(body))
        assert answer.headers["Vary"] == "Accept-Encoding"


def test_whoever_has_a_plain_answer_is_not_sent_a_packed_one(served: Served) -> None:
    plain = served.get("/movies/popular", **{"Accept-Encoding": "identity"})
    packed = served.get("/movies/popular")
    again = served.get("/movies/popular", **{"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == packed.headers["ETag"] != plain.headers["ETag"]
    assert again.headers["Vary"] == "Accept-Encoding"


def test_a_page_of_another_origin_may_read_whatever_comes_of_it(
    postgresql: Database, empty_redis: str
) -> None:
    friend = "https://friend.example"
    with serving(postgresql, empty_redis, CORS_ORIGINS=friend) as served:
        answers = [served.get(path, Origin=friend) for path in ("/me", "/nope", "/me?x=1")]
        assert [answer.status_code for answer in answers] == [200, 404, 422]
        for answer in answers:
            assert answer.headers["Access-Control-Allow-Origin"] == friend
            assert answer.headers["Vary"] == "Origin, Accept-Encoding"


def test_the_page_to_try_the_api_on_is_served_packed_and_kept(served: Served) -> None:
    page = requests.get(f"{served.url}/docs/", timeout=TIMEOUT)
    (script,) = re.findall(r'src="(swagger-ui-bundle[^"]+)"', page.text)
    assert f'data-token="{CONSUMER_TOKEN}"' in page.text
    bundle = requests.get(f"{served.url}/docs/{script}", timeout=TIMEOUT)
    assert bundle.headers["Content-Encoding"] in UNPACK
    assert int(bundle.headers["Content-Length"]) < 500_000
    assert "immutable" in bundle.headers["Cache-Control"]
    condition = {"If-None-Match": bundle.headers["ETag"]}
    again = requests.get(f"{served.url}/docs/{script}", headers=condition, timeout=TIMEOUT)
    assert again.status_code == 304


def test_no_line_of_the_log_has_a_token(served: Served) -> None:
    served.get("/movies/popular")
    requests.get(
        f"{served.url}/api/v1/me?access_token={ADMIN_TOKEN}",
        headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
        timeout=TIMEOUT,
    )
    stdout, stderr = end(served.process)
    for secret in (CONSUMER_TOKEN, ADMIN_TOKEN, "sandbox-token"):
        assert secret not in stdout + stderr


def test_every_request_is_one_line_on_stdout(served: Served) -> None:
    answer = served.get("/movies/550")
    stdout, _ = end(served.process)
    call, line = lines_of(stdout)
    assert (call["event"], call["call"]) == ("tmdb.call_answered", "details:550:en-US")
    assert call["request_id"] == line["request_id"]
    assert line["event"] == "request.answered"
    assert line["route"] == "/api/v1/movies/<movie_id>"
    assert line["status"] == 200
    assert line["user_id"] == 2
    assert line["cache"] == "miss"
    assert line["request_id"] == answer.headers["X-Request-Id"]


def test_a_served_butaca_ends_well_when_told(served: Served) -> None:
    end(served.process)
    assert served.process.returncode == 0
