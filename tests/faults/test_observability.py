"""During failures, probes report them and no log line contains a secret."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from butaca.sandbox import Fault, Sandbox
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.faults.pods import Environment, Pod, break_tmdb, new_path
from tests.postgresql_server import PostgresqlServer
from tests.waiting import wait_until

PASSWORDS = {"database": "pw-of-postgresql", "redis": "pw-of-redis", "tmdb": "pw-of-tmdb"}
UNKNOWN_TOKEN = "butaca_of-somebody-unknown"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def database_url(postgres: PostgresqlServer) -> str:
    """The URL of a database on a server that a test may break."""
    return postgres.url


def probe(pod: Pod, path: str) -> tuple[int, str, dict[str, object]]:
    """Return the status, the content type and the JSON body of a probe."""
    connection = pod.connect()
    connection.request("GET", path)
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, response.getheader("Content-Type", ""), body


def test_readiness_reports_a_killed_database(env: Environment, postgres: PostgresqlServer) -> None:
    pod = env.pod()
    assert probe(pod, "/readyz") == (200, "application/json", {"status": "ok", "database": "ok"})
    postgres.kill()
    status, media_type, body = probe(pod, "/readyz")
    assert (status, media_type) == (503, "application/problem+json")
    assert (body["database"], body["code"]) == ("unreachable", "library-unavailable")
    assert probe(pod, "/livez") == (200, "application/json", {"status": "ok"})


def test_logs_contain_no_secret_during_failures(
    env: Environment, postgres: PostgresqlServer
) -> None:
    database = make_url(postgres.url).set(password=PASSWORDS["database"])
    pod = env.pod(
        DATABASE_URL=database.render_as_string(hide_password=False),
        REDIS_URL=env.redis_url.replace("//", f"//nobody:{PASSWORDS['redis']}@"),
        TMDB_TOKEN=PASSWORDS["tmdb"],
        LOG_LEVEL="debug",
    )
    statuses = set(send_secrets(pod))  # Redis rejects the password, and TMDB the key.
    for kind in ("503", "truncated"):
        break_tmdb(env.tmdb, Fault(kind))
        statuses |= set(send_secrets(pod))
    postgres.kill()
    statuses |= set(send_secrets(pod))
    assert statuses >= {200, 401, 404, 422, 502, 503}
    output = pod._stdout.read_text() + pod._stderr.read_text()
    events = {json.loads(line)["event"] for line in output.splitlines() if line.startswith("{")}
    assert events >= {"tmdb.call_failed", "redis.unavailable", "database.unavailable"}
    secrets = (*PASSWORDS.values(), ADMIN_TOKEN, CONSUMER_TOKEN, UNKNOWN_TOKEN)
    assert [secret for secret in secrets if secret in output] == []


def send_secrets(pod: Pod) -> Iterator[int]:
    """Send secrets in every place where clients put them by mistake; yield the statuses."""
    secrets = (ADMIN_TOKEN, PASSWORDS["tmdb"])
    for secret in secrets:
        for path in (
            new_path(),
            f"/me?access_token={secret}",
            f"/movies/search?query={secret}",
            f"/movies/popular?api_key={secret}",
            f"/movies/{secret}",
            f"/{secret}",
        ):
            yield pod.get(path).status
        yield pod.get("/me", Authorization=f"Bearer {UNKNOWN_TOKEN}").status
        yield pod.get("/me", Authorization=f"Basic {secret}").status
        yield pod.get("/me", Cookie=f"token={secret}").status
        yield pod.call("POST", "/me/favorites", {"movie_id": secret}).status
        yield pod.call("POST", "/me/favorites", {"movie_id": 550, secret: secret}).status
        yield pod.call("PUT", "/me/ratings/550", {"stars": 4}).status


def test_log_lines_of_a_request_have_its_trace_id(pod: Pod, tmdb: Sandbox) -> None:
    tmdb.inject(Fault("503"))
    pod.get(new_path(), traceparent=f"00-{TRACE_ID}-00f067aa0ba902b7-01")
    (error,) = wait_until(lambda: pod.errors_of("tmdb.call_failed"))
    assert error["trace_id"] == TRACE_ID
    lines = wait_until(
        lambda: [
            line
            for line in pod.log()
            if line.get("trace_id") == TRACE_ID and line["event"] == "request.completed"
        ]
    )
    assert len(lines) == 1
    retries = [line for line in pod.log() if line["event"] == "tmdb.retrying"]
    assert {line["trace_id"] for line in retries[-2:]} == {TRACE_ID}
