"""Control of the sandbox over HTTP."""

from typing import Any

import pytest
import requests

from butaca.sandbox import KINDS, Sandbox


def put(sandbox: Sandbox, faults: str) -> requests.Response:
    return requests.put(f"{sandbox.control_url}/faults", data=faults, timeout=10)


def test_usage_lists_every_kind_of_fault(sandbox: Sandbox) -> None:
    usage = requests.get(sandbox.control_url, timeout=10).json()

    assert usage["kinds"] == dict(KINDS)
    assert f"curl {sandbox.control_url}/faults" in usage["examples"]


def test_usage_shows_the_settings_for_butaca(sandbox: Sandbox) -> None:
    use = requests.get(sandbox.control_url, timeout=10).json()["use"]
    export, *settings = use.split()

    assert export == "export"
    assert dict(each.split("=") for each in settings) == {
        "TMDB_BASE_URL": sandbox.url,
        "TMDB_IMAGE_BASE_URL": sandbox.image_url,
        "TMDB_TOKEN": "sandbox-token",
    }


def test_usage_shows_a_custom_token() -> None:
    with Sandbox(token="mine") as sandbox:
        usage = requests.get(sandbox.control_url, timeout=10).json()

    assert usage["use"] == sandbox.export_command
    assert usage["use"].endswith(" TMDB_TOKEN=mine")


def test_every_example_in_the_usage_works(sandbox: Sandbox) -> None:
    examples = requests.get(sandbox.control_url, timeout=10).json()["examples"]
    bodies = [example.split("'")[1] for example in examples if " -d " in example]

    assert len(bodies) == 5
    assert all(put(sandbox, body).ok for body in bodies)


def test_put_activates_and_returns_faults(sandbox: Sandbox, get: Any) -> None:
    shown = put(sandbox, '[{"kind": 503, "times": 2}]').json()

    assert get("/movie/550").status_code == 503
    assert shown[0]["kind"] == "503"
    assert shown[0]["left"] == 2
    assert requests.get(f"{sandbox.control_url}/faults", timeout=10).json()[0]["left"] == 1


def test_returned_faults_are_valid_input(sandbox: Sandbox) -> None:
    shown = put(sandbox, "429:/3/movie/*:2,hang").json()
    for fault in shown:
        del fault["left"]

    assert requests.put(f"{sandbox.control_url}/faults", json=shown, timeout=10).ok


def test_put_replaces_the_active_faults(sandbox: Sandbox, get: Any) -> None:
    put(sandbox, "503")
    put(sandbox, "429")

    assert get("/movie/550").status_code == 429


def test_delete_removes_all_faults(sandbox: Sandbox, get: Any) -> None:
    put(sandbox, "503")
    response = requests.delete(f"{sandbox.control_url}/faults", timeout=10)

    assert response.json() == []
    assert get("/movie/550").status_code == 200


@pytest.mark.parametrize("faults", ["flood", "[", "[{}]", "503:*:x", '{"kind": "503", "x": 1}'])
def test_invalid_fault_returns_400_with_a_reason(sandbox: Sandbox, faults: str) -> None:
    response = put(sandbox, faults)

    assert response.status_code == 400
    assert len(response.json()["error"]) > 15


def test_body_that_is_not_utf8_returns_400(sandbox: Sandbox) -> None:
    response = requests.put(f"{sandbox.control_url}/faults", data=b"\xff", timeout=10)

    assert response.status_code == 400


def test_invalid_fault_leaves_the_active_faults_unchanged(sandbox: Sandbox, get: Any) -> None:
    put(sandbox, "503")
    put(sandbox, "flood")

    assert get("/movie/550").status_code == 503


def test_call_counts_are_returned_and_reset(sandbox: Sandbox, get: Any) -> None:
    get("/movie/popular", page=2)
    url = f"{sandbox.control_url}/calls"
    counted = requests.get(url, timeout=10).json()

    assert counted["total"] == 1
    assert counted["paths"] == {"/3/movie/popular": 1}
    assert counted["targets"] == {"/3/movie/popular?page=2": 1}
    assert requests.delete(url, timeout=10).json()["total"] == 0


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/calls")])
def test_unsupported_method_or_path_returns_404(sandbox: Sandbox, method: str, path: str) -> None:
    assert requests.request(method, sandbox.control_url + path, timeout=10).status_code == 404
