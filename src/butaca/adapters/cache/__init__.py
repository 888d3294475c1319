"""The cache: a catalogue that asks another one no more often than it must."""

from butaca.adapters.cache.catalogue import CachedCatalogue
from butaca.adapters.cache.redis import RedisCache

__all__ = ["CachedCatalogue", "RedisCache"]
