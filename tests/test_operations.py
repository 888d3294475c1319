"""The procedures of docs/operations.md work, word for word."""

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
from butaca.core.people import People
from butaca.sandbox import Sandbox
from tests.builders import make_record, make_translation
from tests.deploy.test_guide import SECRET
from tests.deploy.truth import read
from tests.faults.pods import Environment, Pod, new_path, wait_until
from tests.own_postgresql import empty, running_postgresql
from tests.own_valkey import own_valkey

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"^#{2,3} ([^\n]+)\n|```sh\n(.+?)```", GUIDE, re.MULTILINE | re.DOTALL)
TRIED = Path(__file__).read_text()
Contents = dict[str, set[tuple[Any, ...]]]


def commands(heading: str) -> str:
    """Return what is to be typed below a heading."""
    here, found = "", ""
    for title, block in BLOCKS:
        here = title or here
        found += block if here == heading else ""
    assert found
    return found


def test_every_block_is_tried_or_says_that_it_needs_a_cluster() -> None:
    here, untried = "", []
    for title, block in BLOCKS:
        here = title or here
        if block and "kubectl" not in block and f'commands("{here}")' not in TRIED:
            untried.append(here)
    assert untried == []


def shell(pasted: str, environment: Mapping[str, str], folder: Path = ROOT) -> str:
    """Do in a shell what was pasted; return what it printed."""
    butaca = f'butaca() {{ "{sys.executable}" -m butaca "$@"; }}; set -eu\n'
    done = subprocess.run(
        ["sh", "-c", butaca + pasted],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL with the two roles, and the environment in which its tools reach it."""

    server: Any
    environment: Mapping[str, str]

    def url_of(self, database: str, role: str = "butaca", password: str | None = None) -> str:
        """Return the URL of a database for a role."""
        url = make_url(self.server.get_uri(driver="psycopg"))
        url = url.set(username=role, password=password, database=database)
        return url.render_as_string(hide_password=False)

    def do(self, statement: LiteralString) -> None:
        """Do something as a superuser."""
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def asking_for_passwords(self) -> Iterator[None]:
        """Let those who serve in by their passwords alone; forget these afterwards."""
        rules = Path(self.server.pgdata) / "pg_hba.conf"
        before = rules.read_text()
        self._obey(rules, f"local all butaca,butaca_b scram-sha-256\n{before}", lets_in=False)
        try:
            yield
        finally:
            self.do("ALTER ROLE butaca LOGIN PASSWORD NULL; DROP ROLE IF EXISTS butaca_b")
            self._obey(rules, before, lets_in=True)

    def _obey(self, rules: Path, text: str, *, lets_in: bool) -> None:
        rules.write_text(text)
        self.do("SELECT pg_reload_conf()")
        wait_until(lambda: answers(self.url_of("butaca")) is lets_in)


def answers(url: str) -> bool:
    """Tell whether a database lets somebody in."""
    with closing(Database(url)) as database:
        try:
            database.ping()
        except LibraryUnavailable:
            return False
    return True


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_postgresql() as server:
        tools = Path(psutil.Process(server.get_pid()).exe()).parent
        environment = {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": str(make_url(server.get_uri()).query["host"]),
            "PGUSER": "butaca_owner",
        }
        made = Cluster(server, environment)
        made.do("CREATE DATABASE butaca")
        shell("PGUSER=postgres psql butaca --file deploy/postgresql/roles.sql", environment)
        with closing(Database(made.url_of("butaca", "butaca_owner"))) as owner:
            schema.migrate(owner)
        yield made


@pytest.fixture
def library(cluster: Cluster) -> Iterator[Database]:
    """An empty database, as the role that serves sees it."""
    with closing(Database(cluster.url_of("butaca", "butaca_owner"))) as owner:
        empty(owner)
    with closing(Database(cluster.url_of("butaca"))) as database:
        yield database


@pytest.fixture
def env(
    library: Database, cluster: Cluster, tmp_path: Path, empty_redis: str
) -> Iterator[Environment]:
    url = cluster.url_of("butaca")
    with Sandbox() as tmdb, Environment(tmp_path, tmdb, empty_redis, url) as env:
        yield env


# What is said


def test_every_link_leads_to_a_file_and_to_a_heading_of_it() -> None:
    for name in ("docs/operations.md", "docs/observing.md", "deploy/README.md"):
        file = ROOT / name
        links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", file.read_text())
        assert links
        for path, anchor in links:
            there = file.parent / path if path else file
            assert there.exists(), path
            assert not anchor or anchor in anchors(there), anchor


def anchors(file: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a file."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_table_of_growth_counts_as_the_settings_do() -> None:
    rows = {
        name: [int(re.sub(r"\D", "", cell)) for cell in cells.split("|")]
        for name, cells in re.findall(r"^\| ([^|]+?) \| ([\d *|]+) \|$", GUIDE, re.MULTILINE)
    }
    settings = read(SECRET)
    pages = int(re.findall(r"([\d ]+) distinct pages are in use", GUIDE)[0].replace(" ", ""))
    pods = rows["pods"]
    assert rows["PostgreSQL: connections"] == [settings.database_places * n for n in pods]
    (upstream,) = (row for name, row in rows.items() if name.startswith("calls to TMDB/s"))
    assert upstream == [pages // settings.cache_ttl_seconds] * len(pods)
    assert rows["requests/s"] == [rows["requests/s"][0] * n for n in pods]


# What stands in between


def test_behind_a_pooler_the_limits_of_a_statement_are_the_roles(cluster: Cluster) -> None:
    shell(commands("PgBouncer"), cluster.environment)
    try:
        with (
            closing(Database(cluster.url_of("butaca"), pool_mode="transaction")) as database,
            database.reading() as connection,
        ):
            for limit in ("statement_timeout", "lock_timeout"):
                assert connection.scalar(text(f"SHOW {limit}")) == f"{LIMITS.statement:g}s"
    finally:
        cluster.do("ALTER ROLE butaca RESET ALL")


# Backup and restore


class Busy(Thread, ABC):
    """Somebody who does the same again and again, until the block ends."""

    def __init__(self) -> None:
        super().__init__()
        self._enough = Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self.join()

    def run(self) -> None:
        while not self._enough.is_set():
            self.act()

    @abstractmethod
    def act(self) -> None:
        """Do it once."""


class Writer(Busy):
    """Somebody who goes on keeping movies that nobody has kept before."""

    def __init__(self, library: SqlLibrary, user: User) -> None:
        super().__init__()
        self._library, self._user = library, user
        self.written = 0

    def act(self) -> None:
        self.written += 1
        keep(self._library, self._user, 1000 + self.written)


def keep(library: SqlLibrary, user: User, movie_id: int) -> None:
    library.save_movie(make_record(movie_id, make_translation()), at=utc_now())
    library.add_favorite(user.id, movie_id, at=utc_now())


def contents(database: Database) -> Contents:
    """Return every row of every table."""
    with database.reading() as connection:
        return {
            table.name: {tuple(row) for row in connection.execute(select(table))}
            for table in metadata.sorted_tables
        }


def with_ana(database: Database) -> tuple[User, str]:
    """Let somebody in who keeps and rates the movie 550."""
    people, library = People(SqlAccounts(database)), SqlLibrary(database)
    ana = people.add("ana", Role.USER)
    keep(library, ana, 550)
    library.rate(ana.id, 550, Stars(9), at=utc_now())
    return ana, people.issue(ana)[1]


def assert_it_serves(pod: Pod, token: str) -> None:
    """See that somebody finds what they kept and rated, and that they may go on doing so."""
    me = {"Authorization": f"Bearer {token}"}
    assert pod.call("GET", "/me", headers=me).json["name"] == "ana"
    assert pod.call("GET", "/me/favorites/550", headers=me).json["movie"]["id"] == 550
    assert pod.call("GET", "/me/ratings/550", headers=me).json["stars"] == 4.5
    new = pod.call("GET", "/movies/popular", headers=me).json["results"][0]["id"]
    assert pod.call("POST", "/me/favorites", {"movie_id": new}, headers=me).status == 201
    assert pod.get("/me").status == 401


def test_a_backup_made_while_somebody_writes_is_restored_whole(
    cluster: Cluster, library: Database, env: Environment, tmp_path: Path
) -> None:
    ana, token = with_ana(library)
    with Writer(SqlLibrary(library), ana) as writer:
        wait_until(lambda: writer.written > 20)
        before, written = contents(library), writer.written
        shell(commands("Back up"), cluster.environment, tmp_path)
        assert writer.written > written
    after, there = contents(library), cluster.url_of("restored")
    pasted = re.sub(r"postgresql\+psycopg:\S+", f"'{there}'", commands("Restore"))
    shell(pasted.replace("deploy/", f"{ROOT}/deploy/"), cluster.environment, tmp_path)
    with closing(Database(there)) as database:
        assert_is_between(before, contents(database), after)
    assert_it_serves(env.pod(DATABASE_URL=there, DEMO_USERS="false"), token)
    # Whoever is added next gets an ID that nobody has.
    shell("butaca users add eva", {"DATABASE_URL": there})


def test_a_copy_of_sqlite_made_while_somebody_writes_is_whole(
    sqlite: Database, tmp_path: Path
) -> None:
    ana, _ = with_ana(sqlite)
    with Writer(SqlLibrary(sqlite), ana) as writer:
        wait_until(lambda: writer.written > 20)
        before = contents(sqlite)
        shell(commands("On SQLite"), {}, tmp_path)
    with closing(Database(f"sqlite:///{tmp_path / 'copy.db'}")) as copy:
        assert schema.is_current(copy)
        assert_is_between(before, contents(copy), contents(sqlite))


def assert_is_between(before: Contents, copy: Contents, after: Contents) -> None:
    """See that a copy has all rows that were there before, and none that never were."""
    assert all(before.values())
    assert [table for table in before if not before[table] <= copy[table]] == []
    assert [table for table in after if not copy[table] <= after[table]] == []


# Rotations


class Caller(Busy):
    """Somebody who calls all the time, with the token that they have just then."""

    def __init__(self, pod: Pod, token: str) -> None:
        super().__init__()
        self.token, self.got = token, Counter[int]()
        self._pod = pod

    def act(self) -> None:
        self.got[status(self._pod, self.token)] += 1

    def goes_on(self) -> None:
        """Wait until they have called some more."""
        enough = self.got.total() + 20
        wait_until(lambda: self.got.total() > enough)


def status(pod: Pod, token: str) -> int:
    return pod.get("/me", Authorization=f"Bearer {token}").status


def test_a_user_changes_their_token_without_a_refusal(library: Database, env: Environment) -> None:
    ana, old = with_ana(library)
    (token,) = People(SqlAccounts(library)).tokens(ana)
    issue, revoke = commands("A user's token").split("\n\n")
    environment, pod = {"DATABASE_URL": env.database_url}, env.pod()
    with Caller(pod, old) as caller:
        caller.goes_on()
        new = shell(f'{issue}\necho "$NEW"', environment).splitlines()[-1]
        caller.goes_on()  # Both are good.
        assert status(pod, new) == 200
        caller.token = new
        caller.goes_on()
        shell(revoke.replace("revoke 1", f"revoke {token.id}"), environment)
        wait_until(lambda: status(pod, old) == 401, seconds=5)
        caller.goes_on()
    assert set(caller.got) == {200}


WENT_AWAY = "database.went_away"
LONG = {"CACHE_TTL_SECONDS": "30", "TMDB_COOLDOWN_SECONDS": "30"}


def test_pods_with_the_old_and_the_new_key_of_tmdb_share_what_is_kept(env: Environment) -> None:
    with Sandbox(token="new-key") as renewed:
        old = env.pod(**LONG)
        new = env.pod(**LONG, TMDB_TOKEN="new-key", TMDB_BASE_URL=renewed.url)
        first, second = new_path(), new_path()
        assert [pod.get(first).status for pod in (old, new)] == [200, 200]
        assert [pod.get(second).status for pod in (new, old)] == [200, 200]
        assert (env.tmdb.calls.total, renewed.calls.total) == (1, 1)


def test_a_key_that_is_refused_lets_tmdb_rest_for_its_own_pod_alone(env: Environment) -> None:
    good, bad = env.pod(**LONG), env.pod(**LONG, TMDB_TOKEN="bad-key")
    kept = new_path()
    assert good.get(kept).status == 200
    assert bad.get(new_path()).status == 502
    assert bad.get(new_path()).status == 503
    assert good.get(new_path()).status == 200
    assert [pod.get(kept).status for pod in (good, bad)] == [200, 200]
    assert [line["failure"] for line in bad.errors()] == ["CatalogueRefusedUs"]


@pytest.mark.parametrize(("key", "is_good"), [("sandbox-token", True), ("bad-key", False)])
def test_a_key_of_tmdb_can_be_tried_beforehand(env: Environment, key: str, is_good: bool) -> None:
    pasted = commands("TMDB's key").replace("https://api.themoviedb.org/3", env.tmdb.url)
    done = subprocess.run(
        ["sh", "-c", pasted], env={**os.environ, "NEW": key}, capture_output=True, check=False
    )
    assert (done.returncode == 0) is is_good


def test_the_role_that_serves_is_changed_for_another(cluster: Cluster, env: Environment) -> None:
    create, shut = commands("The database's password").split("\n\n")
    with cluster.asking_for_passwords():
        cluster.do("ALTER ROLE butaca PASSWORD 'old'")
        old = env.pod(DATABASE_URL=cluster.url_of("butaca", "butaca", "old"))
        shell(create, cluster.environment)
        cluster.do("ALTER ROLE butaca_b PASSWORD 'new'")
        new = env.pod(DATABASE_URL=cluster.url_of("butaca", "butaca_b", "new"))
        both = [pod.call("POST", "/me/favorites", {"movie_id": 550}).status for pod in (old, new)]
        assert both == [201, 200]
        shell(shut, cluster.environment)
        old.stop()
        assert new.call("DELETE", "/me/favorites/550").status == 204
        assert not answers(cluster.url_of("butaca", "butaca", "old"))


def test_a_password_that_changes_under_a_pod_counts_when_it_connects(
    cluster: Cluster, env: Environment
) -> None:
    with cluster.asking_for_passwords():
        cluster.do("ALTER ROLE butaca PASSWORD 'old'")
        pod = env.pod(DATABASE_URL=cluster.url_of("butaca", "butaca", "old"))
        assert pod.get("/me/favorites").status == 200
        cluster.do("ALTER ROLE butaca PASSWORD 'new'")
        assert pod.get("/me/favorites").status == 200
        cluster.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'butaca'"
        )
        # The first one notices that its connection is gone, the next that there is no other.
        wait_until(lambda: pod.get("/me/favorites").status == 503 and pod.errors_of(WENT_AWAY))
        assert pod.get("/movies/popular").status == 200


def test_redis_knows_two_passwords_while_pods_change_theirs(env: Environment) -> None:
    add, drop = commands("Redis' password").split("\n\n")
    valkey: Any = own_valkey()
    with valkey, redis.Redis(port=valkey.port) as store:
        store.config_set("requirepass", "OLD")
        store.execute_command("AUTH", "OLD")
        urls = [f"redis://:{word}@127.0.0.1:{valkey.port}/0" for word in ("OLD", "NEW")]
        store.execute_command(*shlex.split(add, comments=True)[1:])
        old, new = (env.pod(**LONG, REDIS_URL=url) for url in urls)
        path = new_path()
        assert old.get(path).cache_status == "butaca; fwd=miss; stored"
        assert new.get(path).is_fresh_hit
        store.execute_command(*shlex.split(drop, comments=True)[1:])
        assert new.get(new_path()).cache_status == "butaca; fwd=miss; stored"
        assert old.get(new_path()).status == 200
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(urls[0]).ping()
