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

_response_timeout: ContextVar[float | None] = ContextVar("response_timeout", default=None)


class ServerSilent(psycopg.OperationalError):
    """The server did not respond in time, and the session is closed.

    Its last statement may have been executed nevertheless.
    """


@contextmanager
def response_timeout(seconds: float | None) -> Iterator[None]:
    """Limit each wait for a response in the enclosed code; None means no limit."""
    token = _response_timeout.set(seconds)
    try:
        yield
    finally:
        _response_timeout.reset(token)


class Session(psycopg.Connection[Any]):
    """A session that is closed if the server does not respond in time.

    libpq has no such limit. The kernel of a hung server still acknowledges packets, so neither
    keepalives nor `tcp_user_timeout` detect it, and `statement_timeout` is enforced by the server
    itself.
    """

    last_response_at = -math.inf
    """The time of the server's last response, on the clock of `time.monotonic`."""

    def ping(self) -> None:
        """Check that the server responds. Raises ServerSilent; OperationalError if it is gone."""
        self.execute("")

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Return the server's response. Raises ServerSilent."""
        try:
            limit = _response_timeout.get() if timeout is None else timeout
            response = super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            # psycopg has no public error for a wait that timed out. Only a timeout leaves a
            # statement active, and a session in this state must not be reused.
            if self.info.transaction_status is not TransactionStatus.ACTIVE:
                raise
            self.close()
            raise ServerSilent("The server did not answer in time.") from error
        self.last_response_at = time.monotonic()
        return response
