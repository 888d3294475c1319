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
    """Whether the caller leads for a key, and what was cached under it at that time."""

    leads: bool
    found: CacheEntry[bytes] | None
    token: str | None = None
    """Needed to release the lease; None if it has been released, or there is nothing to release."""

    is_calm: bool = False
    """Whether Redis held no sign of trouble upstream when the lease was taken."""


class Cache(Protocol):
    """Storage for response bodies, shared by all pods. Its methods do not raise."""

    def get(self, key: str) -> CacheEntry[bytes] | None:
        """Return the latest entry for a key, fresh or stale."""

    def put(self, key: str, body: bytes, lease: Lease | None = None) -> bool:
        """Store a body and release its lease; return whether it was stored."""

    def lease(self, key: str, seconds: float) -> AbstractContextManager[Lease]:
        """Take the lead for a key, for some seconds at most, if nobody else has it."""


class Health(Protocol):
    """Whether upstream may be called: a failure starts a cooldown, which one probe ends."""

    def seconds_of_rest(self, key: str) -> float:
        """Return how long a call must wait, as far as this process knows, without asking Redis."""

    def claim(self, *, is_calm: bool = False) -> float:
        """Return 0 if the caller may call now, or the number of seconds to wait.

        With `is_calm`, from a lease just taken, only what this process knows is considered.
        """

    def failed(self) -> None:
        """Start a cooldown."""

    def refused(self) -> None:
        """Start a cooldown for whatever uses our API key, which may be invalid."""

    def answered(self) -> None:
        """End the cooldown."""

    def answered_nonsense(self, key: str) -> None:
        """Start a cooldown for one call, and end that of all others."""


def redacted(key: str) -> str:
    """Return a key as it may be logged: search texts are private."""
    kind, _, rest = key.partition(":")
    return f"search:*:{rest.partition(':')[2]}" if kind == "search" else key
