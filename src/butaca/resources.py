"""Factories of the database and the TMDB client, for the server and for commands."""

from typing import TYPE_CHECKING

from butaca.adapters.sql import Database
from butaca.settings import DatabaseSettings, RefreshSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from butaca.adapters.tmdb import TmdbHttp


def database(settings: DatabaseSettings, connections: int) -> Database:
    """Create the database, with at most `connections` connections."""
    url, mode = settings.database_url.get_secret_value(), settings.database_pool_mode
    return Database(url, connections, pool_mode=mode)


def tmdb(
    settings: RefreshSettings, connections: int, registry: "CollectorRegistry | None" = None
) -> "TmdbHttp":
    """Create a TMDB client with a pool of connections; a registry enables its metrics."""
    # Imported late: commands that need only the database start faster without an HTTP client.
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
