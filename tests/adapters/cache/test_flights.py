"""Flights: one leads, the others get what it got."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest

from butaca.adapters.cache.flights import Flight, Flights
from butaca.core.errors import CatalogueTimedOut, MovieNotFound
from tests.adapters.cache.scene import LONG
from tests.fakes import FakeClock


class Interruption(BaseException):
    """Something that is no ordinary failure, as KeyboardInterrupt is not."""


FAILURES = [CatalogueTimedOut(), MovieNotFound(), ZeroDivisionError(), Interruption()]


def fail(failure: BaseException) -> Any:
    raise failure


def test_the_first_one_leads() -> None:
    _, leads = Flights().board("a")

    assert leads


def test_the_others_board_the_same_flight() -> None:
    flights = Flights()
    flight, _ = flights.board("a")

    assert flights.board("a") == (flight, False)
    assert flights.board("a") == (flight, False)


def test_every_key_has_a_flight_of_its_own() -> None:
    flights = Flights()
    one, _ = flights.board("a")
    other, leads = flights.board("b")

    assert leads
    assert one is not other


def test_whoever_leads_gets_the_answer() -> None:
    flights = Flights()
    flight, _ = flights.board("a")

    assert flights.lead("a", flight, lambda: "answer") == "answer"


def test_whoever_follows_gets_the_same_answer() -> None:
    flights, answer = Flights(), object()
    flight, _ = flights.board("a")
    followed, _ = flights.board("a")
    flights.lead("a", flight, lambda: answer)

    assert followed.lands_within(0)
    assert followed.outcome() is answer


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_whoever_leads_gets_the_failure(failure: BaseException) -> None:
    flights = Flights()
    flight, _ = flights.board("a")

    with pytest.raises(type(failure)) as caught:
        flights.lead("a", flight, lambda: fail(failure))

    assert caught.value is failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_whoever_follows_gets_the_same_failure(failure: BaseException) -> None:
    flights = Flights()
    flight, _ = flights.board("a")
    with pytest.raises(type(failure)):
        flights.lead("a", flight, lambda: fail(failure))

    assert flight.lands_within(0)
    with pytest.raises(type(failure)) as caught:
        flight.outcome()

    assert caught.value is failure


def test_after_a_flight_the_next_one_leads() -> None:
    flights = Flights()
    flight, _ = flights.board("a")
    flights.lead("a", flight, lambda: None)
    second, leads = flights.board("a")

    assert leads
    assert second is not flight


def test_after_a_failure_the_next_one_leads() -> None:
    flights = Flights()
    flight, _ = flights.board("a")
    with pytest.raises(Interruption):
        flights.lead("a", flight, lambda: fail(Interruption()))

    assert flights.board("a")[1]


def test_a_flight_that_has_not_landed_is_not_waited_for_any_longer_than_asked() -> None:
    flight, _ = Flights().board("a")

    assert not flight.lands_within(0.01)
    assert not flight.lands_within(0)
    assert not flight.lands_within(-1)


def test_a_flight_knows_when_it_departed() -> None:
    clock = FakeClock(seconds=12.0)
    flights = Flights(clock.monotonic)
    flight, _ = flights.board("a")
    clock.move(5)
    followed, _ = flights.board("a")

    assert flight.departed == followed.departed == 12.0


def test_of_many_who_board_at_once_one_leads() -> None:
    flights, barrier = Flights(), Barrier(16, timeout=LONG)

    def board() -> tuple[Flight[Any], bool]:
        barrier.wait()
        return flights.board("a")

    with ThreadPoolExecutor(16) as pool:
        boarded = [each.result(LONG) for each in [pool.submit(board) for _ in range(16)]]

    assert [leads for _, leads in boarded].count(True) == 1
    assert len({id(flight) for flight, _ in boarded}) == 1


def test_whoever_waits_is_woken_when_it_lands() -> None:
    flights, may_land = Flights(), Event()
    flight, _ = flights.board("a")

    def fly() -> str:
        assert may_land.wait(LONG)
        return "answer"

    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(flight.lands_within, LONG) for _ in range(2)]
        leader = pool.submit(flights.lead, "a", flight, fly)
        may_land.set()

        assert [wait.result(LONG) for wait in waits] == [True, True]
        assert leader.result(LONG) == "answer"
