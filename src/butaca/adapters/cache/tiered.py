"""The two layers of the cache: the memory of this process, and the Redis of all pods."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter
from pydantic import TypeAdapter, ValidationError

from butaca.adapters.cache.entries import Cache, CacheEntry, Lease
from butaca.adapters.cache.memory import MemoryCache
from butaca.core.models import Fetched

T = TypeVar("T")


class Codec(Generic[T]):
    """The serialization of one kind of answer. A movie that does not exist is null."""

    def __init__(self, of: Any) -> None:
        self._adapter: TypeAdapter[T | None] = TypeAdapter(of | None)

    def write(self, value: T | None) -> bytes:
        """Serialize an answer to JSON."""
        return self._adapter.dump_json(value)

    def read(self, body: bytes) -> T | None:
        """Parse an answer from JSON. Raises ValidationError."""
        return self._adapter.validate_json(body)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A call to upstream: its cache key, the format of its answer, and how to make it."""

    key: str
    codec: Codec[T]
    fetch: Callable[[], Fetched[T]]


class TieredCache:
    """The cached answers, fresh for `ttl` seconds. Without Redis, only those of this process."""

    def __init__(
        self,
        memory: MemoryCache,
        cache: Cache,
        ttl: float,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._memory = memory
        self._cache = cache
        self.ttl = ttl
        lookups = Counter(
            "butaca_cache_lookups",
            "Cache lookups by layer and result: fresh, stale or miss.",
            ("layer", "result"),
            registry=registry,
        )
        self._lookups = {
            (layer, result): lookups.labels(layer, result)
            for layer in ("memory", "redis")
            for result in ("fresh", "stale", "miss")
        }

    def find(self, call: Call[T]) -> CacheEntry[T | None] | None:
        """Return the newest cached answer, fresh or stale."""
        remembered = self._remembered(call)
        self._count("memory", remembered)
        if remembered and self.is_fresh(remembered):
            return remembered
        shared = _read(call, self._cache.get(call.key))
        self._count("redis", shared)
        return self._newer(call, remembered, shared)

    def keep(self, call: Call[T], value: T | None, lease: Lease | None = None) -> bool:
        """Store an answer and release its lease; return whether all pods have it."""
        self._memory.put(call.key, value)
        return self._cache.put(call.key, call.codec.write(value), lease)

    @contextmanager
    def lease(
        self, call: Call[T], seconds: float
    ) -> Iterator[tuple[Lease, CacheEntry[T | None] | None]]:
        """Take the lead for a call over all pods, if it is free; return what is cached by then."""
        with self._cache.lease(call.key, seconds) as lease:
            remembered, shared = self._remembered(call), _read(call, lease.found)
            found = self._newer(call, remembered, shared)
            yield lease, found

    def is_fresh(self, kept: CacheEntry[object]) -> bool:
        """Return whether an answer can be served without a call."""
        return kept.age < self.ttl

    def _count(self, layer: str, kept: CacheEntry[object] | None) -> None:
        result = "miss" if kept is None else "fresh" if self.is_fresh(kept) else "stale"
        self._lookups[layer, result].inc()

    def _remembered(self, call: Call[T]) -> CacheEntry[T | None] | None:
        return cast("CacheEntry[T | None] | None", self._memory.get(call.key))

    def _newer(
        self,
        call: Call[T],
        remembered: CacheEntry[T | None] | None,
        shared: CacheEntry[T | None] | None,
    ) -> CacheEntry[T | None] | None:
        # Redis may have been unavailable when the newer one was stored.
        if shared is None or (remembered and remembered.age < shared.age):
            return remembered
        self._memory.put(call.key, shared.value, shared.age)
        return shared


def _read(call: Call[T], entry: CacheEntry[bytes] | None) -> CacheEntry[T | None] | None:
    if entry is None:
        return None
    try:
        return CacheEntry(call.codec.read(entry.value), entry.age)
    except ValidationError:  # Written by another release, or corrupt.
        return None
