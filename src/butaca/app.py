"""The composition root: wires settings, adapters, services and the web layer together."""

import logging

from apiflask import APIFlask
from prometheus_client import CollectorRegistry

from butaca import log as logs
from butaca import resources, telemetry
from butaca.adapters import metrics
from butaca.adapters.bulkhead import Bulkhead
from butaca.adapters.cache import (
    CachedCatalogue,
    MemoryCache,
    RedisCache,
    SharedHealth,
    SingleFlight,
    TieredCache,
)
from butaca.adapters.cached_accounts import CachedAccounts
from butaca.adapters.circuit_breaker import CircuitBreaker
from butaca.adapters.rate_limits import RateLimits
from butaca.adapters.redis import RedisLink
from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, schema
from butaca.adapters.tmdb import TmdbCatalogue
from butaca.core.accounts import Accounts
from butaca.core.library import Library
from butaca.core.movies import Movies
from butaca.core.ports import MovieCatalogue
from butaca.operator_error import OperatorError
from butaca.settings import Settings, read_settings
from butaca.web import Services, WebOptions, create_web

TOKEN_CACHE_SIZE, TOKEN_CACHE_SECONDS = 10_000, 900.0
"""The number of token owners cached per process, and the seconds for which they are cached."""

LOOKUP_COOLDOWN_SECONDS = 2.0
"""After a failed token lookup, cached owners are used for this time without another lookup."""

MEMORY_CACHE_ENTRIES = 192
"""The number of responses cached in memory per process; a page of movies takes about 32 kB."""

UPSTREAM_SLOW_SECONDS = 0.5
"""How long a call to TMDB may take before TMDB counts as slow, and how long a request waits for a
slot, in seconds."""

log = logging.getLogger("butaca")


def create_app(settings: Settings) -> APIFlask:
    """Create the app for these settings."""
    registry = CollectorRegistry()
    database = resources.database(settings, settings.database_concurrency)
    link = RedisLink(settings.redis_url.get_secret_value())
    health = SharedHealth(
        link,
        settings.tmdb_cooldown_seconds,
        probe_timeout=settings.tmdb_deadline,
        registry=registry,
    )
    upstream = Bulkhead(settings.upstream_concurrency, slow_after=UPSTREAM_SLOW_SECONDS)
    metrics.register(
        registry,
        dependencies={"database": database, "redis": link, "tmdb": health},
        pools={"database": database.bulkhead, "tmdb": upstream},
    )
    catalogue = CachedCatalogue(
        _tmdb_catalogue(settings, registry),
        _cache(settings, link, registry),
        health,
        upstream,
        SingleFlight(settings.tmdb_deadline, registry=registry),
    )
    services = _services(settings, database, link, catalogue, registry)
    is_traced = telemetry.is_enabled()
    # Each request must produce a span, so none may bypass Flask.
    options = _web_options(settings, express=not is_traced)
    app = create_web(services, options, registry)
    if is_traced:
        telemetry.start(app, database.engine)
    return app


def create_from_environment() -> APIFlask:
    """Create the app from the environment. Each server worker calls this."""
    settings = read_settings(Settings)
    logs.configure(settings.log_format, settings.log_level)
    return create_app(settings)


def prepare(settings: Settings) -> None:
    """Check the database and set up the demo users. Raises OperatorError, LibraryUnavailable."""
    telemetry.is_enabled()
    database = resources.database(settings, settings.database_concurrency)
    try:
        schema.check(database)
        _set_demo_users(Accounts(SqlAccounts(database)), settings.demo_users)
    finally:
        database.close()  # Forked processes must not share connections.


def _set_demo_users(accounts: Accounts, enabled: bool) -> None:
    if not enabled:
        if accounts.disable_demo_users():
            log.warning("demo_users.disabled")
    elif accounts.enable_demo_users():
        log.warning("demo_users.enabled")
    else:
        raise OperatorError("DEMO_USERS: their IDs, 1 and 2, or their names belong to other users")


def _tmdb_catalogue(settings: Settings, registry: CollectorRegistry) -> TmdbCatalogue:
    http = resources.tmdb(settings, settings.threads, registry)
    return TmdbCatalogue(http, settings.default_language)


def _services(
    settings: Settings,
    database: Database,
    link: RedisLink,
    catalogue: MovieCatalogue,
    registry: CollectorRegistry,
) -> Services:
    return Services(
        movies=Movies(catalogue, settings.default_language),
        library=Library(SqlLibrary(database), catalogue),
        accounts=Accounts(_cached_accounts(SqlAccounts(database), settings.database_concurrency)),
        rate_limiter=RateLimits(
            link,
            reads=settings.rate_limit_reads,
            writes=settings.rate_limit_writes,
            registry=registry,
        ),
        check_database=database.ping,
    )


def _web_options(settings: Settings, *, express: bool) -> WebOptions:
    return WebOptions(
        image_base_url=settings.tmdb_image_base_url,
        cors_origins=tuple(settings.cors_origins),
        cors_credentials=settings.cors_credentials,
        trusted_proxies=settings.trusted_proxies,
        demo_users=settings.demo_users,
        express=express,
    )


def _cached_accounts(accounts: SqlAccounts, threads: int) -> CachedAccounts:
    memory = MemoryCache(TOKEN_CACHE_SIZE, retention=TOKEN_CACHE_SECONDS)
    breaker = CircuitBreaker(LOOKUP_COOLDOWN_SECONDS, probe_timeout=LOOKUP_COOLDOWN_SECONDS)
    return CachedAccounts(accounts, memory, breaker, threads=threads)


def _cache(settings: Settings, link: RedisLink, registry: CollectorRegistry) -> TieredCache:
    retention = settings.cache_stale_seconds
    memory, cache = MemoryCache(MEMORY_CACHE_ENTRIES, retention), RedisCache(link, retention)
    return TieredCache(memory, cache, settings.cache_ttl_seconds, registry)
