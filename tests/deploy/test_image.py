"""The image contains what the lock file says, and serves unprivileged and without writing."""

import json
import os
import re
import signal
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement

from benchmarks.testbed import MALLOC
from butaca.adapters.sql import Database
from butaca.server import free_port
from tests.deploy.base import weight_without
from tests.deploy.dockerfile import stages
from tests.deploy.image import Image, shared
from tests.deploy.manifests import ROOT
from tests.deploy.truth import SECONDS_TO_END, SETTINGS, parse
from tests.processes import line_with

PYTHONS = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH", "LANG", *MALLOC}
"""What Python and the libraries below it read."""

BASE = 125_000_000
"""What python:3.13-slim-trixie is taken to weigh. Trixie's packages and a Python came to 115 MB."""

PACKAGES = 14_000_000
"""What the packages weigh that dpkg takes away: seen with trixie's."""


@pytest.fixture(scope="session")
def image(testrun_uid: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    lock_file = tmp_path_factory.getbasetemp().parent / "image.lock"
    with shared(testrun_uid, lock_file) as image:
        yield image


def locked(name: str) -> set[str]:
    text = (ROOT / "requirements" / name).read_text()
    lines = [line.removesuffix("\\").strip() for line in text.splitlines() if "==" in line]
    found = [Requirement(line) for line in lines]
    return {
        f"{each.name}{each.specifier}"
        for each in found
        if each.marker is None or each.marker.evaluate()
    }


def installed(image: Image) -> dict[str, str]:
    (packages,) = image.home.glob("lib/python*/site-packages")
    found = distributions(path=[str(packages)])
    return {re.sub(r"[-_.]+", "-", each.name).lower(): each.version for each in found}


def settings(postgresql: Database, redis_url: str, port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": postgresql.engine.url.render_as_string(hide_password=False),
        "REDIS_URL": redis_url,
        "TMDB_TOKEN": "sandbox-token",
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }


def test_the_image_holds_what_the_lock_says_and_nothing_else(image: Image) -> None:
    found = installed(image)
    del found["butaca"]
    assert {f"{name}=={version}" for name, version in found.items()} == locked("runtime.txt")


def weight(folder: Path, pattern: str = "*") -> int:
    return sum(each.lstat().st_size for each in folder.rglob(pattern) if not each.is_symlink())


def test_the_image_weighs_less_than_200_mb_with_its_bytecode(image: Image) -> None:
    removed = PACKAGES + weight_without(image.python)
    added = weight(image.home) + weight(image.python, "*.pyc")
    assert BASE - removed + added < 200_000_000


def test_who_is_in_a_container_cannot_write_and_is_not_root(image: Image) -> None:
    code = "import os, pathlib; assert os.getuid(); pathlib.Path({}).write_text('')"
    elsewhere = ["'/tmp/written'"] if os.getuid() == 0 else []  # Only root can shut others in.
    for place in ("'written'", "'/written'", *elsewhere):
        assert image.run(["python", "-c", code.format(place)], {}) != 0, place
    assert image.run(["python", "-c", "import os; assert os.getuid()"], {}) == 0


def test_a_container_serves_as_nobody_and_writes_nothing(
    image: Image, postgresql: Database, empty_redis: str
) -> None:
    port = free_port("127.0.0.1")
    chosen = settings(postgresql, empty_redis, port)
    command = [*image.stage.command("ENTRYPOINT"), *image.stage.command("CMD")]
    health = image.stage.command("HEALTHCHECK")
    before = set(image.folder.rglob("*"))
    assert image.run([command[0], "migrate"], chosen) == 0
    assert image.run(health, chosen) != 0
    process = image.start(command, chosen)
    line_with(process, "server.listens")
    assert image.run(health, chosen) == 0
    with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        assert json.load(answer) == {"status": "ok", "database": "ok"}
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 0
    assert set(image.folder.rglob("*")) == before


def test_nothing_that_serves_is_compiled_at_the_start(
    image: Image, postgresql: Database, empty_redis: str, tmp_path: Path
) -> None:
    chosen = settings(postgresql, empty_redis, free_port("127.0.0.1"))
    command = [*image.stage.command("ENTRYPOINT"), *image.stage.command("CMD")]
    with (tmp_path / "imports").open("w+") as said:
        process = image.start(command, {**chosen, "PYTHONVERBOSE": "1"}, stderr=said)
        line_with(process, "server.listens")
        with urlopen(f"http://127.0.0.1:{chosen['PORT']}/readyz", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS_TO_END)
        said.seek(0)
        imports = said.read()
    assert len(re.findall(r"^# code object from '.+\.pyc'$", imports, re.MULTILINE)) > 500
    assert re.findall(r"^# code object from (.+\.py)$", imports, re.MULTILINE) == []


def test_the_image_is_nobody_by_a_number() -> None:
    user, group = stages()[-1].one("USER").split(":")
    assert int(user) > 9999
    assert int(group) > 9999


def test_sigterm_reaches_the_server() -> None:
    stage = stages()[-1]
    assert stage.one("STOPSIGNAL") == "SIGTERM"
    assert stage.command("ENTRYPOINT") == ["butaca"]
    assert parse(stage.command("CMD")).info_name == "serve"


def test_the_image_sets_nothing_that_nobody_reads() -> None:
    assert set(stages()[-1].environment()) <= SETTINGS | PYTHONS


def test_a_bench_measures_with_the_malloc_of_the_image() -> None:
    assert MALLOC.items() <= stages()[-1].environment().items()


def test_the_image_is_a_slim_one_without_what_nobody_needs() -> None:
    first, second, last = stages()
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-trixie", second.base)
    assert first.base == second.base.replace("-slim", "")
    assert second.all("COPY") == [f"--from={first.name} /opt/butaca /opt/butaca"]
    assert last.base == "scratch"
    assert last.all("COPY") == [f"--from={second.name} / /"]
    assert last.all("RUN") == []


def test_what_the_image_is_built_from_is_all_that_the_builder_is_sent() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {name for line in stages()[0].all("COPY") for name in line.split()[:-1]}
    assert sent == copied
    assert all((ROOT / name).exists() for name in copied)


def test_what_builds_the_wheel_is_locked_as_it_is_for_development() -> None:
    assert locked("build.txt") <= locked("dev.txt")
    assert (ROOT / "requirements/build.txt").read_text().count("--hash=sha256:") > 6
