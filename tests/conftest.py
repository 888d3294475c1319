"""Fixtures of all tests: fakes by default, and real servers on loopback where they matter."""

import logging
import os
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest
import redis

from butaca import trace
from butaca.adapters.sql import Database
from butaca.adapters.sql.schema import migrate
from butaca.core.accounts import Accounts
from butaca.core.errors import LibraryUnavailable
from butaca.core.library import Library
from butaca.core.movies import Movies
from butaca.web import Services, WebOptions, create_web
from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.contract_client import ContractClient
from tests.fakes import FakeAccounts, FakeCatalogue, FakeClock, FakeLibrary, FakeRateLimiter
from tests.postgresql_server import pgserver_instance, truncate_tables
from tests.suite_lock import Exclusive, SuiteLock
from tests.valkey_server import valkey_server

# The time of an example depends on the machine rather than on the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


SUITE_LOCK = pytest.StashKey[SuiteLock]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Set up the locks that coordinate the processes of this run."""
    config = session.config
    suite_lock = config.stash[SUITE_LOCK] = SuiteLock(config.cache.mkdir("suite_lock"))
    config.add_cleanup(suite_lock.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Delay each test while a test in another process has the machine to itself."""
    with item.config.stash[SUITE_LOCK].shared():
        return (yield)


@pytest.fixture
def exclusive(request: pytest.FixtureRequest) -> Exclusive:
    """Return a context manager that holds back all other tests, for crowds that need every CPU."""
    return request.config.stash[SUITE_LOCK].exclusive


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis server for this run, or TEST_REDIS_URL."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with valkey_server() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    """The URL of an empty Redis."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    return redis_url


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a migrated PostgreSQL server for this run, or TEST_DATABASE_URL."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield _migrated(url)
        return
    with pgserver_instance() as server:
        yield _migrated(server.get_uri(driver="psycopg"))


def _migrated(url: str) -> str:
    database = Database(url)
    migrate(database)
    database.close()
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file for tests to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database."""
    shutil.copy(migrated_sqlite, tmp_path / "butaca.db")
    database = Database(f"sqlite:///{tmp_path / 'butaca.db'}")
    yield database
    database.close()


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[Database]:
    """An empty PostgreSQL database."""
    database = Database(postgresql_url)
    truncate_tables(database)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database, once for each supported engine."""
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Remove the log handlers and the trace context that a test leaves behind."""
    trace.end()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@dataclass
class FakeBackend:
    """All fakes behind an app, for a test to set up and to inspect."""

    catalogue: FakeCatalogue = field(default_factory=FakeCatalogue)
    store: FakeLibrary = field(default_factory=FakeLibrary)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    limiter: FakeRateLimiter = field(default_factory=FakeRateLimiter)
    clock: FakeClock = field(default_factory=FakeClock)
    database_is_down: bool = False

    def services(self) -> Services:
        accounts = Accounts(self.accounts, self.clock.now)
        accounts.enable_demo_users()
        return Services(
            movies=Movies(self.catalogue),
            library=Library(self.store, self.catalogue, self.clock.now),
            accounts=accounts,
            rate_limiter=self.limiter,
            check_database=self._check_database,
        )

    def client(self, options: WebOptions | None = None, token: str | None = None) -> ContractClient:
        app = create_web(self.services(), options or WebOptions())
        client = ContractClient(app, app.response_class)
        if token:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return client

    def _check_database(self) -> None:
        if self.database_is_down:
            raise LibraryUnavailable


@pytest.fixture
def backend() -> FakeBackend:
    """Fakes that contain only the two demo users."""
    return FakeBackend()


@pytest.fixture
def anonymous(backend: FakeBackend) -> ContractClient:
    """A client without a token."""
    return backend.client()


@pytest.fixture
def consumer(backend: FakeBackend) -> ContractClient:
    """A client with the token of the USER, ID 2."""
    return backend.client(token=CONSUMER_TOKEN)


@pytest.fixture
def admin(backend: FakeBackend) -> ContractClient:
    """A client with the token of the ADMIN, ID 1."""
    return backend.client(token=ADMIN_TOKEN)
