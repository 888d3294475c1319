"""A PostgreSQL session with a limit on every wait."""

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
    """The server did not respond in time, and the session is closed.

    Its last statement may be executed nevertheless.
    """


@contextmanager
def waiting_at_most(seconds: float | None) -> Iterator[None]:
    """Limit each wait for an answer in the enclosed code; None means no limit."""
    reset = _longest.set(seconds)
    try:
        yield
    finally:
        _longest.reset(reset)


class Session(psycopg.Connection[Any]):
    """A session that is closed if the server does not respond in time.

    libpq has no such limit. The kernel of a hung server still acknowledges packets, so neither
    keepalives nor `tcp_user_timeout` detect it, and `statement_timeout` is enforced by the server
    itself.
    """

    heard_at = -math.inf
    """The time of the server's last answer, on the clock of `time.monotonic`."""

    def ping(self) -> None:
        """Check that the server responds. Raises ServerSilent; OperationalError if it is gone."""
        self.execute("")

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Return the server's answer. Raises ServerSilent."""
        try:
            answer = super().wait(gen, interval, _longest.get() if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # psycopg has no public error for a wait that timed out. Only that leaves a statement
            # active, and a session in this state must not be used again.
            if self.info.transaction_status is not TransactionStatus.ACTIVE:
                raise
            self.close()
            raise ServerSilent("The server did not answer in time.") from error
        self.heard_at = time.monotonic()
        return answer
