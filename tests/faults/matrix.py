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
    Answer,
    Environment,
    Pod,
    new_path,
    recover,
    strike,
    wait_until,
)
from tests.faults.test_redis_away import STATES
from tests.own_postgresql import OwnPostgresql, own_postgresql
from tests.own_valkey import own_valkey

QUICK = {"CACHE_TTL_SECONDS": "0.3", "TMDB_COOLDOWN_SECONDS": "0.3"}
PRODUCTION = {
    name: "" for name in SETTINGS if name.startswith(("CACHE_", "TMDB_")) and "TOKEN" not in name
}

TMDB: dict[str, Fault | None] = {
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
    with tempfile.TemporaryDirectory() as folder, _city(Path(folder)) as (env, valkey, postgres):
        pod = env.pod(**{**PRODUCTION, **QUICK})
        _write("| TMDB | stale entry cached | nothing cached | calls |", "| - | - | - | - |")
        for name, fault in TMDB.items():
            _write(f"| {name} | {' | '.join(_tmdb(pod, env.tmdb, fault))} |")
        env.tmdb.clear_faults()
        pod = env.pod(**PRODUCTION)
        _write("", "| Redis | slowest of 50 hits | slowest of 50 misses |", "| - | - | - |")
        for name, ruin, mend in _redis_states(valkey):
            _write(f"| {name} | {' | '.join(_redis(pod, ruin, mend))} |")
        _write("", "| database | favorites list | slowest of 50 hits |", "| - | - | - |")
        for name, ruin, mend in _database_states(postgres):
            _write(f"| {name} | {' | '.join(_database(pod, ruin, mend))} |")


@contextmanager
def _city(folder: Path) -> Iterator[tuple[Environment, Any, OwnPostgresql]]:
    valkey: Any = own_valkey()
    with valkey, own_postgresql() as postgres, Sandbox() as tmdb:
        env = Environment(folder, tmdb, f"redis://{HOST}:{valkey.port}/0", postgres.url)
        with env:
            yield env, valkey, postgres


def _tmdb(pod: Pod, tmdb: Sandbox, fault: Fault | None) -> Iterator[str]:
    path = new_path()
    recover(pod, tmdb)
    pod.get(path)
    strike(tmdb, fault)
    stale = pod.get_after_ttl(path)
    yield _told(stale)
    wait_until(lambda: "miss" in stale.cache_status or pod.errors_of("tmdb.call_failed"))
    recover(pod, tmdb)
    tmdb.calls.reset()
    strike(tmdb, fault)
    yield _told(pod.get(new_path()))
    yield str(tmdb.calls.total)
    pod.forget()


Change = Callable[[], object]


def _redis_states(valkey: Any) -> Iterator[tuple[str, Change, Change]]:
    for name in ("killed", "hung"):
        ruin, mend = (partial(change, valkey) for change in STATES[name])
        yield name, ruin, mend


def _redis(pod: Pod, ruin: Change, mend: Change) -> Iterator[str]:
    path = new_path()
    pod.get(path)
    ruin()
    yield _slowest(pod, lambda: path)
    yield _slowest(pod, new_path)
    mend()
    wait_until(lambda: _is_back(pod), seconds=30)


def _is_back(pod: Pod) -> bool:
    pod.get(new_path())
    return bool(pod.errors_of("redis.came_back"))


def _database_states(postgres: OwnPostgresql) -> Iterator[tuple[str, Change, Change]]:
    yield "killed", postgres.kill, postgres.start
    yield "hung", postgres.hang, postgres.wake


def _database(pod: Pod, ruin: Change, mend: Change) -> Iterator[str]:
    path = new_path()
    pod.get(path)
    ruin()
    first, second = (pod.get("/me/favorites") for _ in range(2))
    yield f"{_told(first)}, then {_time(second)}"
    yield _slowest(pod, lambda: path)
    mend()
    wait_until(lambda: pod.get("/me/favorites").status == 200, seconds=30)


def _slowest(pod: Pod, choose: Callable[[], str]) -> str:
    answers = [pod.get(choose()) for _ in range(50)]
    return _told(max(answers, key=lambda answer: answer.seconds))


def _told(answer: Answer) -> str:
    told = [answer.cache_status.removeprefix("butaca; ")]
    if answer.retry_after:
        told.append(f"Retry-After: {answer.retry_after}")
    how = "".join(f" `{each}`" for each in told if each)
    return f"{answer.status}{how} in {_time(answer)}"


def _time(answer: Answer) -> str:
    return f"{answer.seconds:.2f} s" if answer.seconds > 0.1 else f"{answer.seconds * 1000:.0f} ms"


def _write(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
