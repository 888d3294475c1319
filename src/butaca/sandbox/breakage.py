"""The active faults, and their application to calls."""

from dataclasses import dataclass
from random import Random
from threading import Event, Lock
from typing import Any

from butaca.sandbox.faults import Fault


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that applies to a call, and the event that ends its waiting."""

    fault: Fault
    over: Event


@dataclass(slots=True)
class _Active:
    fault: Fault
    left: int | None

    def strikes(self, path: str, dice: Random) -> bool:
        if self.left == 0 or not self.fault.concerns(path):
            return False
        if dice.random() >= self.fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Breakage:
    """The active faults, in order: the first that matches a call applies to it."""

    def __init__(self) -> None:
        """Start without faults."""
        self._lock = Lock()
        self._active: list[_Active] = []
        self._over = Event()
        # A fixed seed keeps tests with a probability deterministic.
        self._dice = Random(0)  # noqa: S311

    @property
    def over(self) -> Event:
        """The event that a call waits on; it is set once there is no reason left to wait."""
        with self._lock:
            return self._over

    @property
    def deleted(self) -> frozenset[int]:
        """The IDs of all deleted movies."""
        with self._lock:
            return frozenset(one for active in self._active for one in active.fault.ids)

    def add(self, *faults: Fault) -> None:
        """Activate faults, after those that are active."""
        with self._lock:
            self._active += [_Active(fault, left=fault.times) for fault in faults]

    def replace(self, *faults: Fault) -> None:
        """Activate these faults only; calls that are waiting stop waiting."""
        with self._lock:
            self._active = [_Active(fault, left=fault.times) for fault in faults]
            self._over.set()
            self._over = Event()

    def release(self) -> None:
        """End all waiting, now and until `replace` or `rearm`; the faults stay active."""
        self.over.set()

    def rearm(self) -> None:
        """Let calls wait again after `release`."""
        with self._lock:
            self._over = Event()

    def strike(self, path: str) -> Strike | None:
        """Return the fault that applies to a call of this path, and count it, or return None."""
        with self._lock:
            for active in self._active:
                if active.strikes(path, self._dice):
                    return Strike(active.fault, self._over)
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return each fault with the number of calls that it has `left` (null: unlimited)."""
        with self._lock:
            return [{**active.fault.as_json(), "left": active.left} for active in self._active]
