"""Admission control: a limit on concurrent requests, with fair queueing.

The server has more threads than there are places. The spare threads are always available to answer
probes, to reject requests, and to wait for slow clients.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 1.0
"""Seconds that a request waits while no place is released. After that, no request waits."""

SPARE_THREADS = 4
"""The number of threads beyond the places. Each costs a busy server a percent or two."""

ASIDE_OF_ONE = 6
"""The number of requests per user that may wait for their client: as many as browsers connect."""

RETRY_AFTER = 1
_SLOT = "butaca.slot"


def enter(environ: "WSGIEnvironment") -> None:
    """Make sure that a request has a place. Raises ServiceUnavailable."""
    if slot := environ.get(_SLOT):
        slot.enter()


@contextmanager
def aside(environ: "WSGIEnvironment", user_id: int) -> Iterator[None]:
    """Let a request wait for its client without a place. Raises ServiceUnavailable."""
    if slot := environ.get(_SLOT):
        with slot.aside(user_id):
            yield
    else:
        yield


class FairSemaphore:
    """A fair semaphore: a fixed number of places, assigned in FIFO order.

    If late-comers could overtake, the slowest of a hundred requests would wait twice as long.
    """

    def __init__(self, number: int, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._is_stuck = False
        self._given_back = 0
        self._lock = threading.Lock()
        self._free = number
        self._turns: deque[threading.Lock] = deque()

    def take(self) -> None:
        """Take a place. Raises ServiceUnavailable if no place is released."""
        turn = self._turn()
        if turn and not self._comes(turn):
            raise ServiceUnavailable(retry_after=RETRY_AFTER)

    def give_back(self) -> None:
        """Release a place to the next in line."""
        with self._lock:
            self._is_stuck = False
            self._given_back += 1
            if self._turns:
                self._turns.popleft().release()
            else:
                self._free += 1

    def _turn(self) -> "threading.Lock | None":
        """Take a place and return None, or join the queue and return a lock to wait for."""
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            turn = threading.Lock()
            turn.acquire()
            self._turns.append(turn)
            return turn

    def _comes(self, turn: threading.Lock) -> bool:
        """Wait for a turn as long as places are released; return whether it came."""
        while True:
            given_back = self._given_back
            if turn.acquire(timeout=0 if self._is_stuck else self._patience):
                return True
            with self._lock:
                if self._given_back == given_back:
                    self._turns.remove(turn)
                    self._is_stuck = True
                    return False


class WaitingRoom:
    """Limits the requests that wait for their clients, in total and per user."""

    def __init__(self, number: int, patience: float = PATIENCE) -> None:
        self._places = FairSemaphore(number, patience)
        self._patience = patience
        self._changed = threading.Condition()
        self._of: Counter[int] = Counter()
        self._stuck: set[int] = set()

    @contextmanager
    def stay(self, user_id: int) -> Iterator[None]:
        """Hold a place in the room. Raises ServiceUnavailable."""
        with self._counted(user_id):
            self._places.take()
            try:
                yield
            finally:
                self._places.give_back()

    @contextmanager
    def _counted(self, user_id: int) -> Iterator[None]:
        with self._changed:
            self._wait_for_others_of(user_id)
            self._of[user_id] += 1
        try:
            yield
        finally:
            with self._changed:
                self._of -= Counter([user_id])
                self._stuck.discard(user_id)
                self._changed.notify_all()

    def _wait_for_others_of(self, user_id: int) -> None:
        patience = 0 if user_id in self._stuck else self._patience
        if not self._changed.wait_for(lambda: self._of[user_id] < ASIDE_OF_ONE, patience):
            self._stuck.add(user_id)
            raise ServiceUnavailable(retry_after=RETRY_AFTER)


class RequestSlot:
    """The state of one request: with or without a place."""

    def __init__(self, places: FairSemaphore, room: WaitingRoom) -> None:
        self._places, self._room = places, room
        self._has_place = False

    def enter(self) -> None:
        """Take a place unless the request has one. Raises ServiceUnavailable."""
        if not self._has_place:
            self._places.take()
            self._has_place = True

    def leave(self) -> None:
        """Release the place, if the request has one."""
        if self._has_place:
            self._has_place = False
            self._places.give_back()

    @contextmanager
    def aside(self, user_id: int) -> Iterator[None]:
        """Release the place for a while, then take one again. Raises ServiceUnavailable."""
        with self._room.stay(user_id):
            self.leave()
            yield
        self.enter()


class Admission:
    """WSGI middleware in which a limited number of requests at a time can `enter`.

    They keep their places until they are answered. As many again may wait for their clients. The
    server needs SPARE_THREADS more threads than there are places.
    """

    def __init__(self, app: "WSGIApplication", places: int) -> None:
        self._app = app
        self._places, self._room = FairSemaphore(places), WaitingRoom(places)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Handle a request."""
        environ[_SLOT] = slot = RequestSlot(self._places, self._room)
        return self._answer(slot, environ, start_response)

    def _answer(self, slot: RequestSlot, *args: Any) -> Iterable[bytes]:
        try:
            answer = self._app(*args)
        except BaseException:
            slot.leave()
            raise
        if isinstance(answer, list):  # Granian sends a list in a single call.
            slot.leave()
            return answer
        return ClosingIterator(answer, slot.leave)
