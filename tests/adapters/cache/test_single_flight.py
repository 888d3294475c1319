"""SingleFlight: one request calls the upstream, and the others share its result."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Barrier, Event, Thread, get_ident
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from butaca.adapters.cache.single_flight import InFlightCall, SingleFlight
from butaca.core.errors import CatalogueTimedOut, MovieNotFound
from tests.adapters.cache.scene import LONG
from tests.fakes import FakeClock


class Interruption(BaseException):
    """Something that is no ordinary failure, as KeyboardInterrupt is not."""


FAILURES = [
    CatalogueTimedOut(upstream_status=504, retry_after=7),
    MovieNotFound(),
    ZeroDivisionError(),
    Interruption(),
]


def fail(failure: BaseException) -> Any:
    raise failure


def test_the_first_one_leads() -> None:
    _, leads = SingleFlight().join("a")

    assert leads


def test_the_others_board_the_same_flight() -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")

    assert flights.join("a") == (flight, False)
    assert flights.join("a") == (flight, False)


def test_every_key_has_a_flight_of_its_own() -> None:
    flights = SingleFlight()
    one, _ = flights.join("a")
    other, leads = flights.join("b")

    assert leads
    assert one is not other


def test_whoever_leads_gets_the_answer() -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")

    assert flights.run("a", flight, lambda: "answer") == "answer"


def test_whoever_follows_gets_the_same_answer() -> None:
    flights, answer = SingleFlight(), object()
    flight, _ = flights.join("a")
    followed, _ = flights.join("a")
    flights.run("a", flight, lambda: answer)

    assert followed.wait(0)
    assert followed.result() is answer


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_whoever_leads_gets_the_failure(failure: BaseException) -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")

    with pytest.raises(type(failure)) as caught:
        flights.run("a", flight, lambda: fail(failure))

    assert caught.value is failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_whoever_follows_gets_the_same_failure(failure: BaseException) -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")
    with pytest.raises(type(failure)):
        flights.run("a", flight, lambda: fail(failure))

    assert flight.wait(0)
    with pytest.raises(type(failure)) as caught:
        flight.result()

    assert caught.value.args == failure.args
    assert vars(caught.value) == vars(failure)


def test_whoever_follows_raises_the_refusal_with_a_traceback_of_their_own() -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")
    with pytest.raises(CatalogueTimedOut) as led:
        flights.run("a", flight, lambda: fail(CatalogueTimedOut()))

    followed = []
    for _ in range(2):
        with pytest.raises(CatalogueTimedOut) as caught:
            flight.result()
        followed.append(caught)

    assert len({id(caught.value) for caught in (led, *followed)}) == 3
    assert {len(caught.traceback) for caught in followed} == {2}


def test_after_a_flight_the_next_one_leads() -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")
    flights.run("a", flight, lambda: None)
    second, leads = flights.join("a")

    assert leads
    assert second is not flight


def test_after_a_failure_the_next_one_leads() -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")
    with pytest.raises(Interruption):
        flights.run("a", flight, lambda: fail(Interruption()))

    assert flights.join("a")[1]


def test_a_flight_that_has_not_landed_is_not_waited_for_any_longer_than_asked() -> None:
    flight, _ = SingleFlight().join("a")

    assert not flight.wait(0.01)
    assert not flight.wait(0)
    assert not flight.wait(-1)


def test_a_flight_knows_when_it_departed() -> None:
    clock = FakeClock(seconds=12.0)
    flights = SingleFlight(clock=clock.monotonic)
    flight, _ = flights.join("a")
    clock.move(5)
    followed, _ = flights.join("a")

    assert flight.started_at == followed.started_at == 12.0


def test_of_many_who_board_at_once_one_leads() -> None:
    flights, barrier = SingleFlight(), Barrier(16, timeout=LONG)

    def join() -> tuple[InFlightCall[Any], bool]:
        barrier.wait()
        return flights.join("a")

    with ThreadPoolExecutor(16) as pool:
        boarded = [each.result(LONG) for each in [pool.submit(join) for _ in range(16)]]

    assert [leads for _, leads in boarded].count(True) == 1
    assert len({id(flight) for flight, _ in boarded}) == 1


def test_whoever_waits_is_woken_when_it_lands() -> None:
    flights, may_land = SingleFlight(), Event()
    flight, _ = flights.join("a")

    def call() -> str:
        assert may_land.wait(LONG)
        return "answer"

    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(flight.wait, LONG) for _ in range(2)]
        leader = pool.submit(flights.run, "a", flight, call)
        may_land.set()

        assert [wait.result(LONG) for wait in waits] == [True, True]
        assert leader.result(LONG) == "answer"


def test_a_flight_that_is_sent_flies_in_a_thread_of_its_own() -> None:
    flights, may_land = SingleFlight(), Event()
    flight, _ = flights.join("a")

    def call() -> int:
        assert may_land.wait(LONG)
        return get_ident()

    flights.run_in_background("a", flight, call)
    assert not flight.wait(0)
    may_land.set()

    assert flight.result() != get_ident()


def test_a_flight_that_is_sent_flies_in_the_name_of_whoever_asked() -> None:
    name: ContextVar[str] = ContextVar("name")
    name.set("mine")
    flights = SingleFlight()
    flight, _ = flights.join("a")
    flights.run_in_background("a", flight, name.get)

    assert flight.result() == "mine"


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives no more threads."""

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)


def test_a_flight_for_which_there_is_no_thread_flies_here(no_threads: None) -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")
    flights.run_in_background("a", flight, get_ident)

    assert flight.result() == get_ident()


def test_that_a_flight_was_sent_in_vain_is_told_to_those_who_wait_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")
    flights.run_in_background("a", flight, lambda: fail(CatalogueTimedOut()))

    with pytest.raises(CatalogueTimedOut):
        flight.result()
    assert flights.join("a")[1]
    assert caplog.records == []


def test_a_mistake_of_ours_in_a_flight_that_was_sent_is_told_to_the_operator(
    caplog: pytest.LogCaptureFixture, no_threads: None
) -> None:
    flights = SingleFlight()
    flight, _ = flights.join("a")
    flights.run_in_background("a", flight, lambda: fail(ZeroDivisionError()))

    assert isinstance(flight.future.exception(), ZeroDivisionError)
    (line,) = caplog.records
    assert (line.getMessage(), vars(line)["call"]) == ("catalogue.broke", "a")


def test_whoever_leads_and_follows_is_counted() -> None:
    registry = CollectorRegistry()
    flights = SingleFlight(registry=registry)
    for key in ("a", "a", "a", "b"):
        flights.join(key)

    totals = [
        registry.get_sample_value("butaca_flights_total", {"role": role})
        for role in ("led", "followed")
    ]
    assert totals == [2, 2]
