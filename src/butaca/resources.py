"""The database and the TMDB that settings describe, for those who serve and for commands."""

from typing import TYPE_CHECKING

from butaca.adapters.sql import Database
from butaca.settings import DatabaseSettings, RefreshSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from butaca.adapters.tmdb import TmdbHttp


def database(settings: DatabaseSettings, connections: int) -> Database:
    """Return the database, which opens so many connections at most."""
    url, mode = settings.database_url.get_secret_value(), settings.database_pool_mode
    return Database(url, connections, pool_mode=mode)


def tmdb(
    settings: RefreshSettings, connections: int, registry: "CollectorRegistry | None" = None
) -> "TmdbHttp":
    """Return TMDB, which keeps so many connections, and is counted where there is a registry."""
    # Not for the commands that need the database alone: an HTTP client takes its time to import.
    from butaca.adapters.tmdb import Limits, TmdbHttp

    limits = Limits(
        connect_timeout=settings.tmdb_connect_timeout,
        read_timeout=settings.tmdb_read_timeout,
        retries=settings.tmdb_retries,
        backoff=settings.tmdb_backoff,
        deadline=settings.tmdb_deadline,
        connections=connections,
    )
    token = settings.tmdb_token.get_secret_value()
    return TmdbHttp(settings.tmdb_base_url, token, limits, registry=registry)
