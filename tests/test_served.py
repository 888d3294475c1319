"""The service as it is served in production, over a real Redis, PostgreSQL and HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import requests

from butaca.adapters.sql import Database
from butaca.sandbox import Sandbox
from butaca.server import free_port
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.processes import Process, end, line_with, running

TIMEOUT = 10


@dataclass
class Served:
    """A served Butaca, and the TMDB behind it."""

    url: str
    tmdb: Sandbox
    process: Process

    def get(self, path: str) -> requests.Response:
        return self._call("GET", path)

    def post(self, path: str, body: object) -> requests.Response:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: object = None) -> requests.Response:
        return requests.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {CONSUMER_TOKEN}"},
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
    with serving(postgresql, empty_redis, CACHE_TTL_SECONDS="0.2") as served:
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
    (line,) = lines_of(stdout)
    assert line["event"] == "request.answered"
    assert line["route"] == "/api/v1/movies/<movie_id>"
    assert line["status"] == 200
    assert line["user_id"] == 2
    assert line["cache"] == "miss"
    assert line["request_id"] == answer.headers["X-Request-Id"]


def test_a_served_butaca_ends_well_when_told(served: Served) -> None:
    end(served.process)
    assert served.process.returncode == 0
