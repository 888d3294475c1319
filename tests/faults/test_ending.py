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
from tests.faults.pods import Answer, Environment, Pod, ask, new_path, wait_until

POPULAR = "/movies/popular"


def test_what_is_upstream_when_a_pod_is_told_to_end_is_answered(env: Environment) -> None:
    pod = env.pod(THREADS="14", TMDB_MAX_CONCURRENCY="12")
    env.tmdb.inject(Fault("delay", seconds=0.4))
    with ThreadPoolExecutor(12) as threads:
        asked = [threads.submit(pod.get, new_path()) for _ in range(12)]
        wait_until(lambda: env.tmdb.calls.total == 12)
        pod.tell_to_end()
        assert [each.result().status for each in asked] == [200] * 12
    pod.end()
    assert pod.process.returncode == 0
    assert pod.errors() == []


def test_what_takes_long_when_a_pod_is_told_to_end_is_answered(env: Environment) -> None:
    pod = env.pod(TMDB_READ_TIMEOUT="3", TMDB_DEADLINE="4")
    env.tmdb.inject(Fault("delay", seconds=1.6))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pod.get, new_path())
        wait_until(lambda: env.tmdb.calls.total == 1)
        pod.tell_to_end()
        assert asked.result().status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_pod_that_is_told_to_end_again_and_again_ends(env: Environment, number: int) -> None:
    pod = env.pod()

    def tell_and_see() -> bool:
        pod.process.send_signal(number)
        return pod.process.poll() is not None

    wait_until(tell_and_see)
    assert pod.process.returncode == 0
    assert pod.errors() == []


def test_ctrl_c_ends_a_pod_but_not_what_it_is_asked(env: Environment) -> None:
    pod = env.pod()
    env.tmdb.inject(Fault("delay", seconds=0.4))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pod.get, new_path())
        wait_until(lambda: env.tmdb.calls.total == 1)
        for _ in range(3):  # A terminal tells the main process and its worker.
            os.killpg(pod.process.pid, signal.SIGINT)
        assert asked.result().status == 200
    wait_until(lambda: pod.process.poll() is not None)
    assert pod.process.returncode == 0


def test_a_pod_that_does_not_listen_yet_ends_at_once(
    env: Environment, startup: Callable[[str], dict[str, str]]
) -> None:
    pod = env.launch(**startup(A_WORKER_THAT_HANGS))
    wait_until(lambda: pod.log() != [], seconds=30)
    pod.tell_to_end()
    wait_until(lambda: pod.process.poll() is not None)
    assert pod.process.returncode == 0


def test_a_pod_whose_worker_dies_ends_in_failure(
    env: Environment, startup: Callable[[str], dict[str, str]]
) -> None:
    pod = env.launch(**startup("import os; os.register_at_fork(after_in_child=os.abort)"))
    wait_until(lambda: pod.process.poll() is not None, seconds=30)
    assert pod.process.returncode == 1
    assert [line["event"] for line in pod.errors()] == ["Unexpected exit from worker-1"]


A_WORKER_THAT_HANGS = """
import os, threading

def hang():
    print('{"event": "worker.hangs"}', flush=True)
    threading.Event().wait()

os.register_at_fork(after_in_child=hang)
"""


class Crowd:
    """People who ask all the time; and what they got."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self.got: Counter[str] = Counter()
        self._call = call
        self._enough = Event()
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(6)
        self._people = [self._threads.submit(self._ask_on) for _ in range(6)]

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._threads.shutdown()
        for person in self._people:
            person.result()

    @property
    def answers(self) -> int:
        return self.got["200"]

    def _ask_on(self) -> None:
        while not self._enough.is_set():
            got = self._ask()
            with self._lock:
                self.got[got] += 1

    def _ask(self) -> str:
        try:
            return str(self._call().status)
        except ConnectionRefusedError:
            self._enough.wait(0.01)
            return "nobody there"
        except Exception as error:  # noqa: BLE001 - each of them is a request that was lost
            return repr(error)


class Regulars(threading.local):
    """People who come back over the connection that each of them keeps."""

    def __init__(self, pod: Pod) -> None:
        self._connection: HTTPConnection = pod.connect()

    def ask(self) -> Answer:
        try:
            return ask(self._connection, "GET", POPULAR)
        except OSError:
            self._connection.close()
            raise


@pytest.mark.parametrize("comes_back", [False, True], ids=["strangers", "regulars"])
def test_under_load_a_pod_that_ends_loses_no_request_that_it_accepted(
    env: Environment, comes_back: bool
) -> None:
    pod = env.pod()
    regulars = Regulars(pod)
    with Crowd(lambda: regulars.ask() if comes_back else pod.get(POPULAR)) as crowd:
        wait_until(lambda: crowd.answers > 200)
        pod.tell_to_end()
        wait_until(lambda: pod.process.poll() is not None)
    assert set(crowd.got) <= {"200", "nobody there"}, crowd.got
    assert pod.process.returncode == 0
    answered = [line for line in pod.log() if line.get("route") == f"/api/v1{POPULAR}"]
    assert len(answered) == crowd.answers


class Rounds:
    """Pods that are asked in turn: as often by strangers as over connections that are kept."""

    def __init__(self, pods: list[Pod]) -> None:
        self.pods = pods
        self._turns = count()
        self._kept: dict[tuple[int, int], HTTPConnection] = {}

    def ask(self) -> Answer:
        """Ask the next; who finds it closed goes on to the one after."""
        turn, number = next(self._turns), len(self.pods)
        for n in range(turn, turn + 2 * number):
            pod = self.pods[n % number]  # As they are by now: a refusal may have taken seconds.
            with suppress(ConnectionRefusedError):
                return self._ask(pod) if turn // number % 2 else pod.get(POPULAR)
        raise ConnectionError("none of them lets anybody in")

    def close(self) -> None:
        for connection in self._kept.values():
            connection.close()

    def _ask(self, pod: Pod) -> Answer:
        me = (threading.get_ident(), pod.port)
        return ask(self._kept.setdefault(me, pod.connect()), "GET", POPULAR)


def test_a_rolling_restart_of_three_pods_at_full_load_loses_no_request(env: Environment) -> None:
    old, new = env.pods(3), env.pods(3)
    with closing(Rounds(old)) as rounds, Crowd(rounds.ask) as crowd:
        wait_until(lambda: crowd.answers > 200)
        for n in range(3):
            pod, rounds.pods[n] = rounds.pods[n], new[n]
            pod.tell_to_end()
            wait_until(lambda: pod.process.poll() is not None, seconds=20)  # noqa: B023 - called here
            assert pod.process.returncode == 0
        seen = crowd.answers
        wait_until(lambda: crowd.answers > seen + 100)
    assert set(crowd.got) == {"200"}, crowd.got


LOSES_SIGTERM = """
import os, signal, threading

def lose():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

os.register_at_fork(after_in_child=lose)
"""


def test_a_pod_ends_even_where_a_signal_interrupts_the_wrong_thread(
    env: Environment, startup: Callable[[str], dict[str, str]]
) -> None:
    pod = env.pod(**startup(LOSES_SIGTERM))
    pod.tell_to_end()
    wait_until(lambda: pod.process.poll() is not None, seconds=5)
    assert pod.process.returncode == 0


def test_a_worker_ends_whose_main_process_was_killed(env: Environment) -> None:
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
