"""The TMDB client: an HTTP session with its limits, and the parsing of responses."""

from butaca.adapters.tmdb.catalogue import TmdbCatalogue
from butaca.adapters.tmdb.http import Limits, TmdbHttp

__all__ = ["Limits", "TmdbCatalogue", "TmdbHttp"]
