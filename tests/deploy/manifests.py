"""The overlays as rendered by kustomize."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = ("development", "production")
TOOLS = Path(sys.prefix) / "tools" / "bin"

Thing = dict[str, Any]


def rendered(overlay: str) -> list[Thing]:
    """Return all objects of an overlay."""
    kubectl = shutil.which("kubectl", path=TOOLS) or shutil.which("kubectl")
    assert kubectl, "kubectl is missing; mend it: make test"
    folder = ROOT / "deploy" / "k8s" / "overlays" / overlay
    done = subprocess.run([kubectl, "kustomize", folder], check=True, capture_output=True)
    return list(yaml.safe_load_all(done.stdout))


def pod_specs(things: list[Thing]) -> Iterator[tuple[Thing, Thing]]:
    """Yield each object that creates pods, and its pod template."""
    for thing in things:
        match thing["kind"]:
            case "Deployment" | "Job":
                yield thing, thing["spec"]["template"]
            case "CronJob":
                yield thing, thing["spec"]["jobTemplate"]["spec"]["template"]


def write(folder: Path) -> None:
    """Write each object to its own file, in a folder named after the source of its schema."""
    shutil.rmtree(folder, ignore_errors=True)
    for overlay in OVERLAYS:
        for thing in rendered(overlay):
            is_foreign = thing["kind"] == "ServiceMonitor"
            whose = "prometheus-operator" if is_foreign else "kubernetes"
            name = f"{overlay}-{thing['kind']}-{thing['metadata']['name']}.yaml"
            (folder / whose).mkdir(parents=True, exist_ok=True)
            (folder / whose / name).write_text(yaml.safe_dump(thing), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
