"""Slow clients delay no other client and are cut off; excess requests are rejected."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from butaca.connections import MAX_CONNECTIONS
from butaca.sandbox import Fault
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.faults.pods import HOST, Environment, Pod, Response, new_path, receive, request
from tests.waiting import wait_until

SHORT_TIMEOUTS = """
import butaca.connections
butaca.connections.HEADERS_TIMEOUT = 0.6
butaca.connections.SEND_TIMEOUT = 1
butaca.connections.STALL_TIMEOUT, butaca.connections.CHECK_INTERVAL = 2, 0.1
"""
HEAD = f"Host: butaca\r\nAuthorization: Bearer {CONSUMER_TOKEN}\r\n"
INCOMPLETE_PUT = (
    f"PUT /api/v1/me/ratings/550 HTTP/1.1\r\n{HEAD}"
    "Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{"
).encode()


def connect(pod: Pod) -> socket.socket:
    return socket.create_connection((HOST, pod.port), timeout=10)


def read_to_end(sock: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection."""
    return b"".join(iter(lambda: sock.recv(65_536), b""))


@pytest.fixture
def pod_with_short_timeouts(
    env: Environment, with_startup_code: Callable[[str], dict[str, str]]
) -> Pod:
    """A pod with shorter timeouts for slow clients than in production."""
    return env.pod(THREADS="8", **with_startup_code(SHORT_TIMEOUTS))


def test_slow_request_head_is_cut_off(pod_with_short_timeouts: Pod) -> None:
    with connect(pod_with_short_timeouts) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        wait_until(lambda: send_byte(sock), seconds=3)


def test_idle_connection_is_closed(pod_with_short_timeouts: Pod) -> None:
    with connect(pod_with_short_timeouts) as sock:
        assert read_to_end(sock) == b""


def test_incomplete_bodies_do_not_block_other_requests(pod_with_short_timeouts: Pod) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(pod_with_short_timeouts)).sendall(INCOMPLETE_PUT)
        assert (
            pod_with_short_timeouts.call("PUT", "/me/ratings/550", {"stars": 4}, timeout=1).status
            == 201
        )


def test_user_with_too_many_incomplete_bodies_blocks_only_themselves(
    pod_with_short_timeouts: Pod,
) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(pod_with_short_timeouts)).sendall(INCOMPLETE_PUT)
        rejected = wait_until(lambda: rejected_response(pod_with_short_timeouts))
        assert rejected.json["code"] == "overloaded"
        assert rejected.retry_after == 1
        as_admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        rated = pod_with_short_timeouts.call(
            "PUT", "/me/ratings/550", {"stars": 4}, as_admin, timeout=3
        )
        assert rated.status == 201


def rejected_response(pod: Pod) -> Response | None:
    response = pod.call("PUT", "/me/ratings/551", {"stars": 4}, timeout=5)
    return response if response.status == 503 else None


def test_connection_with_an_incomplete_body_is_cut_off(pod_with_short_timeouts: Pod) -> None:
    with connect(pod_with_short_timeouts) as sock:
        sock.sendall(INCOMPLETE_PUT)
        assert read_to_end(sock) == b""


def test_slow_request_body_is_cut_off(pod_with_short_timeouts: Pod) -> None:
    with connect(pod_with_short_timeouts) as sock:
        sock.sendall(INCOMPLETE_PUT.replace(b"14", b"9999"))
        wait_until(lambda: send_byte(sock), seconds=6)


def send_byte(sock: socket.socket) -> bool:
    """Send a byte; return whether the server has closed the connection."""
    try:
        sock.settimeout(0.1)
        sock.sendall(b"x")
        return not sock.recv(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_body_that_arrives_in_pieces_is_accepted(pod_with_short_timeouts: Pod) -> None:
    with connect(pod_with_short_timeouts) as sock:
        sock.sendall(INCOMPLETE_PUT)
        for piece in (b'"stars"', b": 3.5", b"}"):
            time.sleep(0.1)
            sock.sendall(piece)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 201 ")


INVALID, VALID = ({"Authorization": f"Bearer {token}"} for token in ("invalid", CONSUMER_TOKEN))
JSON, TEXT = ({"Content-Type": name} for name in ("application/json", "text/plain"))
SMALL, LARGE = {"Content-Length": "14"}, {"Content-Length": "1000000"}
CHUNKED = {"Transfer-Encoding": "chunked"}
RATING, FAVORITES = "/api/v1/me/ratings/550", "/api/v1/me/favorites"


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (401, "PUT", RATING, INVALID | JSON | SMALL),
        (401, "PUT", RATING, INVALID | JSON | CHUNKED),
        (404, "POST", "/api/v1/nope", VALID | JSON | SMALL),
        (404, "POST", "/nope", INVALID | JSON | SMALL),
        (405, "POST", "/livez", INVALID | JSON | SMALL),
        (405, "POST", RATING, VALID | JSON | SMALL),
        (413, "POST", FAVORITES, VALID | JSON | LARGE),
        (415, "POST", FAVORITES, VALID | TEXT | SMALL),
        (422, "PUT", "/api/v1/me/ratings/x", VALID | JSON | SMALL),
        (200, "GET", "/livez", INVALID | JSON | SMALL),
    ],
)
def test_response_sent_before_the_body_is_read_has_connection_close(
    pod: Pod, status: int, method: str, path: str, headers: dict[str, str]
) -> None:
    with closing(pod.connect()) as connection:
        for _ in range(2):  # If the header were missing, the client's second request would fail.
            connection.putrequest(method, path)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = receive(connection, time.monotonic())
            assert (response.status, response.headers["Connection"]) == (status, "close")


def test_response_sent_after_the_body_is_read_has_no_connection_close(pod: Pod) -> None:
    with closing(pod.connect()) as connection:
        for status in (422, 404, 201, 200):
            path, stars = f"/me/ratings/{550 if status < 300 else 0}", 9 if status == 422 else 4
            response = request(connection, "PUT", path, {"stars": stars})
            assert (response.status, response.headers["Connection"]) == (status, None)


def test_incomplete_body_with_an_invalid_token_is_rejected_immediately(pod: Pod) -> None:
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(pod)) for _ in range(30)]
        for sock in socks:
            sock.sendall(INCOMPLETE_PUT.replace(CONSUMER_TOKEN.encode(), b"invalid"))
        assert {read_to_end(sock)[:12] for sock in socks} == {b"HTTP/1.1 401"}


def test_client_that_reads_no_response_is_cut_off(pod_with_short_timeouts: Pod) -> None:
    message = f"GET /openapi.json HTTP/1.1\r\n{HEAD}\r\n".encode()
    with connect(pod_with_short_timeouts) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)

        def is_cut_off() -> bool:
            try:
                sock.send(message)
            except BlockingIOError:
                pass
            except ConnectionError:
                return True
            return False

        wait_until(is_cut_off, seconds=8)


def test_excess_requests_are_rejected_and_probes_are_not(
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
    for rejected in (first, second):
        assert (rejected.status, rejected.retry_after) == (503, 1)
        assert rejected.json["code"] == "overloaded"
    assert second.seconds < 0.9 <= first.seconds < 2
    assert pod.get("/movies/popular").status == 200


@pytest.fixture
def raised_file_limit() -> Iterator[None]:
    """Allow this process to open as many sockets as the test needs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2048), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("raised_file_limit")
def test_probe_succeeds_with_1100_idle_connections(env: Environment) -> None:
    pod = env.pod()
    with ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(connect(pod))
        assert pod.probe("/livez", timeout=2) == 200
    assert MAX_CONNECTIONS > 1100
