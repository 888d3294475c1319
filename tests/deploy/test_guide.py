"""Everything that deploy/README.md mentions exists."""

import re
import shlex

import yaml

from butaca.settings import Settings
from tests.deploy.butaca_facts import SETTINGS, parse_command, settings_from
from tests.deploy.manifests import ROOT, render

GUIDE = (ROOT / "deploy" / "README.md").read_text()
SECRETS = re.findall(r"create secret generic (\S+) .+\n((?:.+\n)+?)END", GUIDE)
SECRET = dict(line.split("=", 1) for line in dict(SECRETS)["butaca"].splitlines())


def test_created_secrets_match_those_the_manifests_reference() -> None:
    created = {
        (name, line.partition("=")[0]) for name, lines in SECRETS for line in lines.splitlines()
    }
    text = yaml.safe_dump_all(render("production"))
    referenced = set(re.findall(r"secretKeyRef:\n\s+key: (\w+)\n\s+name: ([\w-]+)", text))
    assert {(name, key) for key, name in referenced} <= created
    assert {name for name, _ in created} == set(
        re.findall(r"secretRef:\n\s+name: ([\w-]+)", text)
    ) | {"butaca-migration"}


def test_service_secret_contains_exactly_the_required_settings() -> None:
    required = {name for name, each in Settings.model_fields.items() if each.is_required()}
    assert {name.lower() for name in SECRET} == required
    assert settings_from(SECRET).redis_url.get_secret_value() == SECRET["REDIS_URL"]


def test_every_command_in_a_pod_is_a_butaca_command() -> None:
    commands = re.findall(r"-- (butaca [^`]+)`", GUIDE)
    assert commands
    for command in commands:
        assert parse_command(shlex.split(command)[1:]).parent is not None


def test_documented_connection_counts_match_the_settings() -> None:
    pattern = r"up to (\d+) connections with `THREADS=(\d+)`, so (\d+) pods need (\d+)"
    ((connections, threads, pods, total),) = re.findall(pattern, GUIDE)
    settings = settings_from({**SECRET, "THREADS": threads})
    assert settings.database_concurrency == int(connections)
    assert int(total) == int(pods) * int(connections)
    manifests = {each["kind"]: each for each in render("production")}
    assert manifests["ConfigMap"]["data"]["THREADS"] == threads
    assert manifests["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] == int(pods)


def test_every_mentioned_variable_is_a_setting() -> None:
    mentioned = set(re.findall(r"`([A-Z]+_[A-Z_]+)[=`]", GUIDE))
    assert mentioned <= SETTINGS
