"""The moment after which nobody waits for upstream any longer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LONGEST_WAIT = 3600.0
"""Seconds; sockets and locks do not take infinity."""

_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set a deadline for what is done here; one that is set already is not put off."""
    reset = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(reset)


def seconds_left() -> float:
    """Return the seconds until the deadline; 0 or less when it has passed."""
    return _deadline.get() - time.monotonic()


def cut(wait: float | None) -> float:
    """Return a wait (`None`: any), cut to what is left; in seconds, and more than 0.

    Raises TimeoutError when the deadline has passed.
    """
    if (left := seconds_left()) <= 0:
        raise TimeoutError("the deadline has passed")
    return min(wait or LONGEST_WAIT, left)
