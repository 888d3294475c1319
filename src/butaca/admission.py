"""Admission: so many requests are worked on at a time; nobody waits for ever, nor keeps others out.

The server has more threads than there are places. Some of them are always there to answer probes,
to turn people away, and to wait for clients that are slow.
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
"""Seconds that a request waits for a place while none is given back. After them, nobody waits."""

SPARE_THREADS = 4
"""How many threads there are beyond the places. Each costs a busy server a percent or two."""

ASIDE_OF_ONE = 6
"""How many requests of one user may wait for their client: as many as a browser has connections."""

RETRY_AFTER = 1
_VISIT = "butaca.visit"


def enter(environ: "WSGIEnvironment") -> None:
    """Make sure that a request has a place. Raises ServiceUnavailable."""
    if visit := environ.get(_VISIT):
        visit.enter()


@contextmanager
def aside(environ: "WSGIEnvironment", user_id: int) -> Iterator[None]:
    """Let a request wait for its client without a place. Raises ServiceUnavailable."""
    if visit := environ.get(_VISIT):
        with visit.aside(user_id):
            yield
    else:
        yield


class Places:
    """So many places, each for one request; whoever came first goes first.

    Where who is quick may overtake, the slowest of a hundred waits twice as long.
    """

    def __init__(self, number: int, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._is_stuck = False
        self._given_back = 0
        self._lock = threading.Lock()
        self._free = number
        self._turns: deque[threading.Lock] = deque()

    def take(self) -> None:
        """Take a place. Raises ServiceUnavailable: they are stuck."""
        turn = self._turn()
        if turn and not self._comes(turn):
            raise ServiceUnavailable(retry_after=RETRY_AFTER)

    def give_back(self) -> None:
        """Let the next one in."""
        with self._lock:
            self._is_stuck = False
            self._given_back += 1
            if self._turns:
                self._turns.popleft().release()
            else:
                self._free += 1

    def _turn(self) -> "threading.Lock | None":
        """Take a place; where there is none, queue, and return what is open once there is one."""
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            turn = threading.Lock()
            turn.acquire()
            self._turns.append(turn)
            return turn

    def _comes(self, turn: threading.Lock) -> bool:
        """Wait for a turn while places are given back; tell whether it came."""
        while True:
            given_back = self._given_back
            if turn.acquire(timeout=0 if self._is_stuck else self._patience):
                return True
            with self._lock:
                if self._given_back == given_back:
                    self._turns.remove(turn)
                    self._is_stuck = True
                    return False


class Room:
    """Where requests wait for their clients: all of them, and those of one user, are so many."""

    def __init__(self, number: int, patience: float = PATIENCE) -> None:
        self._places = Places(number, patience)
        self._patience = patience
        self._changed = threading.Condition()
        self._of: Counter[int] = Counter()
        self._stuck: set[int] = set()

    @contextmanager
    def stay(self, user_id: int) -> Iterator[None]:
        """Be there. Raises ServiceUnavailable."""
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


class Visit:
    """A request that has a place, or has none."""

    def __init__(self, places: Places, room: Room) -> None:
        self._places, self._room = places, room
        self._has_place = False

    def enter(self) -> None:
        """Take a place, unless there is one. Raises ServiceUnavailable."""
        if not self._has_place:
            self._places.take()
            self._has_place = True

    def leave(self) -> None:
        """Give the place back, if there is one."""
        if self._has_place:
            self._has_place = False
            self._places.give_back()

    @contextmanager
    def aside(self, user_id: int) -> Iterator[None]:
        """Give the place to somebody else for a while. Raises ServiceUnavailable."""
        with self._room.stay(user_id):
            self.leave()
            yield
        self.enter()


class Admission:
    """A WSGI app in which so many requests at a time can `enter`, until they are answered.

    As many again may wait for their clients. Its server has SPARE_THREADS more than places.
    """

    def __init__(self, app: "WSGIApplication", places: int) -> None:
        self._app = app
        self._places, self._room = Places(places), Room(places)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        environ[_VISIT] = visit = Visit(self._places, self._room)
        return self._answer(visit, environ, start_response)

    def _answer(self, visit: Visit, *args: Any) -> Iterable[bytes]:
        try:
            answer = self._app(*args)
        except BaseException:
            visit.leave()
            raise
        if isinstance(answer, list):  # Granian sends a list in one piece.
            visit.leave()
            return answer
        return ClosingIterator(answer, visit.leave)
