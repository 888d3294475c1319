"""The README promises nothing that is not there."""

import re
import subprocess
from pathlib import Path

import pytest

from butaca.server import free_port
from butaca.settings import Settings
from tests.processes import line_with, running

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \|", re.MULTILINE)


def test_every_setting_is_documented_once() -> None:
    documented = [name.lower() for name, _ in ROW.findall(README)]
    assert sorted(documented) == sorted(Settings.model_fields)


@pytest.mark.parametrize(("name", "documented"), ROW.findall(README))
def test_a_documented_default_is_the_real_one(name: str, documented: str) -> None:
    field = Settings.model_fields[name.lower()]
    match field.default:
        case _ if field.is_required():
            assert documented == "required"
        case []:
            assert documented == "none"
        case None:
            assert documented == "half of `THREADS`"
        case default:
            assert documented.strip("`") == str(default).lower() or documented == f"`{default}`"


def test_every_curl_line_of_the_tour_works(tmp_path: Path) -> None:
    tour = [line for line in README.splitlines() if line.startswith("curl ")]
    port = free_port("127.0.0.1")
    with running("dev", "--port", str(port), folder=tmp_path) as process:
        sandbox = line_with(process, "TMDB").split()[-1].removesuffix("/3")
        line_with(process, "Ctrl-C")
        for line in tour:
            here = line.replace("http://127.0.0.1:8001", sandbox).replace(":8000", f":{port}")
            command = here.replace("curl -s", "curl --silent --show-error --fail-with-body", 1)
            subprocess.run(command, shell=True, check=True, capture_output=True, timeout=20)
    assert len(tour) >= 10


def test_every_make_target_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", README)) <= targets


def test_every_file_that_is_linked_is_there() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "docs/decisions/README.md"):
        file = ROOT / name
        links = re.findall(r"\]\((?!http)([^)#]+)\)", file.read_text())
        assert [link for link in links if not (file.parent / link).exists()] == []
