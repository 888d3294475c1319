"""Pods stop and start under load without losing a request."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from itertools import count
from threading import Event, Lock

import pytest

from butaca.sandbox import Fault
from tests.faults.pods import Environment, Pod, Response, new_path, request
from tests.waiting import wait_until

POPULAR = "/movies/popular"


def test_requests_waiting_for_tmdb_complete_during_shutdown(env: Environment) -> None:
    pod = env.pod(THREADS="14", TMDB_MAX_CONCURRENCY="12")
    env.tmdb.inject(Fault("delay", seconds=0.4))
    with ThreadPoolExecutor(12) as threads:
        responses = [threads.submit(pod.get, new_path()) for _ in range(12)]
        wait_until(lambda: env.tmdb.calls.total == 12)
        pod.send_sigterm()
        assert [response.result().status for response in responses] == [200] * 12
    pod.stop()
    assert pod.process.returncode == 0
    assert pod.errors() == []


def test_slow_request_completes_during_shutdown(env: Environment) -> None:
    pod = env.pod(TMDB_READ_TIMEOUT="3", TMDB_DEADLINE="4")
    env.tmdb.inject(Fault("delay", seconds=1.6))
    with ThreadPoolExecutor(1) as threads:
        response = threads.submit(pod.get, new_path())
        wait_until(lambda: env.tmdb.calls.total == 1)
        pod.send_sigterm()
        assert response.result().status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pod_exits_cleanly_after_repeated_signals(env: Environment, number: int) -> None:
    pod = env.pod()

    def signal_and_poll() -> bool:
        pod.process.send_signal(number)
        return pod.process.poll() is not None

    wait_until(signal_and_poll)
    assert pod.process.returncode == 0
    assert pod.errors() == []


def test_request_in_flight_completes_after_ctrl_c(env: Environment) -> None:
    pod = env.pod()
    env.tmdb.inject(Fault("delay", seconds=0.4))
    with ThreadPoolExecutor(1) as threads:
        response = threads.submit(pod.get, new_path())
        wait_until(lambda: env.tmdb.calls.total == 1)
        for _ in range(3):  # A terminal signals the main process and its worker.
            os.killpg(pod.process.pid, signal.SIGINT)
        assert response.result().status == 200
    wait_until(lambda: pod.process.poll() is not None)
    assert pod.process.returncode == 0


def test_pod_that_does_not_listen_yet_exits_on_sigterm(
    env: Environment, with_startup_code: Callable[[str], dict[str, str]]
) -> None:
    pod = env.launch(**with_startup_code(HANGING_WORKER))
    wait_until(lambda: pod.log() != [], seconds=30)
    pod.send_sigterm()
    wait_until(lambda: pod.process.poll() is not None)
    assert pod.process.returncode == 0


def test_pod_exits_with_status_1_if_its_worker_dies(
    env: Environment, with_startup_code: Callable[[str], dict[str, str]]
) -> None:
    pod = env.launch(**with_startup_code("import os; os.register_at_fork(after_in_child=os.abort)"))
    wait_until(lambda: pod.process.poll() is not None, seconds=30)
    assert pod.process.returncode == 1
    assert [line["event"] for line in pod.errors()] == ["Unexpected exit from worker-1"]


HANGING_WORKER = """
import os, threading

def hang():
    print('{"event": "worker.hangs"}', flush=True)
    threading.Event().wait()

