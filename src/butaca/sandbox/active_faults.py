"""The active faults, and their application to calls."""

from dataclasses import dataclass
from random import Random
from threading import Event, Lock
from typing import Any

from butaca.sandbox.faults import Fault


@dataclass(frozen=True, slots=True)
class AppliedFault:
    """A fault that applies to a call, and the event that cancels its waiting."""

    fault: Fault
    cancelled: Event


@dataclass(slots=True)
class _Active:
    fault: Fault
    remaining: int | None

    def applies_to(self, path: str, rng: Random) -> bool:
        if self.remaining == 0 or not self.fault.matches(path):
            return False
        if rng.random() >= self.fault.probability:
            return False
        if self.remaining is not None:
            self.remaining -= 1
        return True


class ActiveFaults:
    """The active faults, in order; the first that matches a call applies to it."""

    def __init__(self) -> None:
        """Start without faults."""
        self._lock = Lock()
        self._active: list[_Active] = []
        self._cancelled = Event()
        # A fixed seed keeps tests with a probability deterministic.
        self._rng = Random(0)  # noqa: S311

    @property
    def cancelled(self) -> Event:
        """The event that a call waits on; it is set when waiting must end."""
        with self._lock:
            return self._cancelled

    @property
    def deleted_ids(self) -> frozenset[int]:
        """The IDs of all movies deleted by a fault."""
        with self._lock:
            return frozenset(movie_id for active in self._active for movie_id in active.fault.ids)

    def add(self, *faults: Fault) -> None:
        """Activate faults, after those that are active."""
        with self._lock:
            self._active += [_Active(fault, remaining=fault.times) for fault in faults]

    def replace(self, *faults: Fault) -> None:
        """Activate these faults only; calls that are waiting stop waiting."""
        with self._lock:
            self._active = [_Active(fault, remaining=fault.times) for fault in faults]
            self._cancelled.set()
            self._cancelled = Event()

    def release(self) -> None:
        """End all waiting, now and until `replace` or `rearm`; the faults stay active."""
        self.cancelled.set()

    def rearm(self) -> None:
        """Let calls wait again after `release`."""
        with self._lock:
            self._cancelled = Event()

    def match(self, path: str) -> AppliedFault | None:
        """Return the first fault that matches the path, and use up one of its `times`."""
        with self._lock:
            for active in self._active:
                if active.applies_to(path, self._rng):
                    return AppliedFault(active.fault, self._cancelled)
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return each fault and the number of calls that it has `left` (null: unlimited)."""
        with self._lock:
            return [{**active.fault.as_json(), "left": active.remaining} for active in self._active]
