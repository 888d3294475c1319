"""SingleFlight: one request calls the upstream, and the others share its result."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Barrier, Event, Thread, get_ident
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from butaca.adapters.cache.single_flight import InFlightCall, SingleFlight
from butaca.core.errors import CatalogueTimedOut, MovieNotFound
from tests.adapters.cache.harness import TIMEOUT
from tests.fakes import FakeClock


class Interruption(BaseException):
    """An exception that is not an Exception, like KeyboardInterrupt."""


FAILURES = [
    CatalogueTimedOut(upstream_status=504, retry_after=7),
    MovieNotFound(),
    ZeroDivisionError(),
    Interruption(),
]


def fail(failure: BaseException) -> Any:
    raise failure


def test_first_caller_leads() -> None:
    _, is_leader = SingleFlight().join("a")

    assert is_leader


def test_later_callers_join_the_same_flight() -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")

    assert single_flight.join("a") == (flight, False)
    assert single_flight.join("a") == (flight, False)


def test_each_key_has_its_own_flight() -> None:
    single_flight = SingleFlight()
    one, _ = single_flight.join("a")
    other, is_leader = single_flight.join("b")

    assert is_leader
    assert one is not other


def test_leader_gets_the_result() -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")

    assert single_flight.run("a", flight, lambda: "result") == "result"


def test_follower_gets_the_same_result() -> None:
    single_flight, result = SingleFlight(), object()
    flight, _ = single_flight.join("a")
    same_flight, _ = single_flight.join("a")
    single_flight.run("a", flight, lambda: result)

    assert same_flight.wait(0)
    assert same_flight.result() is result


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_leader_gets_the_failure(failure: BaseException) -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")

    with pytest.raises(type(failure)) as caught:
        single_flight.run("a", flight, lambda: fail(failure))

    assert caught.value is failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_follower_gets_an_equal_failure(failure: BaseException) -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    with pytest.raises(type(failure)):
        single_flight.run("a", flight, lambda: fail(failure))

    assert flight.wait(0)
    with pytest.raises(type(failure)) as caught:
        flight.result()

    assert caught.value.args == failure.args
    assert vars(caught.value) == vars(failure)


def test_each_follower_raises_its_own_copy_of_a_domain_error() -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    with pytest.raises(CatalogueTimedOut) as leader_error:
        single_flight.run("a", flight, lambda: fail(CatalogueTimedOut()))

    follower_errors = []
    for _ in range(2):
        with pytest.raises(CatalogueTimedOut) as caught:
            flight.result()
        follower_errors.append(caught)

    assert len({id(caught.value) for caught in (leader_error, *follower_errors)}) == 3
    assert {len(caught.traceback) for caught in follower_errors} == {2}


def test_next_caller_leads_after_a_flight() -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    single_flight.run("a", flight, lambda: None)
    second, is_leader = single_flight.join("a")

    assert is_leader
    assert second is not flight


def test_next_caller_leads_after_a_failure() -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    with pytest.raises(Interruption):
        single_flight.run("a", flight, lambda: fail(Interruption()))

    assert single_flight.join("a")[1]


def test_wait_times_out_while_the_call_is_running() -> None:
    flight, _ = SingleFlight().join("a")

    assert not flight.wait(0.01)
    assert not flight.wait(0)
    assert not flight.wait(-1)


def test_flight_records_when_it_started() -> None:
    clock = FakeClock(seconds=12.0)
    single_flight = SingleFlight(clock=clock.monotonic)
    flight, _ = single_flight.join("a")
    clock.advance(5)
    same_flight, _ = single_flight.join("a")

    assert flight.started_at == same_flight.started_at == 12.0


def test_one_of_many_concurrent_callers_leads() -> None:
    single_flight, barrier = SingleFlight(), Barrier(16, timeout=TIMEOUT)

    def join() -> tuple[InFlightCall[Any], bool]:
        barrier.wait()
        return single_flight.join("a")

    with ThreadPoolExecutor(16) as pool:
        joined = [each.result(TIMEOUT) for each in [pool.submit(join) for _ in range(16)]]

    assert [is_leader for _, is_leader in joined].count(True) == 1
    assert len({id(flight) for flight, _ in joined}) == 1


def test_waiting_followers_are_woken_when_the_call_ends() -> None:
    single_flight, may_finish = SingleFlight(), Event()
    flight, _ = single_flight.join("a")

    def call() -> str:
        assert may_finish.wait(TIMEOUT)
        return "result"

    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(flight.wait, TIMEOUT) for _ in range(2)]
        leader = pool.submit(single_flight.run, "a", flight, call)
        may_finish.set()

        assert [wait.result(TIMEOUT) for wait in waits] == [True, True]
        assert leader.result(TIMEOUT) == "result"


def test_background_call_runs_in_its_own_thread() -> None:
    single_flight, may_finish = SingleFlight(), Event()
    flight, _ = single_flight.join("a")

    def call() -> int:
        assert may_finish.wait(TIMEOUT)
        return get_ident()

    single_flight.run_in_background("a", flight, call)
    assert not flight.wait(0)
    may_finish.set()

    assert flight.result() != get_ident()


def test_background_call_inherits_the_context() -> None:
    name: ContextVar[str] = ContextVar("name")
    name.set("request")
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    single_flight.run_in_background("a", flight, name.get)

    assert flight.result() == "request"


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent the start of any more threads."""

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)


def test_background_call_runs_inline_without_a_thread(no_threads: None) -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    single_flight.run_in_background("a", flight, get_ident)

    assert flight.result() == get_ident()


def test_domain_error_of_a_background_call_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    single_flight.run_in_background("a", flight, lambda: fail(CatalogueTimedOut()))

    with pytest.raises(CatalogueTimedOut):
        flight.result()
    assert single_flight.join("a")[1]
    assert caplog.records == []


def test_bug_in_a_background_call_is_logged(
    caplog: pytest.LogCaptureFixture, no_threads: None
) -> None:
    single_flight = SingleFlight()
    flight, _ = single_flight.join("a")
    single_flight.run_in_background("a", flight, lambda: fail(ZeroDivisionError()))

    assert isinstance(flight.future.exception(), ZeroDivisionError)
    (line,) = caplog.records
    assert (line.getMessage(), vars(line)["call"]) == ("catalogue.unexpected_error", "a")


def test_leaders_and_followers_are_counted() -> None:
    registry = CollectorRegistry()
    single_flight = SingleFlight(registry=registry)
    for key in ("a", "a", "a", "b"):
        single_flight.join(key)

    totals = [
        registry.get_sample_value("butaca_single_flight_requests_total", {"role": role})
        for role in ("leader", "follower")
    ]
    assert totals == [2, 2]
