"""Admission control: slots, requests that wait for the rest of their body, and rejections."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, cast

import pytest
from werkzeug.exceptions import ServiceUnavailable

from butaca.admission import (
    MAX_WAITING_PER_USER,
    Admission,
    FairSemaphore,
    PerUserSemaphore,
    acquire_slot,
    without_slot,
)
from tests.waiting import wait_until

Environ = dict[str, Any]


def request_to(admission: Admission) -> Environ:
    """Return the environ of a request that is in progress and does not have a slot yet."""
    environ: Environ = {}
    admission(environ, lambda *_: None)  # type: ignore[arg-type]
    return environ


def empty_app(_environ: Environ, _start: Any) -> Iterable[bytes]:
    return []


def test_acquire_fails_if_no_permit_is_released_in_time() -> None:
    semaphore = FairSemaphore(1, timeout=0.01)
    semaphore.acquire()
    with pytest.raises(ServiceUnavailable) as rejected:
        semaphore.acquire()
    assert ("Retry-After", "1") in rejected.value.get_headers()


def test_acquire_fails_immediately_after_another_timed_out() -> None:
    semaphore = FairSemaphore(1, timeout=0.01)
    semaphore.acquire()
    with pytest.raises(ServiceUnavailable):
        semaphore.acquire()
    semaphore._timeout = 3600
    with pytest.raises(ServiceUnavailable):
        semaphore.acquire()


def test_released_permit_goes_to_the_waiter() -> None:
    semaphore = FairSemaphore(1, timeout=10)
    semaphore.acquire()
    waiter = Thread(target=semaphore.acquire)
    waiter.start()
    semaphore.release()
    waiter.join(10)
    assert not waiter.is_alive()


def test_permits_are_granted_in_fifo_order() -> None:
    semaphore, granted = FairSemaphore(1, timeout=10), SimpleQueue[int]()
    semaphore.acquire()

    def acquire(number: int) -> None:
        semaphore.acquire()
        granted.put(number)

    waiters = [Thread(target=acquire, args=(number,)) for number in range(4)]
    for number, waiter in enumerate(waiters):
        waiter.start()
        wait_until(lambda: len(semaphore._waiters) > number)  # noqa: B023 - called here
    for number, waiter in enumerate(waiters):
        semaphore.release()
        assert granted.get(timeout=10) == number
        waiter.join()


def test_waiter_keeps_waiting_while_permits_are_granted_to_others() -> None:
    class LastWaiter:
        attempts = 0

        def acquire(self, timeout: float) -> bool:
            self.attempts += 1
            if self.attempts < 4:
                semaphore.release()  # To one of the three earlier waiters.
            return False

    semaphore, last = FairSemaphore(0, timeout=10), cast("Any", LastWaiter())
    with ThreadPoolExecutor(3) as others:
        for number in range(3):
            others.submit(semaphore.acquire)
            wait_until(lambda: len(semaphore._waiters) > number)  # noqa: B023 - called here
        semaphore._waiters.append(last)
        assert not semaphore._wait(last)
    assert last.attempts == 4
    assert not semaphore._waiters


def test_acquire_waits_again_after_a_permit_was_released() -> None:
    semaphore = FairSemaphore(1, timeout=0.01)
    semaphore.acquire()
    with pytest.raises(ServiceUnavailable):
        semaphore.acquire()
    semaphore.release()
    semaphore.acquire()


def test_request_acquires_only_one_slot() -> None:
    admission = Admission(empty_app, slots=2)
    first = request_to(admission)
    acquire_slot(first)
    acquire_slot(first)
    acquire_slot(request_to(admission))


def test_slot_is_released_during_the_wait_and_acquired_again() -> None:
    admission = Admission(empty_app, slots=1)
    first, second = request_to(admission), request_to(admission)
    acquire_slot(first)
    with without_slot(first, user_id=1):
        acquire_slot(second)
        second["butaca.slot"].release()
    admission._slots._timeout = 0.01
    with pytest.raises(ServiceUnavailable):
        acquire_slot(second)


def test_one_user_cannot_acquire_all_permits() -> None:
    semaphore = PerUserSemaphore(MAX_WAITING_PER_USER + 1, timeout=0.01)
    with ExitStack() as stack:
        for _ in range(MAX_WAITING_PER_USER):
            stack.enter_context(semaphore.permit(1))
        with pytest.raises(ServiceUnavailable):
            stack.enter_context(semaphore.permit(1))
        stack.enter_context(semaphore.permit(2))


def test_short_waits_beyond_the_limit_per_user_are_queued() -> None:
    semaphore = PerUserSemaphore(MAX_WAITING_PER_USER + 1, timeout=10)

    def wait_briefly(_: int) -> None:
        with semaphore.permit(1):
            Event().wait(0.001)

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(wait_briefly, range(32))) == [None] * 32


def test_user_at_the_limit_can_acquire_again_after_a_release() -> None:
    semaphore = PerUserSemaphore(MAX_WAITING_PER_USER, timeout=0.01)
    with ExitStack() as stack:
        for _ in range(MAX_WAITING_PER_USER):
            stack.enter_context(semaphore.permit(1))
        for _ in range(2):
            with pytest.raises(ServiceUnavailable):
                stack.enter_context(semaphore.permit(1))
    with semaphore.permit(1):
        pass


def test_list_response_is_passed_on_and_its_slot_is_released() -> None:
    def app(environ: Environ, _start: Any) -> Iterable[bytes]:
        acquire_slot(environ)
        return [b"body"]

    admission = Admission(app, slots=1)
    for _ in range(3):
        assert admission({}, lambda *_: None) == [b"body"]  # type: ignore[arg-type]


def test_slot_is_released_when_the_response_is_closed() -> None:
    def app(environ: Environ, _start: Any) -> Iterable[bytes]:
        acquire_slot(environ)
        return iter([b"body"])

    admission = Admission(app, slots=1)
    for _ in range(3):
        response = admission({}, lambda *_: None)  # type: ignore[arg-type]
        assert list(response) == [b"body"]
        response.close()  # type: ignore[attr-defined]


def test_slot_is_released_when_the_app_raises() -> None:
    def app(environ: Environ, _start: Any) -> Iterable[bytes]:
        acquire_slot(environ)
        raise ZeroDivisionError

    admission = Admission(app, slots=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            admission({}, lambda *_: None)  # type: ignore[arg-type]


def test_no_slot_is_needed_without_the_middleware() -> None:
    acquire_slot({})
    with without_slot({}, user_id=1):
        pass
