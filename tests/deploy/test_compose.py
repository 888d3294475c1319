"""compose.yaml is consistent with Butaca, and publishes no database."""

from typing import Any

import pytest
import yaml

from butaca.sandbox import Sandbox
from tests.deploy.butaca_facts import SETTINGS, SHUTDOWN_SECONDS, parse_command, settings_from
from tests.deploy.dockerfile import stages
from tests.deploy.manifests import ROOT

TEXT = (ROOT / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
BUTACA_SERVICES = {
    name: service for name, service in SERVICES.items() if service["image"] == "butaca"
}


def test_all_required_services_are_defined() -> None:
    assert set(SERVICES) == {"api", "migrate", "sandbox", "redis", "postgresql"}
    assert set(BUTACA_SERVICES) == {"api", "migrate", "sandbox"}


@pytest.mark.parametrize("name", BUTACA_SERVICES)
def test_every_command_is_a_butaca_command(name: str) -> None:
    default = stages()[-1].command("CMD")
    command = parse_command(BUTACA_SERVICES[name].get("command", default))
    assert command.info_name == {"api": "serve"}.get(name, name)


@pytest.mark.parametrize("name", BUTACA_SERVICES)
def test_butaca_image_is_built_locally(name: str) -> None:
    assert BUTACA_SERVICES[name]["build"] == "."


@pytest.mark.parametrize("name", BUTACA_SERVICES)
def test_every_variable_is_a_setting(name: str) -> None:
    assert set(BUTACA_SERVICES[name].get("environment", {})) <= SETTINGS


def test_api_has_all_required_settings() -> None:
    settings = settings_from(SERVICES["api"]["environment"])
    assert settings.demo_users
    database = SERVICES["postgresql"]["environment"]
    assert settings.database_url.get_secret_value() == (
        f"postgresql+psycopg://{database['POSTGRES_USER']}@postgresql/{database['POSTGRES_DB']}"
    )
    assert settings.redis_url.get_secret_value() == "redis://redis:6379/0"


def test_header_warns_of_public_tokens() -> None:
    header = TEXT.partition("\nname:")[0]
    assert "WHOSE TOKENS ARE PUBLIC" in header
    assert "Not for production" in header


def test_api_and_browsers_use_the_sandbox() -> None:
    environment = SERVICES["api"]["environment"]
    assert environment["TMDB_BASE_URL"] == "http://sandbox:8001/3"
    assert environment["TMDB_IMAGE_BASE_URL"] == "http://127.0.0.1:8001/t/p"
    assert parse_command(SERVICES["sandbox"]["command"]).params["host"] == "0.0.0.0"
    assert parse_command(SERVICES["sandbox"]["command"]).params["port"] == 8001


def test_only_api_and_sandbox_publish_ports_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "api": ["127.0.0.1:8000:8000"],
        "sandbox": ["127.0.0.1:8001:8001"],
    }


def test_api_waits_for_the_migration_which_waits_for_postgresql() -> None:
    assert SERVICES["api"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "redis": {"condition": "service_healthy"},
    }
    assert SERVICES["migrate"]["depends_on"] == {"postgresql": {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", SERVICES)
def test_every_server_has_a_health_check(name: str) -> None:
    if name == "migrate":
        assert SERVICES[name]["healthcheck"] == {"disable": True}
    elif name == "api":
        assert stages()[-1].command("HEALTHCHECK")[0] == "python"
    else:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_sandbox_health_check_fails_once_the_sandbox_is_stopped() -> None:
    command = SERVICES["sandbox"]["healthcheck"]["test"]
    assert command[:3] == ["CMD", "python", "-Ic"]
    with Sandbox() as sandbox:
        code = compile(command[3].replace("http://127.0.0.1:8001", sandbox.url[:-2]), "", "exec")
        exec(code)
    with pytest.raises(OSError, match="refused"):
        exec(code)


@pytest.mark.parametrize("name", BUTACA_SERVICES)
def test_butaca_containers_are_read_only_and_unprivileged(name: str) -> None:
    assert BUTACA_SERVICES[name]["read_only"] is True
    assert BUTACA_SERVICES[name]["cap_drop"] == ["ALL"]
    assert BUTACA_SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_stop_grace_period_exceeds_the_shutdown_time() -> None:
    assert int(SERVICES["api"]["stop_grace_period"].removesuffix("s")) > SHUTDOWN_SECONDS


@pytest.mark.parametrize("name", set(SERVICES) - set(BUTACA_SERVICES))
def test_third_party_image_has_a_version(name: str) -> None:
    _, _, version = SERVICES[name]["image"].partition(":")
    assert version.count(".") >= 1
