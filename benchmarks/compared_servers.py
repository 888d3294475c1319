"""The servers of the comparison, started, warmed up, and verified to respond correctly."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.calls import Client
from benchmarks.load import Target
from benchmarks.peers.nginx import write_configuration
from benchmarks.processes import HOST, Server, run_server
from benchmarks.testbed import AUTHORIZED, THREADS, Testbed
from benchmarks.verification import MAX_ATTEMPTS, VerifiedTarget
from butaca.server import free_port

PEERS = Path(".venv-bench/bin")
POPULAR = "/api/v1/movies/popular"
FAVORITES = "/api/v1/me/favorites"
PEER_POPULAR = "/movies/popular"

BARE = "bare Flask"
FORWARDING = "bare Flask calling the sandbox"
WARM = "Butaca: warm GET"
NOT_MODIFIED = "Butaca: 304"
INCLUDE_ME = "Butaca: include=me"
FAVORITES_PAGE = "Butaca: 20 favorites"
FASTAPI = "FastAPI, fastapi-cache2"
FLASK_CACHING = "Flask-Caching"
NGINX = "nginx proxy_cache"


@contextmanager
def compared_servers(testbed: Testbed) -> Iterator[tuple[Server, list[VerifiedTarget]]]:
    """Start every server; yield Butaca and the verified targets."""
    with ExitStack() as stack:
        pod = stack.enter_context(testbed.pod())
        body = _fill(pod)
        bare = stack.enter_context(bare_flask(testbed, body))
        verified = [_bare(bare, body), *_butaca(pod), *_python_peers(stack, testbed)]
        if shutil.which("nginx"):
            verified.append(_nginx(stack, testbed, bare, body))
        for each in verified:
            each.verify()
        yield pod, verified


@contextmanager
def bare_flask(testbed: Testbed, body: bytes, threads: int = THREADS) -> Iterator[Server]:
    """Start a bare Flask that always responds with this body."""
    port, file = free_port(HOST), testbed.folder / "body.json"
    file.write_bytes(body)
    command = [sys.executable, "-m", "benchmarks.peers.bare", str(port), str(threads), str(file)]
    with run_server(BARE, command, port, testbed.folder) as server:
        yield server


@contextmanager
def forwarding_flask(testbed: Testbed, tmdb_url: str) -> Iterator[Server]:
    """Start a bare Flask that calls TMDB on every request."""
    port = free_port(HOST)
    command = [sys.executable, "-m", "benchmarks.peers.forwarding", str(port), str(THREADS)]
    environment = {**testbed.environment, "TMDB_BASE_URL": tmdb_url}
    with run_server(FORWARDING, command, port, testbed.folder, environment) as server:
        yield server


def _fill(pod: Server) -> bytes:
    """Add the first twenty popular movies to the favorites; return the body of their page."""
    client = Client(pod.origin)
    page = client.get(POPULAR)
    for movie in page.json["results"]:
        client.request("POST", FAVORITES, {"movie_id": movie["id"]})
    return page.body


def _bare(server: Server, body: bytes) -> VerifiedTarget:
    return VerifiedTarget(Target(BARE, server, (PEER_POPULAR,), AUTHORIZED), body=body)


def _butaca(pod: Server) -> Iterator[VerifiedTarget]:
    def target(name: str, path: str, **headers: str) -> Target:
        return Target(name, pod, (path,), {**AUTHORIZED, **headers})

    first = Client(pod.origin).get(POPULAR)
    hit = {"Cache-Status": "butaca; hit; ttl="}
    unchanged = target(NOT_MODIFIED, POPULAR, **{"If-None-Match": str(first.headers["ETag"])})
    yield VerifiedTarget(target(WARM, POPULAR), body=first.body, headers=hit, is_butaca=True)
    yield VerifiedTarget(unchanged, status=304, body=b"", headers=hit, is_butaca=True)
    yield VerifiedTarget(
        target(INCLUDE_ME, f"{POPULAR}?include=me"), movies=20, headers=hit, is_butaca=True
    )
    yield VerifiedTarget(target(FAVORITES_PAGE, FAVORITES), movies=20, is_butaca=True)


def _python_peers(stack: ExitStack, testbed: Testbed) -> Iterator[VerifiedTarget]:
    yield _peer(
        stack,
        testbed,
        FASTAPI,
        ["uvicorn", "benchmarks.peers.fastapi_cached:app", "--no-access-log"],
        {"X-FastAPI-Cache": "HIT"},
    )
    yield _peer(
        stack,
        testbed,
        FLASK_CACHING,
        ["gunicorn", "benchmarks.peers.flask_cached:app", "-kgthread", f"--threads={THREADS}"],
        {},
    )


def _peer(
    stack: ExitStack,
    testbed: Testbed,
    name: str,
    args: list[str],
    headers: dict[str, str],
) -> VerifiedTarget:
    port = free_port(HOST)
    address = [f"--bind={HOST}:{port}"] if "gunicorn" in args else [f"--port={port}"]
    command = [str(PEERS / args[0]), *args[1:], *address]
    environment = testbed.environment
    server = stack.enter_context(run_server(name, command, port, testbed.folder, environment))
    target = Target(name, server, (PEER_POPULAR,), AUTHORIZED)
    is_cached = partial(_is_cached, testbed)
    return VerifiedTarget(target, movies=20, headers=headers, is_cached=is_cached)


def _is_cached(testbed: Testbed, target: Target) -> bool:
    """Return whether a peer can respond without calling TMDB.

    One response without a call suffices, because other servers may call TMDB meanwhile.
    """
    client = Client(target.server.origin)

    def calls_tmdb() -> bool:
        calls = testbed.tmdb.calls.total
        client.get(target.paths[0])
        return testbed.tmdb.calls.total > calls

    return not all(calls_tmdb() for _ in range(MAX_ATTEMPTS))


def _nginx(stack: ExitStack, testbed: Testbed, bare: Server, body: bytes) -> VerifiedTarget:
    port, nginx = free_port(HOST), str(shutil.which("nginx"))
    file = write_configuration(testbed.folder, port, bare.origin)
    command = [nginx, "-p", str(testbed.folder), "-c", str(file)]
    server = stack.enter_context(run_server(NGINX, command, port, testbed.folder))
    target = Target(NGINX, server, (PEER_POPULAR,), AUTHORIZED)
    return VerifiedTarget(target, body=body, headers={"X-Cache-Status": "HIT"})
