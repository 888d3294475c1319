"""Admission: the number of slots, requests that wait for their client, and rejected ones."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, cast

import pytest
from werkzeug.exceptions import ServiceUnavailable

from butaca.admission import ASIDE_OF_ONE, Admission, FairSemaphore, WaitingRoom, aside, enter
from tests.faults.pods import wait_until

Environ = dict[str, Any]


def visitor(admission: Admission) -> Environ:
    """Return the environ of a request that is being answered and has no place yet."""
    environ: Environ = {}
    admission(environ, lambda *_: None)  # type: ignore[arg-type]
    return environ


def silent(_environ: Environ, _start: Any) -> Iterable[bytes]:
    return []


def test_who_finds_no_place_in_time_is_turned_away() -> None:
    places = FairSemaphore(1, patience=0.01)
    places.take()
    with pytest.raises(ServiceUnavailable) as refused:
        places.take()
    assert ("Retry-After", "1") in refused.value.get_headers()


def test_where_nobody_found_a_place_the_next_do_not_wait() -> None:
    places = FairSemaphore(1, patience=0.01)
    places.take()
    with pytest.raises(ServiceUnavailable):
        places.take()
    places._patience = 3600
    with pytest.raises(ServiceUnavailable):
        places.take()


def test_who_waits_gets_the_place_that_is_given_back() -> None:
    places = FairSemaphore(1, patience=10)
    places.take()
    waiting = Thread(target=places.take)
    waiting.start()
    places.give_back()
    waiting.join(10)
    assert not waiting.is_alive()


def test_whoever_came_first_goes_first() -> None:
    places, came = FairSemaphore(1, patience=10), SimpleQueue[int]()
    places.take()

    def come(number: int) -> None:
        places.take()
        came.put(number)

    waiting = [Thread(target=come, args=(number,)) for number in range(4)]
    for number, each in enumerate(waiting):
        each.start()
        wait_until(lambda: len(places._turns) > number)  # noqa: B023 - called here
    for number, each in enumerate(waiting):
        places.give_back()
        assert came.get(timeout=10) == number
        each.join()


def test_who_waits_waits_on_while_others_have_their_turn() -> None:
    class Overtaken:
        times = 0

        def acquire(self, timeout: float) -> bool:
            self.times += 1
            if self.times < 4:
                places.give_back()  # To one of those who came before.
            return False

    places, turn = FairSemaphore(0, patience=10), cast("Any", Overtaken())
    with ThreadPoolExecutor(3) as others:
        for number in range(3):
            others.submit(places.take)
            wait_until(lambda: len(places._turns) > number)  # noqa: B023 - called here
        places._turns.append(turn)
        assert not places._comes(turn)
    assert turn.times == 4
    assert not places._turns


def test_once_a_place_was_given_back_people_are_patient_again() -> None:
    places = FairSemaphore(1, patience=0.01)
    places.take()
    with pytest.raises(ServiceUnavailable):
        places.take()
    places.give_back()
    places.take()


def test_who_has_a_place_takes_no_other() -> None:
    admission = Admission(silent, places=2)
    first = visitor(admission)
    enter(first)
    enter(first)
    enter(visitor(admission))


def test_who_waits_aside_has_no_place_and_takes_one_again() -> None:
    admission = Admission(silent, places=1)
    first, second = visitor(admission), visitor(admission)
    enter(first)
    with aside(first, user_id=1):
        enter(second)
        second["butaca.slot"].leave()
    admission._places._patience = 0.01
    with pytest.raises(ServiceUnavailable):
        enter(second)


def test_one_user_leaves_room_for_others() -> None:
    room = WaitingRoom(ASIDE_OF_ONE + 1, patience=0.01)
    with ExitStack() as stack:
        for _ in range(ASIDE_OF_ONE):
            stack.enter_context(room.stay(1))
        with pytest.raises(ServiceUnavailable):
            stack.enter_context(room.stay(1))
        stack.enter_context(room.stay(2))


def test_who_is_quick_may_send_as_much_at_once_as_they_like() -> None:
    room = WaitingRoom(ASIDE_OF_ONE + 1, patience=10)

    def stay(_: int) -> None:
        with room.stay(1):
            Event().wait(0.001)

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(stay, range(32))) == [None] * 32


def test_who_had_too_many_is_let_in_again_when_one_is_done() -> None:
    room = WaitingRoom(ASIDE_OF_ONE, patience=0.01)
    with ExitStack() as stack:
        for _ in range(ASIDE_OF_ONE):
            stack.enter_context(room.stay(1))
        for _ in range(2):
            with pytest.raises(ServiceUnavailable):
                stack.enter_context(room.stay(1))
    with room.stay(1):
        pass


def test_an_answer_in_one_piece_stays_so_and_gives_its_place_back() -> None:
    def app(environ: Environ, _start: Any) -> Iterable[bytes]:
        enter(environ)
        return [b"seat"]

    admission = Admission(app, places=1)
    for _ in range(3):
        assert admission({}, lambda *_: None) == [b"seat"]  # type: ignore[arg-type]


def test_an_answer_that_is_closed_gives_its_place_back() -> None:
    def app(environ: Environ, _start: Any) -> Iterable[bytes]:
        enter(environ)
        return iter([b"seat"])

    admission = Admission(app, places=1)
    for _ in range(3):
        answer = admission({}, lambda *_: None)  # type: ignore[arg-type]
        assert list(answer) == [b"seat"]
        answer.close()  # type: ignore[attr-defined]


def test_an_app_that_breaks_gives_its_place_back() -> None:
    def app(environ: Environ, _start: Any) -> Iterable[bytes]:
        enter(environ)
        raise ZeroDivisionError

    admission = Admission(app, places=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            admission({}, lambda *_: None)  # type: ignore[arg-type]


def test_without_admission_everybody_is_let_in() -> None:
    enter({})
    with aside({}, user_id=1):
        pass
