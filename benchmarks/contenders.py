"""The servers of the comparison: started, warmed up, and verified to respond correctly."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.calls import Caller
from benchmarks.load import Target
from benchmarks.peers.nginx import write_configuration
from benchmarks.processes import HOST, Server, new_port, serving
from benchmarks.testbed import AUTHORIZED, THREADS, Surroundings
from benchmarks.trial import TRIES, Trial

PEERS = Path(".venv-bench/bin")
POPULAR = "/api/v1/movies/popular"
FAVORITES = "/api/v1/me/favorites"
PEER_POPULAR = "/movies/popular"

BARE = "bare Flask"
ASKING = "bare Flask calling the sandbox"
WARM = "Butaca: warm GET"
NOT_MODIFIED = "Butaca: 304"
MARKED = "Butaca: include=me"
KEPT = "Butaca: 20 favorites"
FASTAPI = "FastAPI, fastapi-cache2"
FLASK_CACHING = "Flask-Caching"
NGINX = "nginx proxy_cache"


@contextmanager
def contenders(around: Surroundings) -> Iterator[tuple[Server, list[Trial]]]:
    """Start every server; yield Butaca and the trials, each of which has passed."""
    with ExitStack() as stack:
        pod = stack.enter_context(around.pod())
        body = _fill(pod)
        bare = stack.enter_context(bare_flask(around, body))
        trials = [_bare(bare, body), *_butaca(pod), *_python_peers(stack, around)]
        if shutil.which("nginx"):
            trials.append(_nginx(stack, around, bare, body))
        for each in trials:
            each.check()
        yield pod, trials


@contextmanager
def bare_flask(around: Surroundings, body: bytes, threads: int = THREADS) -> Iterator[Server]:
    """Start a bare Flask that always responds with this body."""
    port, file = new_port(), around.folder / "body.json"
    file.write_bytes(body)
    command = [sys.executable, "-m", "benchmarks.peers.bare", str(port), str(threads), str(file)]
    with serving(BARE, command, port, around.folder) as server:
        yield server


@contextmanager
def asking_flask(around: Surroundings, tmdb_url: str) -> Iterator[Server]:
    """Start a bare Flask that calls TMDB on every request."""
    port = new_port()
    command = [sys.executable, "-m", "benchmarks.peers.asking", str(port), str(THREADS)]
    environment = {**around.environment, "TMDB_BASE_URL": tmdb_url}
    with serving(ASKING, command, port, around.folder, environment) as server:
        yield server


def _fill(pod: Server) -> bytes:
    """Add the first twenty popular movies to the favorites; return the body of their page."""
    caller = Caller(pod.origin)
    page = caller.get(POPULAR)
    for movie in page.json["results"]:
        caller.ask("POST", FAVORITES, {"movie_id": movie["id"]})
    return page.body


def _bare(server: Server, body: bytes) -> Trial:
    return Trial(Target(BARE, server, (PEER_POPULAR,), AUTHORIZED), body=body)


def _butaca(pod: Server) -> Iterator[Trial]:
    def target(name: str, path: str, **headers: str) -> Target:
        return Target(name, pod, (path,), {**AUTHORIZED, **headers})

    first = Caller(pod.origin).get(POPULAR)
    hit = {"Cache-Status": "butaca; hit; ttl="}
    unchanged = target(NOT_MODIFIED, POPULAR, **{"If-None-Match": str(first.headers["ETag"])})
    yield Trial(target(WARM, POPULAR), body=first.body, headers=hit, is_butaca=True)
    yield Trial(unchanged, status=304, body=b"", headers=hit, is_butaca=True)
    yield Trial(target(MARKED, f"{POPULAR}?include=me"), movies=20, headers=hit, is_butaca=True)
    yield Trial(target(KEPT, FAVORITES), movies=20, is_butaca=True)


def _python_peers(stack: ExitStack, around: Surroundings) -> Iterator[Trial]:
    yield _peer(
        stack,
        around,
        FASTAPI,
        ["uvicorn", "benchmarks.peers.fastapi_cached:app", "--no-access-log"],
        {"X-FastAPI-Cache": "HIT"},
    )
    yield _peer(
        stack,
        around,
        FLASK_CACHING,
        ["gunicorn", "benchmarks.peers.flask_cached:app", "-kgthread", f"--threads={THREADS}"],
        {},
    )


def _peer(
    stack: ExitStack,
    around: Surroundings,
    name: str,
    words: list[str],
    headers: dict[str, str],
) -> Trial:
    port = new_port()
    where = [f"--bind={HOST}:{port}"] if "gunicorn" in words else [f"--port={port}"]
    command = [str(PEERS / words[0]), *words[1:], *where]
    environment = around.environment
    server = stack.enter_context(serving(name, command, port, around.folder, environment))
    target = Target(name, server, (PEER_POPULAR,), AUTHORIZED)
    is_kept = partial(_is_kept, around)
    return Trial(target, movies=20, headers=headers, is_kept=is_kept)


def _is_kept(around: Surroundings, target: Target) -> bool:
    """Return whether a peer can respond without calling TMDB.

    One such response suffices, because other servers may call TMDB meanwhile.
    """
    caller = Caller(target.server.origin)

    def goes_out() -> bool:
        calls = around.tmdb.calls.total
        caller.get(target.paths[0])
        return around.tmdb.calls.total > calls

    return not all(goes_out() for _ in range(TRIES))


def _nginx(stack: ExitStack, around: Surroundings, bare: Server, body: bytes) -> Trial:
    port, nginx = new_port(), str(shutil.which("nginx"))
    file = write_configuration(around.folder, port, bare.origin)
    command = [nginx, "-p", str(around.folder), "-c", str(file)]
    server = stack.enter_context(serving(NGINX, command, port, around.folder))
    target = Target(NGINX, server, (PEER_POPULAR,), AUTHORIZED)
    return Trial(target, body=body, headers={"X-Cache-Status": "HIT"})
