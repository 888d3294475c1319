"""The manifests are consistent with each other and with Butaca."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import OVERLAYS, ROOT, Thing, pod_specs, rendered
from tests.deploy.truth import SETTINGS, SHUTDOWN_SECONDS, parse, read

SECRETS = {
    "butaca": {
        "DATABASE_URL": "postgresql+psycopg://butaca:secret@db/butaca",
        "REDIS_URL": "rediss://redis:6379/0",
        "TMDB_TOKEN": "token",
    },
    "butaca-migration": {"DATABASE_URL": "postgresql+psycopg://owner:secret@db/butaca"},
}
"""What deploy/README.md has the operator make."""

FOLDER = ROOT / "deploy" / "k8s"


@pytest.fixture(scope="module", params=OVERLAYS)
def things(request: pytest.FixtureRequest) -> list[Thing]:
    return rendered(request.param)


@pytest.fixture(scope="module")
def production() -> list[Thing]:
    return rendered("production")


@pytest.fixture(scope="module")
def development() -> list[Thing]:
    return rendered("development")


def of(things: list[Thing], kind: str, name: str = "butaca") -> Thing:
    (found,) = (
        each
        for each in things
        if each["kind"] == kind
        and each["metadata"]["name"].startswith(name)
        and each["metadata"].get("labels", {}).get("app.kubernetes.io/name", "butaca") == "butaca"
    )
    return found


def ours(things: list[Thing]) -> Iterator[tuple[Thing, Thing, Thing]]:
    """Give each container that runs our image, with its pod and what makes that."""
    for thing, pod in pod_specs(things):
        for container in pod["spec"]["containers"]:
            if "butaca:" in container["image"]:
                yield thing, pod, container


def values(things: list[Thing], kind: str, name: str) -> dict[str, str]:
    """Return the values of a ConfigMap or a Secret; the operator's own secrets are made up."""
    for each in things:
        if each["kind"] == kind and each["metadata"]["name"] == name:
            return dict.fromkeys(each["data"], "") if kind == "Secret" else each["data"]
    assert kind == "Secret", name
    return SECRETS[name]


