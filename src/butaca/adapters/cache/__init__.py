"""The cache: a catalogue in front of another, which it calls as rarely as possible."""

from butaca.adapters.cache.catalogue import CachedCatalogue
from butaca.adapters.cache.flights import Flights
from butaca.adapters.cache.health import SharedHealth
from butaca.adapters.cache.layers import Layers
from butaca.adapters.cache.memory import Memory
from butaca.adapters.cache.redis import RedisCache

__all__ = ["CachedCatalogue", "Flights", "Layers", "Memory", "RedisCache", "SharedHealth"]
