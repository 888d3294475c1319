"""The bulkhead: which calls get a slot, which ones queue, and which ones are rejected."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from butaca.adapters.bulkhead import Bulkhead, Occupancy
from butaca.adapters.deadline import deadline_in
from butaca.core.errors import CatalogueBusy, LibraryBusy
from tests.adapters.cache.harness import TIMEOUT, WatchedClock

SLOW_AFTER = TIMEOUT

Acquire = Callable[..., ExitStack]
Queue = Callable[[Bulkhead], Future[ExitStack]]


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def acquire() -> Iterator[Acquire]:
    """Return a function that acquires a slot, which is released after the test at the latest."""
    acquired: list[ExitStack] = []

    def acquire(bulkhead: Bulkhead, *, may_queue: bool = False) -> ExitStack:
        stack = ExitStack()
        acquired.append(stack)
        stack.enter_context(bulkhead.slot(may_queue=may_queue))
        return stack

    yield acquire
    for stack in acquired:
        stack.close()


@pytest.fixture
def queue(acquire: Acquire, pool: ThreadPoolExecutor, clock: WatchedClock) -> Queue:
    """Return a function that queues for a slot in another thread; it returns once that waits."""

    def queue(bulkhead: Bulkhead) -> Future[ExitStack]:
        readers = len(clock.readers)
        future = pool.submit(acquire, bulkhead, may_queue=True)
        clock.wait_for(threads=readers + 1)
        return future

    return queue


def make_bulkhead(slots: int, clock: WatchedClock) -> Bulkhead:
    return Bulkhead(slots, SLOW_AFTER, clock.monotonic)


def assert_full(bulkhead: Bulkhead) -> None:
    with pytest.raises(CatalogueBusy), bulkhead.slot(may_queue=False):
        pass


@pytest.mark.parametrize("may_queue", [False, True])
def test_bulkhead_has_the_configured_number_of_slots(
    acquire: Acquire, clock: WatchedClock, may_queue: bool
) -> None:
    bulkhead = make_bulkhead(3, clock)
    for _ in range(3):
        acquire(bulkhead, may_queue=may_queue)

    assert_full(bulkhead)


def test_released_slot_is_free(acquire: Acquire, clock: WatchedClock) -> None:
    bulkhead = make_bulkhead(1, clock)
    acquire(bulkhead).close()

    acquire(bulkhead)

    assert_full(bulkhead)


def test_failure_releases_the_slot(acquire: Acquire, clock: WatchedClock) -> None:
    bulkhead = make_bulkhead(1, clock)
    with pytest.raises(ZeroDivisionError), bulkhead.slot(may_queue=False):
        raise ZeroDivisionError

    acquire(bulkhead)


def test_interrupted_caller_leaves_the_queue(acquire: Acquire, clock: WatchedClock) -> None:
    def interrupt() -> float:
        raise KeyboardInterrupt

    bulkhead = make_bulkhead(1, clock)
    slot = acquire(bulkhead)
    bulkhead._clock = interrupt
    with pytest.raises(KeyboardInterrupt):
        acquire(bulkhead, may_queue=True)
    bulkhead._clock = clock.monotonic
    slot.close()

    acquire(bulkhead)


def test_rejected_caller_takes_no_slot(acquire: Acquire, clock: WatchedClock) -> None:
    bulkhead = make_bulkhead(1, clock)
    slot = acquire(bulkhead)
    assert_full(bulkhead)
    slot.close()

    acquire(bulkhead)


def test_caller_that_may_not_queue_is_rejected_immediately(acquire: Acquire) -> None:
    bulkhead = Bulkhead(1, SLOW_AFTER)
    acquire(bulkhead)
    started = time.monotonic()

    assert_full(bulkhead)

    assert time.monotonic() - started < SLOW_AFTER / 2


def test_queued_caller_gets_the_released_slot(
    acquire: Acquire, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(1, clock)
    slot = acquire(bulkhead)
    queued = queue(bulkhead)
    assert not queued.done()
    slot.close()

    queued.result(TIMEOUT)

    assert_full(bulkhead)


def test_queued_caller_gets_the_slot_released_by_a_failure(
    queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(1, clock)

    def fail() -> None:
        with bulkhead.slot(may_queue=False):
            queued.append(queue(bulkhead))
            raise ZeroDivisionError

    queued = list[Future[ExitStack]]()
    with pytest.raises(ZeroDivisionError):
        fail()

    queued[0].result(TIMEOUT)


def test_queue_is_first_in_first_out(
    acquire: Acquire, pool: ThreadPoolExecutor, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(1, clock)
    slot, order = acquire(bulkhead), list[int]()

    def enter(number: int) -> None:
        with bulkhead.slot(may_queue=True):
            order.append(number)

    futures = []
    for number in range(6):
        futures.append(pool.submit(enter, number))
        clock.wait_for(threads=number + 2)
    slot.close()
    for future in futures:
        future.result(TIMEOUT)

    assert order == [0, 1, 2, 3, 4, 5]


def test_callers_queue_while_the_oldest_call_is_not_slow(
    acquire: Acquire, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(1, clock)
    slot = acquire(bulkhead)
    clock.advance(SLOW_AFTER - 1)
    queued = queue(bulkhead)
    slot.close()

    queued.result(TIMEOUT)


def test_callers_stay_in_the_queue_while_slots_turn_over(
    acquire: Acquire, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = Bulkhead(1, SLOW_AFTER, clock.monotonic, max_wait=10 * SLOW_AFTER)
    slot, queued = acquire(bulkhead), list[Future[ExitStack]]()
    for _ in range(3):
        queued.append(queue(bulkhead))
    for next_slot in queued:
        clock.advance(SLOW_AFTER - 1)
        slot.close()
        slot = next_slot.result(TIMEOUT)

    assert bulkhead.occupancy().rejections == 0


def test_callers_do_not_queue_when_the_oldest_call_is_slow(
    acquire: Acquire, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(2, clock)
    acquire(bulkhead)
    clock.advance(SLOW_AFTER)
    acquire(bulkhead)

    with pytest.raises(CatalogueBusy):
        acquire(bulkhead, may_queue=True)


def test_callers_queue_again_after_the_slow_call_ends(
    acquire: Acquire, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(2, clock)
    oldest = acquire(bulkhead)
    clock.advance(SLOW_AFTER)
    newer = acquire(bulkhead)
    oldest.close()
    acquire(bulkhead)
    queued = queue(bulkhead)
    newer.close()

    queued.result(TIMEOUT)


def test_free_slot_is_granted_even_if_the_oldest_call_is_slow(
    acquire: Acquire, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(2, clock)
    acquire(bulkhead)
    clock.advance(1000 * SLOW_AFTER)

    acquire(bulkhead, may_queue=True)

    assert_full(bulkhead)


def test_rejection_raises_the_configured_error(acquire: Acquire) -> None:
    bulkhead = Bulkhead(1, SLOW_AFTER, busy_error=LibraryBusy)
    acquire(bulkhead)

    with pytest.raises(LibraryBusy):
        acquire(bulkhead)


def test_queueing_ends_when_upstream_becomes_slow(acquire: Acquire) -> None:
    bulkhead = Bulkhead(1, slow_after=0.05, max_wait=TIMEOUT)
    started = time.monotonic()
    acquire(bulkhead)

    with pytest.raises(CatalogueBusy):
        acquire(bulkhead, may_queue=True)

    assert 0.05 <= time.monotonic() - started < TIMEOUT


def test_queueing_ends_at_the_deadline(acquire: Acquire) -> None:
    bulkhead = Bulkhead(1, slow_after=TIMEOUT)
    acquire(bulkhead)
    started = time.monotonic()

    with deadline_in(0.05), pytest.raises(CatalogueBusy):
        acquire(bulkhead, may_queue=True)

    assert time.monotonic() - started < TIMEOUT / 2


def test_concurrent_holders_never_exceed_the_slots(pool: ThreadPoolExecutor) -> None:
    bulkhead, holders, counts = Bulkhead(3, TIMEOUT), list[int](), list[int]()

    def enter_often(number: int) -> None:
        for _ in range(50):
            with bulkhead.slot(may_queue=True):
                holders.append(number)
                counts.append(len(holders))
                holders.remove(number)

    for future in [pool.submit(enter_often, number) for number in range(8)]:
        future.result(TIMEOUT)

    assert len(counts) == 400
    assert max(counts) <= 3


def test_occupancy_reports_size_and_slots_in_use(acquire: Acquire, clock: WatchedClock) -> None:
    bulkhead = make_bulkhead(3, clock)
    acquire(bulkhead)
    acquire(bulkhead).close()

    assert bulkhead.occupancy() == Occupancy(
        size=3, in_use=1, waits=0, rejections=0, wait_seconds=0
    )


def test_occupancy_reports_waits_and_their_duration(
    acquire: Acquire, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = make_bulkhead(1, clock)
    first = acquire(bulkhead)
    second = queue(bulkhead)
    clock.advance(0.25)
    first.close()
    second.result(timeout=10)

    assert bulkhead.occupancy() == Occupancy(
        size=1, in_use=1, waits=1, rejections=0, wait_seconds=0.25
    )


def test_occupancy_reports_rejections(acquire: Acquire, clock: WatchedClock) -> None:
    bulkhead = make_bulkhead(1, clock)
    acquire(bulkhead)
    for _ in range(2):
        assert_full(bulkhead)

    assert bulkhead.occupancy() == Occupancy(
        size=1, in_use=1, waits=0, rejections=2, wait_seconds=0
    )
