"""The deadline of the current context, which limits every wait for upstream."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_TIMEOUT = 3600.0
"""In seconds. Sockets and locks do not accept infinity."""

_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


@contextmanager
def deadline_in(seconds: float) -> Iterator[None]:
    """Set a deadline for the enclosed code; it never extends one that is already set."""
    token = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float:
    """Return the number of seconds until the deadline; 0 or less if it has passed."""
    return _deadline.get() - time.monotonic()


def cap_timeout(timeout: float | None) -> float:
    """Return a timeout in seconds (`None`: unlimited), capped at the time left; always positive.

    Raises TimeoutError if the deadline has passed.
    """
    if (left := seconds_left()) <= 0:
        raise TimeoutError("the deadline has passed")
    return min(timeout or MAX_TIMEOUT, left)
