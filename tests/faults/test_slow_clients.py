"""Slow clients delay no other client and are cut off; excess requests are rejected."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from butaca.connections import MOST
from butaca.sandbox import Fault
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.faults.pods import HOST, Answer, Environment, Pod, ask, new_path, receive, wait_until

QUICKER = """
import butaca.connections
butaca.connections.HEAD_SECONDS = 0.6
butaca.connections.SEND_SECONDS = 1
butaca.connections.SILENT_SECONDS, butaca.connections.LOOK_SECONDS = 2, 0.1
"""
HEAD = f"Host: butaca\r\nAuthorization: Bearer {CONSUMER_TOKEN}\r\n"
HALF = (
    f"PUT /api/v1/me/ratings/550 HTTP/1.1\r\n{HEAD}"
    "Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{"
).encode()


def connect(pod: Pod) -> socket.socket:
    return socket.create_connection((HOST, pod.port), timeout=10)


def everything(sock: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    return b"".join(iter(lambda: sock.recv(65_536), b""))


@pytest.fixture
def quick(env: Environment, startup: Callable[[str], dict[str, str]]) -> Pod:
    """A pod which loses its patience sooner than in production."""
    return env.pod(THREADS="8", **startup(QUICKER))


def test_a_head_that_comes_byte_by_byte_is_cut_off(quick: Pod) -> None:
    with connect(quick) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        wait_until(lambda: drip(sock), seconds=3)


def test_a_connection_over_which_nobody_asks_is_closed(quick: Pod) -> None:
    with connect(quick) as sock:
        assert everything(sock) == b""


def test_half_a_body_holds_nobody_up(quick: Pod) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(quick)).sendall(HALF)
        assert quick.call("PUT", "/me/ratings/550", {"stars": 4}, timeout=1).status == 201


def test_who_sends_too_many_halves_of_bodies_keeps_only_themselves_out(quick: Pod) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(quick)).sendall(HALF)
        refused = wait_until(lambda: refusal(quick))
        assert refused.json["code"] == "overloaded"
        assert refused.retry_after == 1
        as_admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        rated = quick.call("PUT", "/me/ratings/550", {"stars": 4}, as_admin, timeout=3)
        assert rated.status == 201


def refusal(pod: Pod) -> Answer | None:
    answer = pod.call("PUT", "/me/ratings/551", {"stars": 4}, timeout=5)
    return answer if answer.status == 503 else None


def test_a_connection_with_half_a_body_is_cut_off(quick: Pod) -> None:
    with connect(quick) as sock:
        sock.sendall(HALF)
        assert everything(sock) == b""


def test_a_body_that_comes_byte_by_byte_is_cut_off(quick: Pod) -> None:
    with connect(quick) as sock:
        sock.sendall(HALF.replace(b"14", b"9999"))
        wait_until(lambda: drip(sock), seconds=6)


def drip(sock: socket.socket) -> bool:
    """Send a byte; return whether the other side has closed."""
    try:
        sock.settimeout(0.1)
        sock.sendall(b"x")
        return not sock.recv(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_body_that_comes_late_but_in_time_is_read(quick: Pod) -> None:
    with connect(quick) as sock:
        sock.sendall(HALF)
        for piece in (b'"stars"', b": 3.5", b"}"):
            time.sleep(0.1)
            sock.sendall(piece)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 201 ")


NOBODY, SOMEBODY = ({"Authorization": f"Bearer {token}"} for token in ("nobody", CONSUMER_TOKEN))
JSON, TEXT = ({"Content-Type": name} for name in ("application/json", "text/plain"))
SMALL, LARGE = {"Content-Length": "14"}, {"Content-Length": "1000000"}
CHUNKED = {"Transfer-Encoding": "chunked"}
RATING, FAVORITES = "/api/v1/me/ratings/550", "/api/v1/me/favorites"


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (401, "PUT", RATING, NOBODY | JSON | SMALL),
        (401, "PUT", RATING, NOBODY | JSON | CHUNKED),
        (404, "POST", "/api/v1/nope", SOMEBODY | JSON | SMALL),
        (404, "POST", "/nope", NOBODY | JSON | SMALL),
        (405, "POST", "/livez", NOBODY | JSON | SMALL),
        (405, "POST", RATING, SOMEBODY | JSON | SMALL),
        (413, "POST", FAVORITES, SOMEBODY | JSON | LARGE),
        (415, "POST", FAVORITES, SOMEBODY | TEXT | SMALL),
        (422, "PUT", "/api/v1/me/ratings/x", SOMEBODY | JSON | SMALL),
        (200, "GET", "/livez", NOBODY | JSON | SMALL),
    ],
)
def test_an_answer_that_does_not_wait_for_the_body_says_that_the_connection_closes(
    pod: Pod, status: int, method: str, path: str, headers: dict[str, str]
) -> None:
    with closing(pod.connect()) as connection:
        for _ in range(2):  # A client that was not told would fail at its second request.
            connection.putrequest(method, path)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = receive(connection, time.monotonic())
            assert (answer.status, answer.headers["Connection"]) == (status, "close")


def test_an_answer_after_the_body_keeps_the_connection(pod: Pod) -> None:
    with closing(pod.connect()) as connection:
        for status in (422, 404, 201, 200):
            path, stars = f"/me/ratings/{550 if status < 300 else 0}", 9 if status == 422 else 4
            answer = ask(connection, "PUT", path, {"stars": stars})
            assert (answer.status, answer.headers["Connection"]) == (status, None)


def test_half_a_body_without_a_good_token_waits_for_nobody(pod: Pod) -> None:
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(pod)) for _ in range(30)]
        for sock in socks:
            sock.sendall(HALF.replace(CONSUMER_TOKEN.encode(), b"nobody"))
        assert {everything(sock)[:12] for sock in socks} == {b"HTTP/1.1 401"}


def test_who_takes_nothing_of_the_answers_is_cut_off(quick: Pod) -> None:
    ask = f"GET /openapi.json HTTP/1.1\r\n{HEAD}\r\n".encode()
    with connect(quick) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)

        def is_cut_off() -> bool:
            try:
                sock.send(ask)
            except BlockingIOError:
                pass
            except ConnectionError:
                return True
            return False

        wait_until(is_cut_off, seconds=8)


def test_where_all_places_are_taken_the_next_are_told_so_and_probes_are_answered(
    env: Environment,
) -> None:
    pod = env.pod(THREADS="1", TMDB_READ_TIMEOUT="4", TMDB_DEADLINE="4")
    assert pod.get("/movies/popular").status == 200
    env.tmdb.inject(Fault("delay", seconds=3))
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(pod.get, new_path())
        wait_until(lambda: env.tmdb.calls.total == 2)
        first = pod.get("/movies/popular")
        second = pod.get("/movies/popular")
        assert pod.probe("/livez", timeout=0.9) == 200
        assert slow.result().status == 200
    for refused in (first, second):
        assert (refused.status, refused.retry_after) == (503, 1)
        assert refused.json["code"] == "overloaded"
    assert second.seconds < 0.9 <= first.seconds < 2
    assert pod.get("/movies/popular").status == 200


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may have open as many files as a pod has connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2048), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_beside_a_thousand_idle_connections_a_stranger_is_answered(env: Environment) -> None:
    pod = env.pod()
    with ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(connect(pod))
        assert pod.probe("/livez", timeout=2) == 200
    assert MOST > 1100
