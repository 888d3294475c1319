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
from tests.deploy.base import removed_size
from tests.deploy.butaca_facts import SETTINGS, SHUTDOWN_SECONDS, parse_command
from tests.deploy.dockerfile import stages
from tests.deploy.image import Image, shared
from tests.deploy.manifests import ROOT
from tests.processes import wait_for_line

RUNTIME_VARIABLES = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH", "LANG", *MALLOC}
"""The variables that Python and its libraries read."""

BASE_SIZE = 125_000_000
"""The assumed size of python:3.13-slim-trixie. Trixie's packages and Python took 115 MB."""

REMOVED_PACKAGES_SIZE = 14_000_000
"""The size of the packages that dpkg removes, measured with those of trixie."""


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


def test_image_contains_exactly_the_locked_packages(image: Image) -> None:
    found = installed(image)
    del found["butaca"]
    assert {f"{name}=={version}" for name, version in found.items()} == locked("runtime.txt")


def size(folder: Path, pattern: str = "*") -> int:
    return sum(each.lstat().st_size for each in folder.rglob(pattern) if not each.is_symlink())


def test_image_with_its_bytecode_is_smaller_than_200_mb(image: Image) -> None:
    removed = REMOVED_PACKAGES_SIZE + removed_size(image.python)
    added = size(image.home) + size(image.python, "*.pyc")
    assert BASE_SIZE - removed + added < 200_000_000


def test_container_process_cannot_write_and_is_not_root(image: Image) -> None:
    code = "import os, pathlib; assert os.getuid(); pathlib.Path({}).write_text('')"
    elsewhere = ["'/tmp/written'"] if os.getuid() == 0 else []  # Only root can isolate a process.
    for place in ("'written'", "'/written'", *elsewhere):
        assert image.run(["python", "-c", code.format(place)], {}) != 0, place
    assert image.run(["python", "-c", "import os; assert os.getuid()"], {}) == 0


def test_container_serves_unprivileged_and_writes_nothing(
    image: Image, postgresql: Database, empty_redis: str
) -> None:
    port = free_port("127.0.0.1")
    environment = settings(postgresql, empty_redis, port)
    command = [*image.stage.command("ENTRYPOINT"), *image.stage.command("CMD")]
    health = image.stage.command("HEALTHCHECK")
    before = set(image.folder.rglob("*"))
    assert image.run([command[0], "migrate"], environment) == 0
    assert image.run(health, environment) != 0
    process = image.start(command, environment)
    wait_for_line(process, "server.listening")
    assert image.run(health, environment) == 0
    with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as response:
        assert json.load(response) == {"status": "ok", "database": "ok"}
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SHUTDOWN_SECONDS)
    assert process.returncode == 0
    assert set(image.folder.rglob("*")) == before


def test_no_module_is_compiled_at_startup(
    image: Image, postgresql: Database, empty_redis: str, tmp_path: Path
) -> None:
    environment = settings(postgresql, empty_redis, free_port("127.0.0.1"))
    command = [*image.stage.command("ENTRYPOINT"), *image.stage.command("CMD")]
    with (tmp_path / "imports").open("w+") as stderr:
        process = image.start(command, {**environment, "PYTHONVERBOSE": "1"}, stderr=stderr)
        wait_for_line(process, "server.listening")
        with urlopen(f"http://127.0.0.1:{environment['PORT']}/readyz", timeout=10) as response:
            assert response.status == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SHUTDOWN_SECONDS)
        stderr.seek(0)
        imports = stderr.read()
    assert len(re.findall(r"^# code object from '.+\.pyc'$", imports, re.MULTILINE)) > 500
    assert re.findall(r"^# code object from (.+\.py)$", imports, re.MULTILINE) == []


def test_image_user_is_numeric_and_unprivileged() -> None:
    user, group = stages()[-1].argument_of("USER").split(":")
    assert int(user) > 9999
    assert int(group) > 9999


def test_image_runs_butaca_serve_and_stops_with_sigterm() -> None:
    stage = stages()[-1]
    assert stage.argument_of("STOPSIGNAL") == "SIGTERM"
    assert stage.command("ENTRYPOINT") == ["butaca"]
    assert parse_command(stage.command("CMD")).info_name == "serve"


def test_image_sets_only_known_environment_variables() -> None:
    assert set(stages()[-1].environment()) <= SETTINGS | RUNTIME_VARIABLES


def test_benchmarks_use_the_malloc_settings_of_the_image() -> None:
    assert MALLOC.items() <= stages()[-1].environment().items()


def test_image_is_a_flattened_slim_python_image() -> None:
    first, second, last = stages()
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-trixie", second.base)
    assert first.base == second.base.replace("-slim", "")
    assert second.arguments_of("COPY") == [f"--from={first.name} /opt/butaca /opt/butaca"]
    assert last.base == "scratch"
    assert last.arguments_of("COPY") == [f"--from={second.name} / /"]
    assert last.arguments_of("RUN") == []


def test_build_context_contains_exactly_the_copied_files() -> None:
    included = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {name for line in stages()[0].arguments_of("COPY") for name in line.split()[:-1]}
    assert included == copied
    assert all((ROOT / name).exists() for name in copied)


def test_build_requirements_match_the_development_lock() -> None:
    assert locked("build.txt") <= locked("dev.txt")
    assert (ROOT / "requirements/build.txt").read_text().count("--hash=sha256:") > 6
