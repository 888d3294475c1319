"""The request ID and the trace ID, for logs and for upstream calls.

Source: https://www.w3.org/TR/trace-context/.
"""

import re
from contextvars import ContextVar
from random import getrandbits
from typing import NamedTuple

_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}"  # Versions after 00 may append fields.
    r"-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
)
_SAMPLED = 0x01


class Trace(NamedTuple):
    """The IDs of a request, and whether its caller samples the trace."""

    request_id: str
    trace_id: str
    is_sampled: bool = False

    def new_traceparent(self) -> str:
        """Return a `traceparent` with a new span ID, for one upstream call."""
        return f"00-{self.trace_id}-{_random_id(64)}-{self.is_sampled:02x}"

    def log_fields(self) -> dict[str, str]:
        """Return the IDs as fields of a log line."""
        return {"request_id": self.request_id, "trace_id": self.trace_id}


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin(request_id: str | None, traceparent: str) -> Trace:
    """Set the IDs for the current thread: continue the caller's trace, or start a new one.

    A malformed `traceparent` is ignored. Without a request ID, the ID of a new trace serves as one.
    """
    if match := _TRACEPARENT.fullmatch(traceparent):
        is_sampled = bool(int(match[2], 16) & _SAMPLED)
        trace = Trace(request_id or _random_id(128), match[1], is_sampled)
    else:
        trace_id = _random_id(128)
        trace = Trace(request_id or trace_id, trace_id)
    _current.set(trace)
    return trace


def current() -> Trace | None:
    """Return the IDs of the request that this thread handles, if any."""
    return _current.get()


def resume(trace: Trace | None) -> None:
    """Set the IDs of a request again, for a part of its response that is created after its end."""
    _current.set(trace)


def end() -> None:
    """Clear the IDs of the current thread, which would otherwise appear in unrelated log lines."""
    _current.set(None)


def _random_id(bits: int) -> str:
    """Return a random ID, not suitable for cryptography; never all zeros."""
    return f"{getrandbits(bits) or 1:0{bits // 4}x}"
