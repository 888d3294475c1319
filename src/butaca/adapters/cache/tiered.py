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
    """Serializes one type of response to JSON. A movie that does not exist is null."""

    def __init__(self, type_: Any) -> None:
        self._adapter: TypeAdapter[T | None] = TypeAdapter(type_ | None)

    def encode(self, value: T | None) -> bytes:
        """Serialize a response to JSON."""
        return self._adapter.dump_json(value)

    def decode(self, body: bytes) -> T | None:
        """Parse a response from JSON. Raises ValidationError."""
        return self._adapter.validate_json(body)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A call to upstream: its cache key, the codec of its response, and how to make it."""

    key: str
    codec: Codec[T]
    fetch: Callable[[], Fetched[T]]


class TieredCache:
    """Cached responses, fresh for `ttl` seconds. Without Redis, only those of this process."""

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

    def get(self, call: Call[T]) -> CacheEntry[T | None] | None:
        """Return the newest entry, fresh or stale."""
        local = self._get_local(call)
        self._count("memory", local)
        if local and self.is_fresh(local):
            return local
        shared = _decode(call, self._cache.get(call.key))
        self._count("redis", shared)
        return self._newest(call, local, shared)

    def put(self, call: Call[T], value: T | None, lease: Lease | None = None) -> bool:
        """Store a response and release its lease; return whether it is shared with all pods."""
        self._memory.put(call.key, value)
        return self._cache.put(call.key, call.codec.encode(value), lease)

    @contextmanager
    def lease(
        self, call: Call[T], seconds: float
    ) -> Iterator[tuple[Lease, CacheEntry[T | None] | None]]:
        """Acquire the lease of a call across all pods, if it is free; yield it and the entry."""
        with self._cache.lease(call.key, seconds) as lease:
            local, shared = self._get_local(call), _decode(call, lease.entry)
            newest = self._newest(call, local, shared)
            yield lease, newest

    def is_fresh(self, entry: CacheEntry[object]) -> bool:
        """Return whether an entry can be served without a call."""
        return entry.age < self.ttl

    def _count(self, layer: str, entry: CacheEntry[object] | None) -> None:
        result = "miss" if entry is None else "fresh" if self.is_fresh(entry) else "stale"
        self._lookups[layer, result].inc()

    def _get_local(self, call: Call[T]) -> CacheEntry[T | None] | None:
        return cast("CacheEntry[T | None] | None", self._memory.get(call.key))

    def _newest(
        self,
        call: Call[T],
        local: CacheEntry[T | None] | None,
        shared: CacheEntry[T | None] | None,
    ) -> CacheEntry[T | None] | None:
        # Redis may have been unavailable when the newer one was stored.
        if shared is None or (local and local.age < shared.age):
            return local
        self._memory.put(call.key, shared.value, shared.age)
        return shared


def _decode(call: Call[T], entry: CacheEntry[bytes] | None) -> CacheEntry[T | None] | None:
    if entry is None:
        return None
    try:
        return CacheEntry(call.codec.decode(entry.value), entry.age)
    except ValidationError:  # Written by another release, or corrupt.
        return None
