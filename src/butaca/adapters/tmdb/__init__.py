"""TMDB: an HTTP session with its limits, and its JSON as our models."""

from butaca.adapters.tmdb.catalogue import TmdbCatalogue
from butaca.adapters.tmdb.http import Limits, TmdbHttp

__all__ = ["Limits", "TmdbCatalogue", "TmdbHttp"]
