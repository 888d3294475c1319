"""Third-party code is pinned exactly, and CI jobs have few permissions."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import ROOT, TOOLS

WORKFLOWS: dict[str, dict[str, Any]] = {
    each.name: yaml.load(each.read_text(), Loader=yaml.BaseLoader)
    for each in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
JOBS = {
    f"{file}: {name}": job for file, each in WORKFLOWS.items() for name, job in each["jobs"].items()
}
COMMIT = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_workflows_run_checks_tests_and_benchmarks() -> None:
    targets = {each for job in JOBS.values() for each in commands(job) if each.startswith("make ")}
    assert targets == {
        "make check",
        "make sbom",
        "make test",
        "make test-browser",
        "make test-client",
        "make bench",
    }


def test_tests_run_on_every_supported_python() -> None:
    matrix = WORKFLOWS["test.yml"]["jobs"]["test"]["strategy"]["matrix"]
    assert matrix == {"python": ["3.11", "3.12", "3.13"]}
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("file", WORKFLOWS)
def test_every_action_is_pinned_to_a_commit(file: str) -> None:
    text = (ROOT / ".github" / "workflows" / file).read_text()
    lines = [line for line in text.splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not COMMIT.search(line)] == []


@pytest.mark.parametrize("file", WORKFLOWS)
def test_workflow_has_no_permissions_and_a_concurrency_group(file: str) -> None:
    assert WORKFLOWS[file]["permissions"] == {}
    assert WORKFLOWS[file]["concurrency"]["group"].startswith("${{ github.workflow }}")


@pytest.mark.parametrize("name", JOBS)
def test_job_has_read_permission_and_a_timeout(name: str) -> None:
    assert JOBS[name]["permissions"] == {"contents": "read"}
    assert int(JOBS[name]["timeout-minutes"]) <= 90


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A folder that `make` takes for a current `.venv`. It calls the tools of the real one.

    With the real one, `make` would re-create the environment of these tests if it is out of date.
    """
    tools = tmp_path / "tools" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").write_text(f'#!/bin/sh\nexec "{TOOLS}/python" "$@"\n')
    (tools / "python").chmod(0o755)
    for ready in (tmp_path / ".dependencies", tmp_path / ".ready", tools / ".ready"):
        ready.touch()
    return tmp_path


def test_sbom_contains_all_locked_packages(venv: Path) -> None:
    command = ["make", f"VENV={venv}", "sbom"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    sbom = json.loads((ROOT / "dist" / "sbom.json").read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["name"] == "butaca"
    found = sorted(f"{each['name']}=={each['version']}" for each in sbom["components"])
    lock = (ROOT / "requirements" / "runtime.txt").read_text()
    assert found == sorted(re.findall(r"^([\w.-]+==[\w.]+)", lock, re.MULTILINE))
    assert all(each["externalReferences"][0]["hashes"] for each in sbom["components"])
