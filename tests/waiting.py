"""Waiting for a condition that another thread or process will meet."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], seconds: float = 10.0) -> T:
    """Return the value of a condition as soon as it is true. Raises AssertionError on timeout."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"the condition was not met within {seconds} s"
        Event().wait(0.005)
    return found
