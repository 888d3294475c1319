"""Counts calls, so that tests can assert how often TMDB was called."""

from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any


class Calls(Mapping[str, int]):
    """The number of calls per path, including failed ones; 0 for other paths.

    `calls["/3/movie/popular"]` counts by path, `calls.targets` by path and query.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = Lock()
        self._targets: Counter[str] = Counter()

    def count(self, target: str) -> None:
        """Count a call of a path with its query."""
        with self._lock:
            self._targets[target] += 1

    def reset(self) -> None:
        """Reset all counts."""
        with self._lock:
            self._targets.clear()

    @property
    def targets(self) -> dict[str, int]:
        """A copy of the counts by path and query, as sent."""
        with self._lock:
            return dict(self._targets)

    @property
    def total(self) -> int:
        """The total number of calls."""
        return sum(self.targets.values())

    def as_json(self) -> dict[str, Any]:
        """Return the total, and the counts by path and by target."""
        return {"total": self.total, "paths": dict(self), "targets": self.targets}

    def _paths(self) -> Counter[str]:
        paths: Counter[str] = Counter()
        for target, number in self.targets.items():
            paths[target.partition("?")[0]] += number
        return paths

    def __getitem__(self, path: str) -> int:
        """Return the number of calls of a path."""
        return self._paths()[path]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the called paths."""
        return iter(self._paths())

    def __len__(self) -> int:
        """Return the number of distinct paths called."""
        return len(self._paths())

    def __repr__(self) -> str:
        """Show the counts in the messages of failed assertions."""
        return f"Calls({dict(self)})"
