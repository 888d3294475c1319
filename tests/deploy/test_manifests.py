"""The manifests are consistent with each other and with Butaca."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.butaca_facts import SETTINGS, SHUTDOWN_SECONDS, parse_command, settings_from
from tests.deploy.manifests import OVERLAYS, ROOT, Manifest, pod_specs, render

SECRETS = {
    "butaca": {
        "DATABASE_URL": "postgresql+psycopg://butaca:secret@db/butaca",
        "REDIS_URL": "rediss://redis:6379/0",
        "TMDB_TOKEN": "token",
    },
    "butaca-migration": {"DATABASE_URL": "postgresql+psycopg://owner:secret@db/butaca"},
}
"""The secrets that deploy/README.md tells the operator to create."""

FOLDER = ROOT / "deploy" / "k8s"


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(request.param)


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    return render("production")


@pytest.fixture(scope="module")
def development() -> list[Manifest]:
    return render("development")


def find(manifests: list[Manifest], kind: str, name: str = "butaca") -> Manifest:
    (found,) = (
        each
        for each in manifests
        if each["kind"] == kind
        and each["metadata"]["name"].startswith(name)
        and each["metadata"].get("labels", {}).get("app.kubernetes.io/name", "butaca") == "butaca"
    )
    return found


def butaca_containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest, Manifest]]:
    """Yield each container with the Butaca image, after its workload and its pod template."""
    for manifest, pod in pod_specs(manifests):
        for container in pod["spec"]["containers"]:
            if "butaca:" in container["image"]:
                yield manifest, pod, container


def data_of(manifests: list[Manifest], kind: str, name: str) -> dict[str, str]:
    """Return the data of a ConfigMap or a Secret; those that the operator creates are samples."""
    for each in manifests:
        if each["kind"] == kind and each["metadata"]["name"] == name:
            return dict.fromkeys(each["data"], "") if kind == "Secret" else each["data"]
    assert kind == "Secret", name
    return SECRETS[name]


def environment(manifests: list[Manifest], container: Manifest) -> dict[str, str]:
    """Return the environment of a container. Raises AssertionError if a source is missing."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        match source:
            case {"configMapRef": {"name": name}}:
                found.update(data_of(manifests, "ConfigMap", name))
            case {"secretRef": {"name": name}}:
                found.update(data_of(manifests, "Secret", name))
    for each in container.get("env", ()):
        reference = each["valueFrom"]["secretKeyRef"]
        found[each["name"]] = data_of(manifests, "Secret", reference["name"])[reference["key"]]
    return found


def test_every_butaca_container_runs_a_butaca_command(manifests: list[Manifest]) -> None:
    commands = [
        parse_command(each.get("args", ["serve"])).command_path
        for _, _, each in butaca_containers(manifests)
    ]
    assert {"butaca serve", "butaca migrate", "butaca movies refresh"} <= set(commands)
    assert len(commands) in {3, 4}


def test_every_variable_is_a_setting(manifests: list[Manifest]) -> None:
    for _, _, container in butaca_containers(manifests):
        assert set(environment(manifests, container)) <= SETTINGS


def test_service_settings_are_valid(production: list[Manifest]) -> None:
    settings = settings_from(
        environment(
            production, find(production, "Deployment")["spec"]["template"]["spec"]["containers"][0]
        )
    )
    assert settings.cache_ttl_seconds == 30
    assert not settings.demo_users


