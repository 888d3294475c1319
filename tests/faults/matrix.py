"""Measure the fault matrix with production limits, and write it as Markdown.

`make faults` runs it in about three minutes. Only the time-to-live and the cooldown of the TMDB
table are shorter than in production, to keep the run short.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from butaca.sandbox import Fault, Sandbox
from tests.faults.pods import (
    HOST,
    SETTINGS,
    Environment,
    Pod,
    Response,
    break_tmdb,
    new_path,
    recover,
)
from tests.faults.test_redis_failures import STATES
from tests.postgresql_server import PostgresqlServer, postgresql_server
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

SHORT_TIMES = {"CACHE_TTL_SECONDS": "0.3", "TMDB_COOLDOWN_SECONDS": "0.3"}
PRODUCTION = {
    name: "" for name in SETTINGS if name.startswith(("CACHE_", "TMDB_")) and "TOKEN" not in name
}

TMDB_FAULTS: dict[str, Fault | None] = {
    "refuses connections": None,
    "closes the connection without a response": Fault("refuse"),
    "never responds": Fault("hang"),
    "sends one body byte per second": Fault("drip", seconds=1),
    "sends one byte per 0.1 s, headers included": Fault("drip-headers", seconds=0.1),
    "429": Fault("429"),
    "429, `Retry-After: 1`": Fault("429", retry_after=1),
    "429, `Retry-After: 86400`": Fault("429", retry_after=86400),
    "500": Fault("500"),
    "502 with an HTML body": Fault("502-html"),
    "503, TMDB code 9": Fault("503"),
    "504": Fault("504"),
    "closes the connection mid-body": Fault("cut"),
    "truncated JSON": Fault("truncated"),
    "200 with `[]`": Fault("list"),
    "200 with `{}`": Fault("object"),
    "401, invalid API key": Fault("401"),
    "fails twice, then succeeds": Fault("503", times=2),
    "gzip without `Content-Encoding`": Fault("gzip"),
}


def main() -> None:
    """Write one table each for TMDB, Redis and the database."""
    with _environment() as (env, valkey, postgres):
        pod = env.pod(**{**PRODUCTION, **SHORT_TIMES})
        _write("| TMDB | stale entry cached | nothing cached | calls |", "| - | - | - | - |")
        for name, fault in TMDB_FAULTS.items():
            _write(f"| {name} | {' | '.join(_tmdb(pod, env.tmdb, fault))} |")
        env.tmdb.clear_faults()
        pod = env.pod(**PRODUCTION)
        _write("", "| Redis | slowest of 50 hits | slowest of 50 misses |", "| - | - | - |")
        for name, break_it, repair in _redis_states(valkey):
            _write(f"| {name} | {' | '.join(_redis(pod, break_it, repair))} |")
        _write("", "| database | favorites list | slowest of 50 hits |", "| - | - | - |")
        for name, break_it, repair in _database_states(postgres):
            _write(f"| {name} | {' | '.join(_database(pod, break_it, repair))} |")


@contextmanager
def _environment() -> Iterator[tuple[Environment, Any, PostgresqlServer]]:
    valkey: Any = valkey_server()
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey,
        postgresql_server() as postgres,
        Sandbox() as tmdb,
    ):
        redis_url = f"redis://{HOST}:{valkey.port}/0"
        with Environment(Path(folder), tmdb, redis_url, postgres.url) as env:
            yield env, valkey, postgres


def _tmdb(pod: Pod, tmdb: Sandbox, fault: Fault | None) -> Iterator[str]:
    path = new_path()
    recover(pod, tmdb)
    pod.get(path)
    break_tmdb(tmdb, fault)
    stale = pod.get_after_ttl(path)
    yield _format_response(stale)
    # The call may go on in the background after a stale response.
    wait_until(lambda: pod.errors_of("tmdb.call_failed") or pod.get(path).is_fresh_hit)
    recover(pod, tmdb)
    tmdb.calls.reset()
    break_tmdb(tmdb, fault)
    yield _format_response(pod.get(new_path()))
    yield str(tmdb.calls.total)
    pod.clear_errors()


Change = Callable[[], object]


def _redis_states(valkey: Any) -> Iterator[tuple[str, Change, Change]]:
    for name in ("killed", "hung"):
        break_it, repair = (partial(change, valkey) for change in STATES[name])
        yield name, break_it, repair


def _redis(pod: Pod, break_it: Change, repair: Change) -> Iterator[str]:
    path = new_path()
    pod.get(path)
    break_it()
    yield _slowest(pod, lambda: path)
    yield _slowest(pod, new_path)
    repair()
    wait_until(lambda: _redis_is_used(pod), seconds=30)


def _redis_is_used(pod: Pod) -> bool:
    pod.get(new_path())
    return bool(pod.errors_of("redis.recovered"))


def _database_states(postgres: PostgresqlServer) -> Iterator[tuple[str, Change, Change]]:
    yield "killed", postgres.kill, postgres.start
    yield "hung", postgres.hang, postgres.resume


def _database(pod: Pod, break_it: Change, repair: Change) -> Iterator[str]:
    path = new_path()
    pod.get(path)
    break_it()
    first, second = (pod.get("/me/favorites") for _ in range(2))
    yield f"{_format_response(first)}, then {_format_time(second)}"
    yield _slowest(pod, lambda: path)
    repair()
    wait_until(lambda: pod.get("/me/favorites").status == 200, seconds=30)


def _slowest(pod: Pod, choose: Callable[[], str]) -> str:
    responses = [pod.get(choose()) for _ in range(50)]
    return _format_response(max(responses, key=lambda response: response.seconds))


def _format_response(response: Response) -> str:
    headers = [response.cache_status.removeprefix("butaca; ")]
    if response.retry_after:
        headers.append(f"Retry-After: {response.retry_after}")
    details = "".join(f" `{header}`" for header in headers if header)
    return f"{response.status}{details} in {_format_time(response)}"


def _format_time(response: Response) -> str:
    seconds = response.seconds
    return f"{seconds:.2f} s" if seconds > 0.1 else f"{seconds * 1000:.0f} ms"


def _write(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