os.register_at_fork(after_in_child=hang)
"""


class LoadGenerator:
    """Six threads that send requests continuously, and a count of the results."""

    def __init__(self, call: Callable[[], Response]) -> None:
        self.results: Counter[str] = Counter()
        self._call = call
        self._stopping = Event()
        self._lock = Lock()
        self._executor = ThreadPoolExecutor(6)
        self._clients = [self._executor.submit(self._send_continuously) for _ in range(6)]

    def __enter__(self) -> "LoadGenerator":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._executor.shutdown()
        for client in self._clients:
            client.result()

    @property
    def successes(self) -> int:
        return self.results["200"]

    def _send_continuously(self) -> None:
        while not self._stopping.is_set():
            result = self._send()
            with self._lock:
                self.results[result] += 1

    def _send(self) -> str:
        try:
            return str(self._call().status)
        except ConnectionRefusedError:
            self._stopping.wait(0.01)
            return "refused"
        except Exception as error:  # noqa: BLE001 - every other error is a lost request
            return repr(error)


class KeepAliveClient(threading.local):
    """A client with one persistent connection per thread."""

    def __init__(self, pod: Pod) -> None:
        self._connection: HTTPConnection = pod.connect()

    def get(self) -> Response:
        try:
            return request(self._connection, "GET", POPULAR)
        except OSError:
            self._connection.close()
            raise


@pytest.mark.parametrize("keep_alive", [False, True], ids=["new connections", "keep-alive"])
def test_shutdown_under_load_loses_no_accepted_request(env: Environment, keep_alive: bool) -> None:
    pod = env.pod()
    client = KeepAliveClient(pod)
    with LoadGenerator(lambda: client.get() if keep_alive else pod.get(POPULAR)) as load:
        wait_until(lambda: load.successes > 200)
        pod.send_sigterm()
        wait_until(lambda: pod.process.poll() is not None)
    assert set(load.results) <= {"200", "refused"}, load.results
    assert pod.process.returncode == 0
    logged = [line for line in pod.log() if line.get("route") == f"/api/v1{POPULAR}"]
    assert len(logged) == load.successes


class RoundRobin:
    """Sends requests to the pods in turn, half of them over persistent connections."""

    def __init__(self, pods: list[Pod]) -> None:
        self.pods = pods
        self._turns = count()
        self._connections: dict[tuple[int, int], HTTPConnection] = {}

    def get(self) -> Response:
        """Send a request to the next pod; if it refuses the connection, to the one after it."""
        turn, number = next(self._turns), len(self.pods)
        for n in range(turn, turn + 2 * number):
            pod = self.pods[n % number]  # Read again, because a refusal may have taken seconds.
            with suppress(ConnectionRefusedError):
                return self._get_keep_alive(pod) if turn // number % 2 else pod.get(POPULAR)
        raise ConnectionError("all pods refuse connections")

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _get_keep_alive(self, pod: Pod) -> Response:
        key = (threading.get_ident(), pod.port)
        return request(self._connections.setdefault(key, pod.connect()), "GET", POPULAR)


def test_rolling_restart_under_load_loses_no_request(env: Environment) -> None:
    old, new = env.pods(3), env.pods(3)
    with closing(RoundRobin(old)) as round_robin, LoadGenerator(round_robin.get) as load:
        wait_until(lambda: load.successes > 200)
        for n in range(3):
            pod, round_robin.pods[n] = round_robin.pods[n], new[n]
            pod.send_sigterm()
            wait_until(lambda: pod.process.poll() is not None, seconds=20)  # noqa: B023 - called here
            assert pod.process.returncode == 0
        before = load.successes
        wait_until(lambda: load.successes > before + 100)
    assert set(load.results) == {"200"}, load.results


BLOCK_SIGTERM_IN_MAIN_THREAD = """
import os, signal, threading

def block():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

os.register_at_fork(after_in_child=block)
"""


def test_pod_exits_even_if_another_thread_receives_sigterm(
    env: Environment, with_startup_code: Callable[[str], dict[str, str]]
) -> None:
    pod = env.pod(**with_startup_code(BLOCK_SIGTERM_IN_MAIN_THREAD))
    pod.send_sigterm()
    wait_until(lambda: pod.process.poll() is not None, seconds=5)
    assert pod.process.returncode == 0


def test_worker_exits_if_its_main_process_is_killed(env: Environment) -> None:
    pod = env.pod()
    pod.process.kill()
    pod.process.wait()

    def is_gone() -> bool:
        try:
            pod.probe("/livez", timeout=1)
        except OSError:
            return True
        return False

    wait_until(is_gone, seconds=5)
