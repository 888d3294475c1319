"""What a cache keeps: a body, and how old it is."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept body, and the seconds since it was put."""

    body: bytes
    age: float


class Cache(Protocol):
    """Where bodies are kept for long, and for how long upstream rests. Nothing here raises."""

    def get(self, key: str) -> Entry | None:
        """Return what was put last under a key, fresh or stale."""

    def put(self, key: str, body: bytes) -> bool:
        """Keep a body; tell whether it is kept."""

    def rest(self, seconds: float) -> None:
        """Let upstream rest."""

    def resting(self) -> float:
        """Return for how many more seconds upstream rests; 0 when it does not."""
