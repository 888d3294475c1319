"""What a request is called in the log and upstream: by its own ID, and by that of its trace.

Source: https://www.w3.org/TR/trace-context/.
"""

import re
from contextvars import ContextVar
from random import getrandbits
from typing import NamedTuple

_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}"  # Of a later version than 00 more may follow.
    r"-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
)
_SAMPLED = 0x01


class Trace(NamedTuple):
    """The names of one request, and whether its caller records the trace."""

    request_id: str
    trace_id: str
    is_sampled: bool = False

    def onward(self) -> str:
        """Return a `traceparent` for one call upstream: each is a span of its own."""
        return f"00-{self.trace_id}-{_made(64)}-{self.is_sampled:02x}"

    def names(self) -> dict[str, str]:
        """Return what every line of the log bears."""
        return {"request_id": self.request_id, "trace_id": self.trace_id}


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin(request_id: str | None, traceparent: str) -> Trace:
    """Name what follows in this thread: it goes on with a trace, or begins one.

    A `traceparent` that is malformed is as good as none. What begins a trace is called by it.
    """
    if known := _TRACEPARENT.fullmatch(traceparent):
        is_sampled = bool(int(known[2], 16) & _SAMPLED)
        trace = Trace(request_id or _made(128), known[1], is_sampled)
    else:
        trace_id = _made(128)
        trace = Trace(request_id or trace_id, trace_id)
    _current.set(trace)
    return trace


def current() -> Trace | None:
    """Return the names of the request for which this thread works, if it is for one."""
    return _current.get()


def end() -> None:
    """Let what follows be for nobody."""
    _current.set(None)


def _made(bits: int) -> str:
    """Return a random ID, which need not be hard to guess; all but zeros."""
    return f"{getrandbits(bits) or 1:0{bits // 4}x}"
