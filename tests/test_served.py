"""The service as in production, with real Redis, PostgreSQL and HTTP servers."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import requests

from butaca.adapters.sql import Database
from butaca.adapters.sql.tables import movies
from butaca.sandbox import Sandbox
from butaca.server import free_port
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.bulk_data import add_favorites
from tests.contract_client import DECOMPRESS
from tests.faults.pods import run_concurrently
from tests.processes import Process, running, stop, wait_for_line
from tests.suite_lock import Exclusive

TIMEOUT = 10


@dataclass
class Served:
    """A running Butaca server, and its TMDB."""

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
            wait_for_line(process, "server.listening")
            yield Served(f"http://127.0.0.1:{port}", tmdb, process)


@pytest.fixture
def served(postgresql: Database, empty_redis: str) -> Iterator[Served]:
    with serving(postgresql, empty_redis) as served:
        yield served


@pytest.fixture
def unqueued(postgresql: Database, empty_redis: str) -> Iterator[Served]:
    """A server with a database connection for each of 32 requests, so that it rejects none.

    With the default settings they would queue, and on a slow machine some would get a 503.
    """
    with serving(postgresql, empty_redis, THREADS="68") as served:
        yield served


def log_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_six_identical_gets_within_the_ttl_make_one_upstream_call(served: Served) -> None:
    responses = [served.get("/movies/popular") for _ in range(6)]
    assert [response.status_code for response in responses] == [200] * 6
    assert served.tmdb.calls.total == 1
    assert len({response.content for response in responses}) == 1


def test_last_response_is_served_stale_while_tmdb_is_down(
    postgresql: Database, empty_redis: str
) -> None:
    with serving(postgresql, empty_redis, CACHE_TTL_SECONDS="0.2", TMDB_RETRIES="0") as served:
        fresh = served.get("/movies/popular")
        served.tmdb.stop()
        responses = iter(lambda: served.get("/movies/popular"), None)
        stale = next(
            response for response in responses if "; hit" not in response.headers["Cache-Status"]
        )
        assert stale.content == fresh.content
        assert stale.headers["Cache-Status"] == "butaca; fwd=stale"
        assert stale.headers["Cache-Control"] == "private, max-age=0"
        _, stderr = stop(served.process)
    errors = [line for line in log_lines(stderr) if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["tmdb.call_failed"]
    assert errors[0]["served"] == "stale"
    assert errors[0]["request_id"] == stale.headers["X-Request-Id"]


def test_favorites_are_readable_while_tmdb_is_down(served: Served) -> None:
    served.post("/me/favorites", {"movie_id": 550})
    served.tmdb.stop()
    (favorite,) = served.get("/me/favorites?language=es").json()["results"]
    assert favorite["movie"]["title"] == "El club de la lucha"


def test_32_concurrent_posts_create_one_favorite(unqueued: Served, exclusive: Exclusive) -> None:
    _warm_up(unqueued)
    add = partial(unqueued.post, "/me/favorites", {"movie_id": 550})
    with exclusive():
        responses = run_concurrently(*[add] * 32)
    assert sorted(response.status_code for response in responses) == [200] * 31 + [201]
    assert len({response.content for response in responses}) == 1
    assert unqueued.get("/me/favorites").json()["total_results"] == 1
    assert unqueued.tmdb.calls.total == 1


def test_32_concurrent_puts_create_one_rating(unqueued: Served, exclusive: Exclusive) -> None:
    _warm_up(unqueued)
    rate = partial(unqueued.put, "/me/ratings/550", {"stars": 4.5})
    with exclusive():
        responses = run_concurrently(*[rate] * 32)
    assert sorted(response.status_code for response in responses) == [200] * 31 + [201]
    assert unqueued.get("/me/ratings").json()["total_results"] == 1


def _warm_up(served: Served) -> None:
    """Connect, and compile the statements: under coverage this takes longer than the race."""
    served.put("/me/ratings/680", {"stars": 3})
    served.delete("/me/ratings/680")
    served.post("/me/favorites", {"movie_id": 680})
    served.delete("/me/favorites/680")
    served.tmdb.calls.reset()


def test_export_of_3000_movies_is_complete(served: Served, postgresql: Database) -> None:
    add_favorites(postgresql, 3000)
    as_json = served.get("/me/export")
    as_csv = served.get("/me/export?format=csv")
    assert len(as_json.json()["movies"]) == 3000
    assert len(list(csv.reader(as_csv.text.splitlines(), strict=True))) == 3001
    assert as_json.headers["Transfer-Encoding"] == "chunked"


def test_interrupted_export_is_marked_incomplete(served: Served, postgresql: Database) -> None:
    add_favorites(postgresql, 3000)
    with postgresql.writing() as connection:
        connection.execute(movies.update().where(movies.c.id == 2500).values(details="{"))
    response = served.get("/me/export")
    assert response.status_code == 200
    assert response.text.endswith('"This export was interrupted and is incomplete.')
    _, stderr = stop(served.process)
    errors = [line for line in log_lines(stderr) if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["export.aborted"]
    assert errors[0]["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.parametrize("coding", DECOMPRESS)
def test_compressed_response_has_the_correct_content_length(coding: str, served: Served) -> None:
    uncompressed = served.get("/movies/popular", **{"Accept-Encoding": "identity"})
    headers = {"Accept-Encoding": coding, "Authorization": f"Bearer {CONSUMER_TOKEN}"}
    url = f"{served.url}/api/v1/movies/popular"
    with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as compressed:
        body = compressed.raw.read(decode_content=False)
    head = requests.head(url, headers=headers, timeout=TIMEOUT)
    assert len(body) < len(uncompressed.content) / 2
    assert DECOMPRESS[coding](body) == uncompressed.content
    for response in (compressed, head):
        assert response.headers["Content-Encoding"] == coding
        assert response.headers["Content-Length"] == str(len(body))
        assert response.headers["Vary"] == "Accept-Encoding"


def test_etag_of_the_uncompressed_response_also_matches(served: Served) -> None:
    uncompressed = served.get("/movies/popular", **{"Accept-Encoding": "identity"})
    compressed = served.get("/movies/popular")
    again = served.get("/movies/popular", **{"If-None-Match": uncompressed.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == compressed.headers["ETag"] != uncompressed.headers["ETag"]
    assert again.headers["Vary"] == "Accept-Encoding"


def test_allowed_origin_can_read_success_and_error_responses(
    postgresql: Database, empty_redis: str
) -> None:
    origin = "https://frontend.example"
    with serving(postgresql, empty_redis, CORS_ORIGINS=origin) as served:
        responses = [served.get(path, Origin=origin) for path in ("/me", "/nope", "/me?x=1")]
        assert [response.status_code for response in responses] == [200, 404, 422]
        for response in responses:
            assert response.headers["Access-Control-Allow-Origin"] == origin
            assert response.headers["Vary"] == "Origin, Accept-Encoding"


def test_docs_page_script_is_compressed_and_cacheable(served: Served) -> None:
    page = requests.get(f"{served.url}/docs/", timeout=TIMEOUT)
    (script,) = re.findall(r'src="(swagger-ui-bundle[^"]+)"', page.text)
    assert f'data-token="{CONSUMER_TOKEN}"' in page.text
    bundle = requests.get(f"{served.url}/docs/{script}", timeout=TIMEOUT)
    assert bundle.headers["Content-Encoding"] in DECOMPRESS
    assert int(bundle.headers["Content-Length"]) < 500_000
    assert "immutable" in bundle.headers["Cache-Control"]
    condition = {"If-None-Match": bundle.headers["ETag"]}
    again = requests.get(f"{served.url}/docs/{script}", headers=condition, timeout=TIMEOUT)
    assert again.status_code == 304


def test_logs_contain_no_token(served: Served) -> None:
    served.get("/movies/popular")
    requests.get(
        f"{served.url}/api/v1/me?access_token={ADMIN_TOKEN}",
        headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
        timeout=TIMEOUT,
    )
    stdout, stderr = stop(served.process)
    for secret in (CONSUMER_TOKEN, ADMIN_TOKEN, "sandbox-token"):
        assert secret not in stdout + stderr


def test_every_request_is_logged_as_one_line_on_stdout(served: Served) -> None:
    response = served.get("/movies/550")
    stdout, _ = stop(served.process)
    call, line = log_lines(stdout)
    assert (call["event"], call["call"]) == ("tmdb.call_succeeded", "details:550:en-US")
    assert call["request_id"] == line["request_id"]
    assert line["event"] == "request.completed"
    assert line["route"] == "/api/v1/movies/<movie_id>"
    assert line["status"] == 200
    assert line["user_id"] == 2
    assert line["cache"] == "miss"
    assert line["request_id"] == response.headers["X-Request-Id"]


def test_server_exits_with_status_0_on_sigterm(served: Served) -> None:
    stop(served.process)
    assert served.process.returncode == 0
