"""The procedures of docs/operations.md work exactly as documented."""

import os
import re
import shlex
import subprocess
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, LiteralString, Self

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis
from sqlalchemy import make_url, select, text

from butaca.adapters.sql import Database, SqlAccounts, SqlLibrary, schema
from butaca.adapters.sql.database import LIMITS
from butaca.adapters.sql.tables import metadata
from butaca.core.clock import utc_now
from butaca.core.errors import LibraryUnavailable
from butaca.core.models import Role, Stars, User
from butaca.core.users import UserManager
from butaca.sandbox import Sandbox
from tests.builders import make_record, make_translation
from tests.deploy.butaca_facts import settings_from
from tests.deploy.test_guide import SECRET
from tests.faults.pods import Environment, Pod, new_path
from tests.postgresql_server import pgserver_instance, truncate_tables
from tests.valkey_server import valkey_server
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"^#{2,3} ([^\n]+)\n|```sh\n(.+?)```", GUIDE, re.MULTILINE | re.DOTALL)
OWN_SOURCE = Path(__file__).read_text()
Contents = dict[str, set[tuple[Any, ...]]]


def commands(heading: str) -> str:
    """Return the commands below a heading."""
    here, found = "", ""
    for title, block in BLOCKS:
        here = title or here
        found += block if here == heading else ""
    assert found
    return found


def test_every_command_block_is_tested_or_uses_kubectl() -> None:
    here, untested = "", []
    for title, block in BLOCKS:
        here = title or here
        if block and "kubectl" not in block and f'commands("{here}")' not in OWN_SOURCE:
            untested.append(here)
    assert untested == []


