"""What a cache keeps: an answer, and how old it is."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Kept(Generic[T_co]):
    """Something that is kept, and the seconds since upstream said so."""

    value: T_co
    age: float


@dataclass(slots=True)
class Lease:
    """Whether one leads for a key, and what was kept under it when that was asked."""

    leads: bool
    found: Kept[bytes] | None
    token: str | None = None
    """By which it is given back; nothing, where that was done or there is nothing to give back."""

    is_calm: bool = False
    """Whether there was no verdict on upstream in Redis when the lease was taken."""


class Cache(Protocol):
    """Where bodies are kept for all pods. Nothing here raises."""

    def get(self, key: str) -> Kept[bytes] | None:
        """Return what was put last under a key, fresh or stale."""

    def put(self, key: str, body: bytes, lease: Lease | None = None) -> bool:
        """Keep a body, and give back the lease that it is of; tell whether it is kept."""

    def lease(self, key: str, seconds: float) -> AbstractContextManager[Lease]:
        """Lead for a key, for some seconds at most, if nobody else does."""


class Health(Protocol):
    """Whether upstream may be called: after a failure it rests, and then one caller tries first."""

    def seconds_of_rest(self, key: str) -> float:
        """Return for how long a call does not go out, as far as this process knows; ask nobody."""

    def claim(self, *, is_calm: bool = False) -> float:
        """Return 0 to whoever may go now, or the seconds to wait.

        With `is_calm`, that of a lease just taken, what this process knows is all that counts.
        """

    def failed(self) -> None:
        """Let upstream rest."""

    def refused(self) -> None:
        """Let upstream rest as far as our key reaches, which may be a bad one."""

    def answered(self) -> None:
        """Let everybody go again."""

    def answered_nonsense(self, key: str) -> None:
        """Let one call rest, and everybody else go."""


def told(key: str) -> str:
    """Return a key as the log may have it: what people search for is nobody's business."""
    kind, _, rest = key.partition(":")
    return f"search:*:{rest.partition(':')[2]}" if kind == "search" else key