def test_refresh_job_has_no_redis_and_never_overlaps(production: list[Manifest]) -> None:
    job = find(production, "CronJob")["spec"]
    (container,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    found = environment(production, container)
    assert {"DATABASE_URL", "TMDB_TOKEN"} <= set(found)
    assert "REDIS_URL" not in found
    assert job["concurrencyPolicy"] == "Forbid"


def test_repository_contains_no_secrets(production: list[Manifest]) -> None:
    assert [each for each in production if each["kind"] == "Secret"] == []
    for file in FOLDER.rglob("*.yaml"):
        assert not re.search(r"postgresql\+psycopg://[^@/]+:[^@/]+@", file.read_text()), file


def test_development_overlay_warns_of_its_demo_users(
    development: list[Manifest],
) -> None:
    assert find(development, "ConfigMap")["data"]["DEMO_USERS"] == "true"
    head = (FOLDER / "overlays/development/kustomization.yaml").read_text()
    assert "WHOSE TOKENS ARE PUBLIC" in head


def test_every_file_is_listed_in_its_kustomization() -> None:
    for folder in ("base", *(f"overlays/{name}" for name in OVERLAYS)):
        directory = FOLDER / folder
        listed = yaml.safe_load((directory / "kustomization.yaml").read_text())
        patches = {each["path"] for each in listed.get("patches", ()) if "path" in each}
        files = {each.name for each in directory.glob("*.yaml")} - {"kustomization.yaml"}
        assert set(listed["resources"]) - {"../../base"} | patches == files, folder


def test_every_selector_matches_a_pod(manifests: list[Manifest]) -> None:
    labels = [pod["metadata"]["labels"] for _, pod in pod_specs(manifests)]
    for each in manifests:
        for selector in _selectors(each):
            assert any(selector.items() <= found.items() for found in labels), each["metadata"]


def _selectors(manifest: Manifest) -> Iterator[dict[str, str]]:
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Service":
            yield spec["selector"]
        case "Deployment":
            yield spec["selector"]["matchLabels"]
            for each in spec["template"]["spec"].get("topologySpreadConstraints", ()):
                yield each["labelSelector"]["matchLabels"]
        case "PodDisruptionBudget":
            yield spec["selector"]["matchLabels"]
        case "NetworkPolicy":
            yield spec["podSelector"]["matchLabels"]


def test_service_selects_only_pods_of_the_deployment(manifests: list[Manifest]) -> None:
    selector = find(manifests, "Service")["spec"]["selector"]
    selected = [
        manifest["kind"]
        for manifest, pod in pod_specs(manifests)
        if selector.items() <= pod["metadata"]["labels"].items()
    ]
    assert selected == ["Deployment"]


def test_service_monitor_matches_the_service_and_its_port(production: list[Manifest]) -> None:
    monitor, service = find(production, "ServiceMonitor")["spec"], find(production, "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,), (port,) = monitor["endpoints"], service["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")


def test_every_target_port_is_a_container_port(manifests: list[Manifest]) -> None:
    names = {
        port["name"]
        for _, pod in pod_specs(manifests)
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    }
    targets = {
        port["targetPort"]
        for each in manifests
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }
    assert targets <= names


def test_migration_of_a_version_runs_before_its_pods(production: list[Manifest]) -> None:
    job, deployment = find(production, "Job"), find(production, "Deployment")
    (migrate,) = job["spec"]["template"]["spec"]["containers"]
    (api,) = deployment["spec"]["template"]["spec"]["containers"]
    assert migrate["image"] == api["image"]
    assert job["metadata"]["name"] == f"butaca-migrate-{api['image'].partition(':')[2]}"
    before, after = (_wave(each) for each in (job, deployment))
    assert before < after
    assert _wave(find(production, "ServiceAccount")) == before


def _wave(manifest: Manifest) -> int:
    return int(manifest["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


def test_migration_step_does_not_depend_on_the_second_step(production: list[Manifest]) -> None:
    first = [
        each
        for each in production
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        in {"migration", "identity"}
    ]
    assert {each["kind"] for each in first} == {"Job", "ServiceAccount"}
    (pod,) = (pod for _, pod in pod_specs(first))
    assert pod["spec"]["serviceAccountName"] == find(first, "ServiceAccount")["metadata"]["name"]
    assert "configMapRef" not in str(pod)


def test_only_the_autoscaler_sets_the_replica_count(production: list[Manifest]) -> None:
    deployment, scaler = find(production, "Deployment"), find(production, "HorizontalPodAutoscaler")
    assert "replicas" not in deployment["spec"]
    assert scaler["spec"]["minReplicas"] == 3
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def test_rollout_and_node_drain_leave_enough_pods(production: list[Manifest]) -> None:
    strategy = find(production, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}
    assert find(production, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_termination_grace_period_exceeds_the_shutdown_time(manifests: list[Manifest]) -> None:
    pod = find(manifests, "Deployment")["spec"]["template"]["spec"]
    sleep = _api_container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > sleep + SHUTDOWN_SECONDS


def test_probe_paths_exist_and_only_startup_checks_the_database(
    manifests: list[Manifest], anonymous: Any
) -> None:
    container = _api_container(find(manifests, "Deployment")["spec"]["template"]["spec"])
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/readyz", "readiness": "/livez", "liveness": "/livez"}
    assert {anonymous.get(path).status_code for path in paths.values()} == {200}


def test_pod_becomes_unready_before_it_is_restarted(manifests: list[Manifest]) -> None:
    container = _api_container(find(manifests, "Deployment")["spec"]["template"]["spec"])

    def seconds(kind: str) -> int:
        probe = container[f"{kind}Probe"]
        return int(probe["periodSeconds"] * probe["failureThreshold"])

    assert seconds("readiness") < seconds("liveness")


def _api_container(pod: Manifest) -> Manifest:
    found: Manifest
    (found,) = (each for each in pod["containers"] if each["name"] == "api")
    return found


RESTRICTED: dict[str, Callable[[Manifest, Manifest], bool]] = {
    "runs as non-root": lambda pod, _: pod["securityContext"]["runAsNonRoot"] is True,
    "has a user ID": lambda pod, _: pod["securityContext"]["runAsUser"] > 0,
    "has a seccomp profile": lambda pod, _: (
        pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    ),
    "cannot escalate privileges": lambda _, container: (
        container["securityContext"]["allowPrivilegeEscalation"] is False
    ),
    "has no capabilities": lambda _, container: (
        container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    ),
    "uses no host namespace": lambda pod, _: not {"hostNetwork", "hostPID", "hostIPC"} & set(pod),
    "mounts no host path": lambda pod, _: "hostPath" not in str(pod.get("volumes")),
    # Beyond the standard:
    "has a read-only file system": lambda _, container: (
        container["securityContext"]["readOnlyRootFilesystem"] is True
    ),
    "has no service account token": lambda pod, _: pod["automountServiceAccountToken"] is False,
    "has resource limits": lambda _, container: (
        {"cpu", "memory"} == set(container["resources"]["requests"])
        and "memory" in container["resources"]["limits"]
    ),
}
"""The restricted Pod Security Standard, as far as it concerns pods like these."""


@pytest.mark.parametrize("rule", RESTRICTED)
def test_every_container_meets_the_restricted_security_standard(
    manifests: list[Manifest], rule: str
) -> None:
    for manifest, pod in pod_specs(manifests):
        for container in pod["spec"]["containers"]:
            assert RESTRICTED[rule](pod["spec"], container), manifest["metadata"]["name"]
    labels = find(manifests, "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_network_policy_admits_only_the_frontend_and_prometheus(production: list[Manifest]) -> None:
    (rule,) = find(production, "NetworkPolicy")["spec"]["ingress"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        for name in ("frontend", "monitoring")
    ]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]


def test_network_policy_allows_dns_the_stores_and_public_https(production: list[Manifest]) -> None:
    spec = find(production, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    ports = [{port["port"] for port in rule["ports"]} for rule in spec["egress"]]
    assert ports == [{53}, {5432, 6379}, {443}]
    (public,) = (each["ipBlock"] for each in spec["egress"][2]["to"])
    assert public["cidr"] == "0.0.0.0/0"
    assert {"169.254.0.0/16", "10.0.0.0/8"} <= set(public["except"])
