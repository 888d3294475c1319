"""The Kubernetes manifests of the overlays, rendered by kustomize."""

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

Manifest = dict[str, Any]


def render(overlay: str) -> list[Manifest]:
    """Return all objects of an overlay, as rendered by kustomize."""
    kubectl = shutil.which("kubectl", path=TOOLS) or shutil.which("kubectl")
    assert kubectl, "kubectl is missing; to install it, run: make test"
    folder = ROOT / "deploy" / "k8s" / "overlays" / overlay
    result = subprocess.run([kubectl, "kustomize", folder], check=True, capture_output=True)
    return list(yaml.safe_load_all(result.stdout))


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Yield each object that creates pods, and its pod template."""
    for manifest in manifests:
        match manifest["kind"]:
            case "Deployment" | "Job":
                yield manifest, manifest["spec"]["template"]
            case "CronJob":
                yield manifest, manifest["spec"]["jobTemplate"]["spec"]["template"]


def write(folder: Path) -> None:
    """Write each object to its own file, in a folder named after the source of its schema."""
    shutil.rmtree(folder, ignore_errors=True)
    for overlay in OVERLAYS:
        for manifest in render(overlay):
            is_custom_resource = manifest["kind"] == "ServiceMonitor"
            source = "prometheus-operator" if is_custom_resource else "kubernetes"
            name = f"{overlay}-{manifest['kind']}-{manifest['metadata']['name']}.yaml"
            (folder / source).mkdir(parents=True, exist_ok=True)
            (folder / source / name).write_text(yaml.safe_dump(manifest), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
