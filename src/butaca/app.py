"""The hall: settings, adapters, services and the web are introduced to one another here, once."""

import logging
import sys

from apiflask import APIFlask

from butaca import log as logs
from butaca.adapters.cache import (
    Bulkhead,
    CachedCatalogue,
    Layers,
    Memory,
    RedisCache,
    SharedHealth,
)
from butaca.adapters.rate_limits import RateLimits
from butaca.adapters.redis import RedisLink
from butaca.adapters.remembered_accounts import RememberedAccounts
from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary
from butaca.adapters.sql.schema import is_current
from butaca.adapters.tmdb import Limits, TmdbCatalogue, TmdbHttp
from butaca.complaint import Complaint
from butaca.core.accounts import Accounts
from butaca.core.library import Library
from butaca.core.movies import Movies
from butaca.core.ports import MovieCatalogue
from butaca.settings import Settings, read_settings
from butaca.web import Services, WebOptions, create_web

BEARERS, BEARERS_KEPT_FOR = 10_000, 900.0
"""How many people each process recognizes while the database is away, and for how many seconds."""

REMEMBERED = 512
"""How many answers each process remembers; a page of movies takes about 60 kB."""

PATIENCE = 0.5
"""Seconds. TMDB answers well within; whoever is away for longer is not worth queueing behind."""

log = logging.getLogger("butaca")

SWITCH_INTERVAL = 0.0002
"""Seconds. With the default of 0.005 a saturated worker starves some connections for a second."""


def create_app(settings: Settings) -> APIFlask:
    """Return the app that these settings describe."""
    database = _database(settings)
    redis_url = settings.redis_url.get_secret_value()
    link = RedisLink(redis_url)
    catalogue = _cached(TmdbCatalogue(_tmdb(settings), settings.default_language), link, settings)
    services = Services(
        movies=Movies(catalogue, settings.default_language),
        library=Library(SqlLibrary(database), catalogue),
        accounts=Accounts(
            RememberedAccounts(SqlAccounts(database), Memory(BEARERS, kept_for=BEARERS_KEPT_FOR))
        ),
        rate_limiter=RateLimits(
            link, redis_url, reads=settings.rate_limit_reads, writes=settings.rate_limit_writes
        ),
        check_database=database.ping,
    )
    options = WebOptions(
        image_base_url=settings.tmdb_image_base_url,
        cors_origins=tuple(settings.cors_origins),
        trusted_proxies=settings.trusted_proxies,
    )
    return create_web(services, options)


def create_from_environment() -> APIFlask:
    """Return the app that the environment describes: what each worker of the server calls."""
    settings = read_settings(Settings)
    logs.configure(settings.log_format, settings.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL)
    return create_app(settings)


def prepare(settings: Settings) -> None:
    """Make sure that the database is fit to serve. Raises Complaint, LibraryUnavailable."""
    database = _database(settings)
    try:
        if not is_current(database):
            raise Complaint("The schema of the database is not current; mend it: butaca migrate")
        _admit_demo_users(Accounts(SqlAccounts(database)), settings.demo_users)
    finally:
        database.close()  # A server that forks must not hand connections on.


def _admit_demo_users(accounts: Accounts, are_welcome: bool) -> None:
    if not are_welcome:
        if accounts.shut_out_demo_users():
            log.warning("demo_users.are_shut_out")
    elif accounts.let_in_demo_users():
        log.warning("demo_users.are_let_in")
    else:
        raise Complaint("DEMO_USERS: their IDs, 1 and 2, or their names are somebody else's")


def _database(settings: Settings) -> Database:
    return Database(settings.database_url.get_secret_value(), connections=settings.threads)


def _cached(catalogue: MovieCatalogue, link: RedisLink, settings: Settings) -> CachedCatalogue:
    kept_for, deadline = settings.cache_stale_seconds, settings.tmdb_deadline
    memory, cache = Memory(REMEMBERED, kept_for), RedisCache(link, kept_for)
    return CachedCatalogue(
        catalogue,
        Layers(memory, cache, settings.cache_ttl_seconds),
        SharedHealth(link, cooldown=settings.tmdb_cooldown_seconds, probe=deadline),
        Bulkhead(settings.upstream_places, patience=PATIENCE),
        deadline,
    )


def _tmdb(settings: Settings) -> TmdbHttp:
    limits = Limits(
        connect_timeout=settings.tmdb_connect_timeout,
        read_timeout=settings.tmdb_read_timeout,
        retries=settings.tmdb_retries,
        backoff=settings.tmdb_backoff,
        deadline=settings.tmdb_deadline,
        connections=settings.threads,
    )
    return TmdbHttp(settings.tmdb_base_url, settings.tmdb_token.get_secret_value(), limits)
