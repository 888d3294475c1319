"""The cache: a catalogue in front of another, which it calls as rarely as possible."""

from butaca.adapters.cache.catalogue import CachedCatalogue
from butaca.adapters.cache.health import SharedHealth
from butaca.adapters.cache.memory import MemoryCache
from butaca.adapters.cache.redis import RedisCache
from butaca.adapters.cache.single_flight import SingleFlight
from butaca.adapters.cache.tiered import TieredCache

__all__ = [
    "CachedCatalogue",
    "MemoryCache",
    "RedisCache",
    "SharedHealth",
    "SingleFlight",
    "TieredCache",
]
