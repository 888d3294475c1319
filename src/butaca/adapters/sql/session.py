"""A session with PostgreSQL in which nobody waits without end."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

T = TypeVar("T")

_longest: ContextVar[float | None] = ContextVar("longest", default=None)


class ServerSilent(psycopg.OperationalError):
    """The server did not answer in time. The session is over; what it was doing may be done."""


@contextmanager
def waiting_at_most(seconds: float | None) -> Iterator[None]:
    """Set how long each wait for an answer may take here; None is without end."""
    reset = _longest.set(seconds)
    try:
        yield
    finally:
        _longest.reset(reset)


class Session(psycopg.Connection[Any]):
    """A session that ends when the server keeps silent for too long.

    libpq has no limit for that: the kernel of a server that hangs goes on acknowledging, so that
    neither keepalives nor `tcp_user_timeout` notice, and `statement_timeout` is the server's own.
    """

    heard_at = -math.inf
    """When the server answered last, by the clock of `time.monotonic`."""

    def ping(self) -> None:
        """Ask for a sign of life. Raises ServerSilent, and OperationalError where it is gone."""
        self.execute("")

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Return what the server answers. Raises ServerSilent."""
        try:
            answer = super().wait(gen, interval, _longest.get() if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # psycopg has no public name for a wait that took too long. It alone leaves a
            # statement under way; a session that it left so must not be used again.
            if self.info.transaction_status is not TransactionStatus.ACTIVE:
                raise
            self.close()
            raise ServerSilent("The server did not answer in time.") from error
        self.heard_at = time.monotonic()
        return answer
