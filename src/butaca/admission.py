"""Admission control: a limit on concurrent requests, with fair queueing.

The server has more threads than slots. The spare threads are always available to answer probes, to
reject requests, and to wait for slow clients.
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

QUEUE_TIMEOUT = 1.0
"""Seconds that a request waits while no permit is released. After that, until the next release, no
request waits."""

SPARE_THREADS = 4
"""The number of threads in addition to the slots. Each costs a busy server a percent or two."""

MAX_WAITING_PER_USER = 6
"""The number of requests per user that may wait for their client: as many as browsers connect."""

RETRY_AFTER = 1
_SLOT = "butaca.slot"


def acquire_slot(environ: "WSGIEnvironment") -> None:
    """Make sure that a request has a slot. Raises ServiceUnavailable."""
    if slot := environ.get(_SLOT):
        slot.acquire()


@contextmanager
def without_slot(environ: "WSGIEnvironment", user_id: int) -> Iterator[None]:
    """Release the slot of a request while it waits for its client. Raises ServiceUnavailable."""
    if slot := environ.get(_SLOT):
        with slot.released(user_id):
            yield
    else:
        yield


class FairSemaphore:
    """A semaphore that grants its permits in FIFO order.

    If later requests could overtake, the slowest of a hundred requests would wait twice as long.
    """

    def __init__(self, permits: int, timeout: float = QUEUE_TIMEOUT) -> None:
        self._timeout = timeout
        self._is_stalled = False
        self._releases = 0
        self._lock = threading.Lock()
        self._free = permits
        self._waiters: deque[threading.Lock] = deque()

    def acquire(self) -> None:
        """Acquire a permit. Raises ServiceUnavailable if no permit is released in time."""
        waiter = self._acquire_or_enqueue()
        if waiter and not self._wait(waiter):
            raise ServiceUnavailable(retry_after=RETRY_AFTER)

    def release(self) -> None:
        """Release a permit, which goes to the first waiter."""
        with self._lock:
            self._is_stalled = False
            self._releases += 1
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._free += 1

    def _acquire_or_enqueue(self) -> "threading.Lock | None":
        """Acquire a permit and return None, or join the queue and return a lock to wait for."""
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            waiter = threading.Lock()
            waiter.acquire()
            self._waiters.append(waiter)
            return waiter

    def _wait(self, waiter: threading.Lock) -> bool:
        """Wait for a permit as long as others are released; return whether it was granted."""
        while True:
            releases = self._releases
            if waiter.acquire(timeout=0 if self._is_stalled else self._timeout):
                return True
            with self._lock:
                if self._releases == releases:
                    self._waiters.remove(waiter)
                    self._is_stalled = True
                    return False


class PerUserSemaphore:
    """A fair semaphore with a limit per user. It limits the requests that wait for their client."""

    def __init__(self, permits: int, timeout: float = QUEUE_TIMEOUT) -> None:
        self._semaphore = FairSemaphore(permits, timeout)
        self._timeout = timeout
        self._condition = threading.Condition()
        self._requests_by_user: Counter[int] = Counter()
        self._stalled_users: set[int] = set()

    @contextmanager
    def permit(self, user_id: int) -> Iterator[None]:
        """Hold a permit for a user. Raises ServiceUnavailable."""
        with self._user_permit(user_id):
            self._semaphore.acquire()
            try:
                yield
            finally:
                self._semaphore.release()

    @contextmanager
    def _user_permit(self, user_id: int) -> Iterator[None]:
        with self._condition:
            self._wait_for_user_permit(user_id)
            self._requests_by_user[user_id] += 1
        try:
            yield
        finally:
            with self._condition:
                self._requests_by_user -= Counter([user_id])
                self._stalled_users.discard(user_id)
                self._condition.notify_all()

    def _wait_for_user_permit(self, user_id: int) -> None:
        timeout = 0 if user_id in self._stalled_users else self._timeout
        if not self._condition.wait_for(
            lambda: self._requests_by_user[user_id] < MAX_WAITING_PER_USER, timeout
        ):
            self._stalled_users.add(user_id)
            raise ServiceUnavailable(retry_after=RETRY_AFTER)


class RequestSlot:
    """The slot of one request, which it holds or not."""

    def __init__(self, slots: FairSemaphore, waiting: PerUserSemaphore) -> None:
        self._slots, self._waiting = slots, waiting
        self._is_held = False

    def acquire(self) -> None:
        """Acquire the slot unless the request holds it. Raises ServiceUnavailable."""
        if not self._is_held:
            self._slots.acquire()
            self._is_held = True

    def release(self) -> None:
        """Release the slot if the request holds it."""
        if self._is_held:
            self._is_held = False
            self._slots.release()

    @contextmanager
    def released(self, user_id: int) -> Iterator[None]:
        """Release the slot for a while, then acquire it again. Raises ServiceUnavailable."""
        with self._waiting.permit(user_id):
            self.release()
            yield
        self.acquire()


class Admission:
    """WSGI middleware that limits the number of requests that hold a slot.

    A request holds its slot from `acquire_slot` until its response is complete. As many requests
    again may wait for their clients. The server needs SPARE_THREADS more threads than slots.
    """

    def __init__(self, app: "WSGIApplication", slots: int) -> None:
        self._app = app
        self._slots, self._waiting = FairSemaphore(slots), PerUserSemaphore(slots)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Handle a request."""
        environ[_SLOT] = slot = RequestSlot(self._slots, self._waiting)
        return self._respond(slot, environ, start_response)

    def _respond(self, slot: RequestSlot, *args: Any) -> Iterable[bytes]:
        try:
            response = self._app(*args)
        except BaseException:
            slot.release()
            raise
        if isinstance(response, list):  # Granian sends a list in a single call.
            slot.release()
            return response
        return ClosingIterator(response, slot.release)