def shell(script: str, environment: Mapping[str, str], folder: Path = ROOT) -> str:
    """Run a script in a shell; return its output."""
    butaca = f'butaca() {{ "{sys.executable}" -m butaca "$@"; }}; set -eu\n'
    result = subprocess.run(
        ["sh", "-c", butaca + script],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@dataclass(frozen=True)
class DatabaseServer:
    """A PostgreSQL server with the two roles, and the environment for its command-line tools."""

    server: Any
    environment: Mapping[str, str]

    def url_of(self, database: str, role: str = "butaca", password: str | None = None) -> str:
        """Return the URL of a database for a role."""
        url = make_url(self.server.get_uri(driver="psycopg"))
        url = url.set(username=role, password=password, database=database)
        return url.render_as_string(hide_password=False)

    def execute(self, statement: LiteralString) -> None:
        """Execute a statement as a superuser."""
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def requiring_passwords(self) -> Iterator[None]:
        """Require a password of the serving roles; remove the passwords afterwards."""
        rules = Path(self.server.pgdata) / "pg_hba.conf"
        before = rules.read_text()
        self._apply(rules, f"local all butaca,butaca_b scram-sha-256\n{before}", is_trusted=False)
        try:
            yield
        finally:
            self.execute("ALTER ROLE butaca LOGIN PASSWORD NULL; DROP ROLE IF EXISTS butaca_b")
            self._apply(rules, before, is_trusted=True)

    def _apply(self, rules: Path, text: str, *, is_trusted: bool) -> None:
        rules.write_text(text)
        self.execute("SELECT pg_reload_conf()")
        wait_until(lambda: can_connect(self.url_of("butaca")) is is_trusted)


def can_connect(url: str) -> bool:
    """Return whether a database accepts this login."""
    with closing(Database(url)) as database:
        try:
            database.ping()
        except LibraryUnavailable:
            return False
    return True


@pytest.fixture(scope="module")
def database_server() -> Iterator[DatabaseServer]:
    with pgserver_instance() as server:
        tools = Path(psutil.Process(server.get_pid()).exe()).parent
        environment = {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": str(make_url(server.get_uri()).query["host"]),
            "PGUSER": "butaca_owner",
        }
        database_server = DatabaseServer(server, environment)
        database_server.execute("CREATE DATABASE butaca")
        shell("PGUSER=postgres psql butaca --file deploy/postgresql/roles.sql", environment)
        with closing(Database(database_server.url_of("butaca", "butaca_owner"))) as owner:
            schema.migrate(owner)
        yield database_server


@pytest.fixture
def serving_database(database_server: DatabaseServer) -> Iterator[Database]:
    """An empty database, accessed with the serving role."""
    with closing(Database(database_server.url_of("butaca", "butaca_owner"))) as owner:
        truncate_tables(owner)
    with closing(Database(database_server.url_of("butaca"))) as database:
        yield database


@pytest.fixture
def env(
    serving_database: Database, database_server: DatabaseServer, tmp_path: Path, empty_redis: str
) -> Iterator[Environment]:
    url = database_server.url_of("butaca")
    with Sandbox() as tmdb, Environment(tmp_path, tmdb, empty_redis, url) as env:
        yield env


# Consistency of the documentation


def test_scaling_table_matches_the_settings() -> None:
    rows = {
        name: [int(re.sub(r"\D", "", cell)) for cell in cells.split("|")]
        for name, cells in re.findall(r"^\| ([^|]+?) \| ([\d *|]+) \|$", GUIDE, re.MULTILINE)
    }
    settings = settings_from(SECRET)
    pages = int(re.findall(r"([\d ]+) distinct pages are in use", GUIDE)[0].replace(" ", ""))
    pods = rows["pods"]
    assert rows["PostgreSQL: connections"] == [settings.database_concurrency * n for n in pods]
    (upstream,) = (row for name, row in rows.items() if name.startswith("calls to TMDB/s"))
    assert upstream == [pages // settings.cache_ttl_seconds] * len(pods)
    assert rows["requests/s"] == [rows["requests/s"][0] * n for n in pods]


# Connection pooler


def test_role_sets_the_statement_timeouts_behind_a_pooler(database_server: DatabaseServer) -> None:
    shell(commands("PgBouncer"), database_server.environment)
    try:
        with (
            closing(
                Database(database_server.url_of("butaca"), pool_mode="transaction")
            ) as database,
            database.reading() as connection,
        ):
            for limit in ("statement_timeout", "lock_timeout"):
                assert connection.scalar(text(f"SHOW {limit}")) == f"{LIMITS.statement_timeout:g}s"
    finally:
        database_server.execute("ALTER ROLE butaca RESET ALL")


# Backup and restore


class Background(Thread, ABC):
    """A thread that repeats an action until the `with` block ends."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped = Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        while not self._stopped.is_set():
            self.act()

    @abstractmethod
    def act(self) -> None:
        """Perform the action once."""


class Writer(Background):
    """Adds favorites continuously, each with a new movie."""

    def __init__(self, library: SqlLibrary, user: User) -> None:
        super().__init__()
        self._library, self._user = library, user
        self.written = 0

    def act(self) -> None:
        self.written += 1
        add_favorite(self._library, self._user, 1000 + self.written)


def add_favorite(library: SqlLibrary, user: User, movie_id: int) -> None:
    library.save_movie(make_record(movie_id, make_translation()), at=utc_now())
    library.add_favorite(user.id, movie_id, at=utc_now())


def contents(database: Database) -> Contents:
    """Return every row of every table."""
    with database.reading() as connection:
        return {
            table.name: {tuple(row) for row in connection.execute(select(table))}
            for table in metadata.sorted_tables
        }


def add_ana(database: Database) -> tuple[User, str]:
    """Add a user with a favorite and a rating of the movie 550; return the user and a token."""
    users, library = UserManager(SqlAccounts(database)), SqlLibrary(database)
    ana = users.add("ana", Role.USER)
    add_favorite(library, ana, 550)
    library.rate(ana.id, 550, Stars(9), at=utc_now())
    return ana, users.issue(ana)[1]


def assert_data_is_served(pod: Pod, token: str) -> None:
    """Check that a pod serves the data of `add_ana` and accepts changes, but no demo users."""
    headers = {"Authorization": f"Bearer {token}"}
    assert pod.call("GET", "/me", headers=headers).json["name"] == "ana"
    assert pod.call("GET", "/me/favorites/550", headers=headers).json["movie"]["id"] == 550
    assert pod.call("GET", "/me/ratings/550", headers=headers).json["stars"] == 4.5
    new = pod.call("GET", "/movies/popular", headers=headers).json["results"][0]["id"]
    assert pod.call("POST", "/me/favorites", {"movie_id": new}, headers=headers).status == 201
    assert pod.get("/me").status == 401


def test_backup_taken_during_writes_is_restored_completely(
    database_server: DatabaseServer, serving_database: Database, env: Environment, tmp_path: Path
) -> None:
    ana, token = add_ana(serving_database)
    with Writer(SqlLibrary(serving_database), ana) as writer:
        wait_until(lambda: writer.written > 20)
        before, written = contents(serving_database), writer.written
        shell(commands("Back up"), database_server.environment, tmp_path)
        assert writer.written > written
    after, restored = contents(serving_database), database_server.url_of("restored")
    script = re.sub(r"postgresql\+psycopg:\S+", f"'{restored}'", commands("Restore"))
    shell(script.replace("deploy/", f"{ROOT}/deploy/"), database_server.environment, tmp_path)
    with closing(Database(restored)) as database:
        assert_copy_is_consistent(before, contents(database), after)
    assert_data_is_served(env.pod(DATABASE_URL=restored, DEMO_USERS="false"), token)
    # The ID sequence is restored, too: the ID of a new user is free.
    shell("butaca users add eva", {"DATABASE_URL": restored})


def test_sqlite_copy_taken_during_writes_is_complete(sqlite: Database, tmp_path: Path) -> None:
    ana, _ = add_ana(sqlite)
    with Writer(SqlLibrary(sqlite), ana) as writer:
        wait_until(lambda: writer.written > 20)
        before = contents(sqlite)
        shell(commands("On SQLite"), {}, tmp_path)
    with closing(Database(f"sqlite:///{tmp_path / 'copy.db'}")) as copy:
        assert schema.is_current(copy)
        assert_copy_is_consistent(before, contents(copy), contents(sqlite))


def assert_copy_is_consistent(before: Contents, copy: Contents, after: Contents) -> None:
    """Check that a copy has all rows from before, and no rows that do not exist afterwards."""
    assert all(before.values())
    assert [table for table in before if not before[table] <= copy[table]] == []
    assert [table for table in after if not copy[table] <= after[table]] == []


# Rotations


class Caller(Background):
    """Sends requests continuously, with the current token."""

    def __init__(self, pod: Pod, token: str) -> None:
        super().__init__()
        self.token, self.statuses = token, Counter[int]()
        self._pod = pod

    def act(self) -> None:
        self.statuses[status(self._pod, self.token)] += 1

    def wait_for_requests(self) -> None:
        """Wait for 20 more requests."""
        target = self.statuses.total() + 20
        wait_until(lambda: self.statuses.total() > target)


def status(pod: Pod, token: str) -> int:
    return pod.get("/me", Authorization=f"Bearer {token}").status


def test_token_rotation_causes_no_rejected_request(
    serving_database: Database, env: Environment
) -> None:
    ana, old = add_ana(serving_database)
    (token,) = UserManager(SqlAccounts(serving_database)).tokens(ana)
    issue, revoke = commands("A user's token").split("\n\n")
    environment, pod = {"DATABASE_URL": env.database_url}, env.pod()
    with Caller(pod, old) as caller:
        caller.wait_for_requests()
        new = shell(f'{issue}\necho "$NEW"', environment).splitlines()[-1]
        caller.wait_for_requests()  # Both tokens are valid.
        assert status(pod, new) == 200
        caller.token = new
        caller.wait_for_requests()
        shell(revoke.replace("revoke 1", f"revoke {token.id}"), environment)
        wait_until(lambda: status(pod, old) == 401, seconds=5)
        caller.wait_for_requests()
    assert set(caller.statuses) == {200}


DATABASE_UNAVAILABLE = "database.unavailable"
LONG_TIMES = {"CACHE_TTL_SECONDS": "30", "TMDB_COOLDOWN_SECONDS": "30"}


def test_pods_with_old_and_new_tmdb_keys_share_the_cache(env: Environment) -> None:
    with Sandbox(token="new-key") as new_tmdb:
        old = env.pod(**LONG_TIMES)
        new = env.pod(**LONG_TIMES, TMDB_TOKEN="new-key", TMDB_BASE_URL=new_tmdb.url)
        first, second = new_path(), new_path()
        assert [pod.get(first).status for pod in (old, new)] == [200, 200]
        assert [pod.get(second).status for pod in (new, old)] == [200, 200]
        assert (env.tmdb.calls.total, new_tmdb.calls.total) == (1, 1)


def test_rejected_tmdb_key_starts_a_cooldown_only_in_its_pod(env: Environment) -> None:
    good, bad = env.pod(**LONG_TIMES), env.pod(**LONG_TIMES, TMDB_TOKEN="bad-key")
    cached = new_path()
    assert good.get(cached).status == 200
    assert bad.get(new_path()).status == 502
    assert bad.get(new_path()).status == 503
    assert good.get(new_path()).status == 200
    assert [pod.get(cached).status for pod in (good, bad)] == [200, 200]
    assert [line["failure"] for line in bad.errors()] == ["CatalogueAccessDenied"]


@pytest.mark.parametrize(("key", "is_valid"), [("sandbox-token", True), ("bad-key", False)])
def test_tmdb_key_can_be_checked_beforehand(env: Environment, key: str, is_valid: bool) -> None:
    script = commands("TMDB's key").replace("https://api.themoviedb.org/3", env.tmdb.url)
    result = subprocess.run(
        ["sh", "-c", script], env={**os.environ, "NEW": key}, capture_output=True, check=False
    )
    assert (result.returncode == 0) is is_valid


def test_database_role_is_replaced_without_failed_requests(
    database_server: DatabaseServer, env: Environment
) -> None:
    create, disable = commands("The database's password").split("\n\n")
    with database_server.requiring_passwords():
        database_server.execute("ALTER ROLE butaca PASSWORD 'old'")
        old = env.pod(DATABASE_URL=database_server.url_of("butaca", "butaca", "old"))
        shell(create, database_server.environment)
        database_server.execute("ALTER ROLE butaca_b PASSWORD 'new'")
        new = env.pod(DATABASE_URL=database_server.url_of("butaca", "butaca_b", "new"))
        statuses = [
            pod.call("POST", "/me/favorites", {"movie_id": 550}).status for pod in (old, new)
        ]
        assert statuses == [201, 200]
        shell(disable, database_server.environment)
        old.stop()
        assert new.call("DELETE", "/me/favorites/550").status == 204
        assert not can_connect(database_server.url_of("butaca", "butaca", "old"))


def test_changed_database_password_takes_effect_on_reconnect(
    database_server: DatabaseServer, env: Environment
) -> None:
    with database_server.requiring_passwords():
        database_server.execute("ALTER ROLE butaca PASSWORD 'old'")
        pod = env.pod(DATABASE_URL=database_server.url_of("butaca", "butaca", "old"))
        assert pod.get("/me/favorites").status == 200
        database_server.execute("ALTER ROLE butaca PASSWORD 'new'")
        assert pod.get("/me/favorites").status == 200
        database_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'butaca'"
        )
        # The first request finds its connection closed, the next one cannot reconnect.
        wait_until(
            lambda: pod.get("/me/favorites").status == 503 and pod.errors_of(DATABASE_UNAVAILABLE)
        )
        assert pod.get("/movies/popular").status == 200


def test_redis_accepts_both_passwords_during_a_rotation(env: Environment) -> None:
    add, drop = commands("Redis' password").split("\n\n")
    valkey: Any = valkey_server()
    with valkey, redis.Redis(port=valkey.port) as redis_client:
        redis_client.config_set("requirepass", "OLD")
        redis_client.execute_command("AUTH", "OLD")
        urls = [f"redis://:{word}@127.0.0.1:{valkey.port}/0" for word in ("OLD", "NEW")]
        redis_client.execute_command(*shlex.split(add, comments=True)[1:])
        old, new = (env.pod(**LONG_TIMES, REDIS_URL=url) for url in urls)
        path = new_path()
        assert old.get(path).cache_status == "butaca; fwd=miss; stored"
        assert new.get(path).is_fresh_hit
        redis_client.execute_command(*shlex.split(drop, comments=True)[1:])
        assert new.get(new_path()).cache_status == "butaca; fwd=miss; stored"
        assert old.get(new_path()).status == 200
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(urls[0]).ping()
