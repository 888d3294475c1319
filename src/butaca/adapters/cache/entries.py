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


class Cache(Protocol):
    """Where bodies are kept for all pods. Nothing here raises."""

    def get(self, key: str) -> Kept[bytes] | None:
        """Return what was put last under a key, fresh or stale."""

    def put(self, key: str, body: bytes) -> bool:
        """Keep a body; tell whether it is kept."""

    def lease(self, key: str, seconds: float) -> AbstractContextManager[bool]:
        """Lead for a key, for some seconds at most; give whether nobody else does."""


class Health(Protocol):
    """Whether upstream may be called: after a failure it rests, and then one caller tries first."""

    def seconds_of_rest(self) -> float:
        """Return for how long nothing goes out, as far as this process knows; ask nobody."""

    def claim(self) -> float:
        """Return 0 to whoever may go now, or the seconds to wait."""

    def failed(self) -> None:
        """Let upstream rest."""

    def answered(self) -> None:
        """Let everybody go again."""
