"""The deadline of the current context, which limits every wait for upstream."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LONGEST_WAIT = 3600.0
"""In seconds. Sockets and locks do not accept infinity."""

_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set a deadline for the enclosed code; it never extends one that is already set."""
    reset = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(reset)


def seconds_left() -> float:
    """Return the number of seconds until the deadline; 0 or less if it has passed."""
    return _deadline.get() - time.monotonic()


def cut(wait: float | None) -> float:
    """Return a timeout in seconds (`None`: unlimited), cut to the time left; always positive.

    Raises TimeoutError if the deadline has passed.
    """
    if (left := seconds_left()) <= 0:
        raise TimeoutError("the deadline has passed")
    return min(wait or LONGEST_WAIT, left)