def environment(things: list[Thing], container: Thing) -> dict[str, str]:
    """Return what a container finds in its environment. Raises where a source is missing."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        match source:
            case {"configMapRef": {"name": name}}:
                found.update(values(things, "ConfigMap", name))
            case {"secretRef": {"name": name}}:
                found.update(values(things, "Secret", name))
    for each in container.get("env", ()):
        reference = each["valueFrom"]["secretKeyRef"]
        found[each["name"]] = values(things, "Secret", reference["name"])[reference["key"]]
    return found


def test_every_butaca_container_runs_a_butaca_command(things: list[Thing]) -> None:
    commands = [parse(each.get("args", ["serve"])).command_path for _, _, each in ours(things)]
    assert {"butaca serve", "butaca migrate", "butaca movies refresh"} <= set(commands)
    assert len(commands) in {3, 4}


def test_every_variable_is_a_setting(things: list[Thing]) -> None:
    for _, _, container in ours(things):
        assert set(environment(things, container)) <= SETTINGS


def test_service_settings_are_valid(production: list[Thing]) -> None:
    settings = read(
        environment(
            production, of(production, "Deployment")["spec"]["template"]["spec"]["containers"][0]
        )
    )
    assert settings.cache_ttl_seconds == 30
    assert not settings.demo_users


def test_refresh_job_has_no_redis_and_never_overlaps(production: list[Thing]) -> None:
    job = of(production, "CronJob")["spec"]
    (container,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    found = environment(production, container)
    assert {"DATABASE_URL", "TMDB_TOKEN"} <= set(found)
    assert "REDIS_URL" not in found
    assert job["concurrencyPolicy"] == "Forbid"


def test_repository_contains_no_secrets(production: list[Thing]) -> None:
    assert [each for each in production if each["kind"] == "Secret"] == []
    for file in FOLDER.rglob("*.yaml"):
        assert not re.search(r"postgresql\+psycopg://[^@/]+:[^@/]+@", file.read_text()), file


def test_development_overlay_warns_of_its_demo_users(
    development: list[Thing],
) -> None:
    assert of(development, "ConfigMap")["data"]["DEMO_USERS"] == "true"
    head = (FOLDER / "overlays/development/kustomization.yaml").read_text()
    assert "WHOSE TOKENS ARE PUBLIC" in head


def test_every_file_is_listed_in_its_kustomization() -> None:
    for folder in ("base", *(f"overlays/{name}" for name in OVERLAYS)):
        here = FOLDER / folder
        listed = yaml.safe_load((here / "kustomization.yaml").read_text())
        patches = {each["path"] for each in listed.get("patches", ()) if "path" in each}
        files = {each.name for each in here.glob("*.yaml")} - {"kustomization.yaml"}
        assert set(listed["resources"]) - {"../../base"} | patches == files, folder


def test_every_selector_matches_a_pod(things: list[Thing]) -> None:
    labels = [pod["metadata"]["labels"] for _, pod in pod_specs(things)]
    for each in things:
        for selector in _selectors(each):
            assert any(selector.items() <= found.items() for found in labels), each["metadata"]


def _selectors(thing: Thing) -> Iterator[dict[str, str]]:
    spec = thing.get("spec", {})
    match thing["kind"]:
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


def test_service_selects_only_pods_of_the_deployment(things: list[Thing]) -> None:
    selector = of(things, "Service")["spec"]["selector"]
    chosen = [
        thing["kind"]
        for thing, pod in pod_specs(things)
        if selector.items() <= pod["metadata"]["labels"].items()
    ]
    assert chosen == ["Deployment"]


def test_service_monitor_matches_the_service_and_its_port(production: list[Thing]) -> None:
    monitor, service = of(production, "ServiceMonitor")["spec"], of(production, "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,), (port,) = monitor["endpoints"], service["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")


def test_every_target_port_is_a_container_port(things: list[Thing]) -> None:
    names = {
        port["name"]
        for _, pod in pod_specs(things)
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    }
    targets = {
        port["targetPort"]
        for each in things
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }
    assert targets <= names


def test_migration_of_a_version_runs_before_its_pods(production: list[Thing]) -> None:
    job, deployment = of(production, "Job"), of(production, "Deployment")
    (migrate,) = job["spec"]["template"]["spec"]["containers"]
    (api,) = deployment["spec"]["template"]["spec"]["containers"]
    assert migrate["image"] == api["image"]
    assert job["metadata"]["name"] == f"butaca-migrate-{api['image'].partition(':')[2]}"
    before, after = (_wave(each) for each in (job, deployment))
    assert before < after
    assert _wave(of(production, "ServiceAccount")) == before


def _wave(thing: Thing) -> int:
    return int(thing["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


def test_first_rollout_step_needs_nothing_of_the_second(production: list[Thing]) -> None:
    first = [
        each
        for each in production
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        in {"migration", "identity"}
    ]
    assert {each["kind"] for each in first} == {"Job", "ServiceAccount"}
    (pod,) = (pod for _, pod in pod_specs(first))
    assert pod["spec"]["serviceAccountName"] == of(first, "ServiceAccount")["metadata"]["name"]
    assert "configMapRef" not in str(pod)


def test_only_the_autoscaler_sets_the_replica_count(production: list[Thing]) -> None:
    deployment, scaler = of(production, "Deployment"), of(production, "HorizontalPodAutoscaler")
    assert "replicas" not in deployment["spec"]
    assert scaler["spec"]["minReplicas"] == 3
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def test_rollout_and_node_drain_leave_enough_pods(production: list[Thing]) -> None:
    strategy = of(production, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}
    assert of(production, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_termination_grace_period_exceeds_the_shutdown_time(things: list[Thing]) -> None:
    pod = of(things, "Deployment")["spec"]["template"]["spec"]
    sleep = _api(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > sleep + SHUTDOWN_SECONDS


def test_probe_paths_exist_and_only_startup_checks_the_database(
    things: list[Thing], anonymous: Any
) -> None:
    container = _api(of(things, "Deployment")["spec"]["template"]["spec"])
    asked = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "readiness", "liveness")
    }
    assert asked == {"startup": "/readyz", "readiness": "/livez", "liveness": "/livez"}
    assert {anonymous.get(path).status_code for path in asked.values()} == {200}


def test_pod_becomes_unready_before_it_is_restarted(things: list[Thing]) -> None:
    container = _api(of(things, "Deployment")["spec"]["template"]["spec"])

    def seconds(kind: str) -> int:
        probe = container[f"{kind}Probe"]
        return int(probe["periodSeconds"] * probe["failureThreshold"])

    assert seconds("readiness") < seconds("liveness")


def _api(pod: Thing) -> Thing:
    found: Thing
    (found,) = (each for each in pod["containers"] if each["name"] == "api")
    return found


RESTRICTED: dict[str, Callable[[Thing, Thing], bool]] = {
    "is not root": lambda pod, _: pod["securityContext"]["runAsNonRoot"] is True,
    "is somebody": lambda pod, _: pod["securityContext"]["runAsUser"] > 0,
    "is filtered": lambda pod, _: (
        pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    ),
    "gains nothing": lambda _, container: (
        container["securityContext"]["allowPrivilegeEscalation"] is False
    ),
    "may nothing": lambda _, container: (
        container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    ),
    "sees no host": lambda pod, _: not {"hostNetwork", "hostPID", "hostIPC"} & set(pod),
    "has no host path": lambda pod, _: "hostPath" not in str(pod.get("volumes")),
    # Ours, beyond the standard:
    "writes nothing": lambda _, container: (
        container["securityContext"]["readOnlyRootFilesystem"] is True
    ),
    "has no token": lambda pod, _: pod["automountServiceAccountToken"] is False,
    "has its limits": lambda _, container: (
        {"cpu", "memory"} == set(container["resources"]["requests"])
        and "memory" in container["resources"]["limits"]
    ),
}
"""The restricted Pod Security Standard, as far as it concerns pods like these."""


@pytest.mark.parametrize("rule", RESTRICTED)
def test_every_container_meets_the_restricted_security_standard(
    things: list[Thing], rule: str
) -> None:
    for thing, pod in pod_specs(things):
        for container in pod["spec"]["containers"]:
            assert RESTRICTED[rule](pod["spec"], container), thing["metadata"]["name"]
    labels = of(things, "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_network_policy_admits_only_the_frontend_and_prometheus(production: list[Thing]) -> None:
    (rule,) = of(production, "NetworkPolicy")["spec"]["ingress"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        for name in ("frontend", "monitoring")
    ]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]


def test_network_policy_allows_dns_the_stores_and_public_https(production: list[Thing]) -> None:
    spec = of(production, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    ports = [{port["port"] for port in rule["ports"]} for rule in spec["egress"]]
    assert ports == [{53}, {5432, 6379}, {443}]
    (public,) = (each["ipBlock"] for each in spec["egress"][2]["to"])
    assert public["cidr"] == "0.0.0.0/0"
    assert {"169.254.0.0/16", "10.0.0.0/8"} <= set(public["except"])
