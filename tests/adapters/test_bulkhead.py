"""The bulkhead: which calls get a slot, which ones queue, and which ones are rejected at once."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from butaca.adapters.bulkhead import Bulkhead, Occupancy
from butaca.adapters.deadline import within
from butaca.core.errors import CatalogueBusy, LibraryBusy
from tests.adapters.cache.scene import LONG, WatchedClock

PATIENCE = LONG

Take = Callable[..., ExitStack]
Queue = Callable[[Bulkhead], Future[ExitStack]]


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def take() -> Iterator[Take]:
    """Return what takes a place, to be closed by the test or after it."""
    taken: list[ExitStack] = []

    def take(bulkhead: Bulkhead, *, may_queue: bool = False) -> ExitStack:
        stack = ExitStack()
        taken.append(stack)
        stack.enter_context(bulkhead.place(may_queue=may_queue))
        return stack

    yield take
    for stack in taken:
        stack.close()


@pytest.fixture
def queue(take: Take, pool: ThreadPoolExecutor, clock: WatchedClock) -> Queue:
    """Return what queues in another thread; it comes back when the thread is in the queue."""

    def queue(bulkhead: Bulkhead) -> Future[ExitStack]:
        seen = len(clock.seen)
        future = pool.submit(take, bulkhead, may_queue=True)
        clock.wait_for(threads=seen + 1)
        return future

    return queue


def bulkhead_of(places: int, clock: WatchedClock) -> Bulkhead:
    return Bulkhead(places, PATIENCE, clock.monotonic)


def assert_full(bulkhead: Bulkhead) -> None:
    with pytest.raises(CatalogueBusy), bulkhead.place(may_queue=False):
        pass


@pytest.mark.parametrize("may_queue", [False, True])
def test_there_are_as_many_places_as_there_should_be(
    take: Take, clock: WatchedClock, may_queue: bool
) -> None:
    bulkhead = bulkhead_of(3, clock)
    for _ in range(3):
        take(bulkhead, may_queue=may_queue)

    assert_full(bulkhead)


def test_a_place_that_was_left_is_free(take: Take, clock: WatchedClock) -> None:
    bulkhead = bulkhead_of(1, clock)
    take(bulkhead).close()

    take(bulkhead)

    assert_full(bulkhead)


def test_a_failure_leaves_its_place(take: Take, clock: WatchedClock) -> None:
    bulkhead = bulkhead_of(1, clock)
    with pytest.raises(ZeroDivisionError), bulkhead.place(may_queue=False):
        raise ZeroDivisionError

    take(bulkhead)


def test_whoever_is_sent_away_takes_no_place(take: Take, clock: WatchedClock) -> None:
    bulkhead = bulkhead_of(1, clock)
    place = take(bulkhead)
    assert_full(bulkhead)
    place.close()

    take(bulkhead)


def test_whoever_may_not_queue_is_sent_away_at_once(take: Take) -> None:
    bulkhead = Bulkhead(1, PATIENCE)
    take(bulkhead)
    started = time.monotonic()

    assert_full(bulkhead)

    assert time.monotonic() - started < PATIENCE / 2


def test_whoever_queues_gets_the_place_that_is_left(
    take: Take, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = bulkhead_of(1, clock)
    place = take(bulkhead)
    queued = queue(bulkhead)
    assert not queued.done()
    place.close()

    queued.result(LONG)

    assert_full(bulkhead)


def test_whoever_queues_gets_the_place_that_a_failure_left(
    queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = bulkhead_of(1, clock)

    def fail() -> None:
        with bulkhead.place(may_queue=False):
            queued.append(queue(bulkhead))
            raise ZeroDivisionError

    queued = list[Future[ExitStack]]()
    with pytest.raises(ZeroDivisionError):
        fail()

    queued[0].result(LONG)


def test_whoever_came_first_goes_first(
    take: Take, pool: ThreadPoolExecutor, clock: WatchedClock
) -> None:
    bulkhead = bulkhead_of(1, clock)
    place, gone = take(bulkhead), list[int]()

    def go(number: int) -> None:
        with bulkhead.place(may_queue=True):
            gone.append(number)

    futures = []
    for number in range(6):
        futures.append(pool.submit(go, number))
        clock.wait_for(threads=number + 2)
    place.close()
    for future in futures:
        future.result(LONG)

    assert gone == [0, 1, 2, 3, 4, 5]


def test_one_queues_while_the_oldest_is_not_long_away(
    take: Take, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = bulkhead_of(1, clock)
    place = take(bulkhead)
    clock.move(PATIENCE - 1)
    queued = queue(bulkhead)
    place.close()

    queued.result(LONG)


def test_one_queues_on_while_others_come_and_go(
    take: Take, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = Bulkhead(1, PATIENCE, clock.monotonic, longest_queue=10 * PATIENCE)
    place, queued = take(bulkhead), list[Future[ExitStack]]()
    for _ in range(3):
        queued.append(queue(bulkhead))
    for each in queued:
        clock.move(PATIENCE - 1)
        place.close()
        place = each.result(LONG)

    assert bulkhead.occupancy().refused == 0


def test_nobody_queues_when_the_oldest_is_long_away(take: Take, clock: WatchedClock) -> None:
    bulkhead = bulkhead_of(2, clock)
    take(bulkhead)
    clock.move(PATIENCE)
    take(bulkhead)

    with pytest.raises(CatalogueBusy):
        take(bulkhead, may_queue=True)


def test_one_queues_again_when_the_oldest_has_come_back(
    take: Take, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = bulkhead_of(2, clock)
    oldest = take(bulkhead)
    clock.move(PATIENCE)
    younger = take(bulkhead)
    oldest.close()
    take(bulkhead)
    queued = queue(bulkhead)
    younger.close()

    queued.result(LONG)


def test_a_free_place_is_taken_however_long_the_oldest_is_away(
    take: Take, clock: WatchedClock
) -> None:
    bulkhead = bulkhead_of(2, clock)
    take(bulkhead)
    clock.move(1000 * PATIENCE)

    take(bulkhead, may_queue=True)

    assert_full(bulkhead)


def test_whoever_is_sent_away_is_told_who_is_busy(take: Take) -> None:
    bulkhead = Bulkhead(1, PATIENCE, busy=LibraryBusy)
    take(bulkhead)

    with pytest.raises(LibraryBusy):
        take(bulkhead)


def test_queueing_ends_when_patience_does(take: Take) -> None:
    bulkhead = Bulkhead(1, patience=0.05)
    take(bulkhead)
    started = time.monotonic()

    with pytest.raises(CatalogueBusy):
        take(bulkhead, may_queue=True)

    assert time.monotonic() - started < LONG


def test_queueing_ends_at_the_deadline(take: Take) -> None:
    bulkhead = Bulkhead(1, patience=LONG)
    take(bulkhead)
    started = time.monotonic()

    with within(0.05), pytest.raises(CatalogueBusy):
        take(bulkhead, may_queue=True)

    assert time.monotonic() - started < LONG / 2


def test_many_threads_never_have_more_than_the_places(pool: ThreadPoolExecutor) -> None:
    bulkhead, inside, most = Bulkhead(3, LONG), list[int](), list[int]()

    def go(number: int) -> None:
        for _ in range(50):
            with bulkhead.place(may_queue=True):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    for future in [pool.submit(go, number) for number in range(8)]:
        future.result(LONG)

    assert len(most) == 400
    assert max(most) <= 3


def test_it_tells_how_full_it_is(take: Take, clock: WatchedClock) -> None:
    bulkhead = bulkhead_of(3, clock)
    take(bulkhead)
    take(bulkhead).close()

    assert bulkhead.occupancy() == Occupancy(places=3, taken=1, queued=0, refused=0, seconds=0)


def test_it_tells_who_queued_and_for_how_long(
    take: Take, queue: Queue, clock: WatchedClock
) -> None:
    bulkhead = bulkhead_of(1, clock)
    first = take(bulkhead)
    second = queue(bulkhead)
    clock.move(0.25)
    first.close()
    second.result(timeout=10)

    assert bulkhead.occupancy() == Occupancy(places=1, taken=1, queued=1, refused=0, seconds=0.25)


def test_it_tells_who_got_no_place(take: Take, clock: WatchedClock) -> None:
    bulkhead = bulkhead_of(1, clock)
    take(bulkhead)
    for _ in range(2):
        assert_full(bulkhead)

    assert bulkhead.occupancy() == Occupancy(places=1, taken=1, queued=0, refused=2, seconds=0)
