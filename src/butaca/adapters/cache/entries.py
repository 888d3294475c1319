"""Cache entries, and the interfaces of the cache."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class CacheEntry(Generic[T_co]):
    """A cached value, and the number of seconds since upstream returned it."""

    value: T_co
    age: float


@dataclass(slots=True)
class Lease:
    """The right to make the call for a key, and the cache entry at the time it was acquired."""

    is_leader: bool
    """Whether the caller holds the lease and makes the call; others follow."""

    entry: CacheEntry[bytes] | None
    token: str | None = None
    """Needed to release the lease; None if it has been released, or there is nothing to release."""

    upstream_healthy: bool = False
    """Whether Redis held no record of an upstream failure when the lease was acquired."""


class Cache(Protocol):
    """Storage for response bodies, shared by all pods. Its methods do not raise."""

    def get(self, key: str) -> CacheEntry[bytes] | None:
        """Return the latest entry for a key, fresh or stale."""

    def put(self, key: str, body: bytes, lease: Lease | None = None) -> bool:
        """Store a body and release its lease; return whether it was stored."""

    def lease(self, key: str, seconds: float) -> AbstractContextManager[Lease]:
        """Acquire the lease of a key if it is free; it expires after `seconds`."""


class Health(Protocol):
    """Whether upstream may be called: a failure starts a cooldown, which one probe ends."""

    def cooldown_left(self, key: str) -> float:
        """Return the seconds until a call is allowed, as known to this process, without Redis."""

    def claim_call(self) -> float:
        """Return 0 if the caller may call now, or the number of seconds to wait."""

    def record_failure(self) -> None:
        """Start a cooldown."""

    def record_rejected_api_key(self) -> None:
        """Start a cooldown because upstream rejected our API key."""

    def record_success(self) -> None:
        """End the cooldown."""

    def record_invalid_response(self, key: str) -> None:
        """Start a cooldown for one call, and end that of all others."""


def redacted(key: str) -> str:
    """Return a key as it may be logged: search texts are private."""
    kind, _, rest = key.partition(":")
    return f"search:*:{rest.partition(':')[2]}" if kind == "search" else key
