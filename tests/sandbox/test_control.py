"""Control of the sandbox over HTTP."""

from typing import Any

import pytest
import requests

from butaca.sandbox import KINDS, Sandbox


def put(sandbox: Sandbox, faults: str) -> requests.Response:
    return requests.put(f"{sandbox.control_url}/faults", data=faults, timeout=10)


def test_the_front_page_tells_every_kind(sandbox: Sandbox) -> None:
    guide = requests.get(sandbox.control_url, timeout=10).json()

    assert guide["kinds"] == dict(KINDS)
    assert f"curl {sandbox.control_url}/faults" in guide["examples"]


def test_the_front_page_tells_the_settings_that_lead_to_the_sandbox(sandbox: Sandbox) -> None:
    use = requests.get(sandbox.control_url, timeout=10).json()["use"]
    export, *settings = use.split()

    assert export == "export"
    assert dict(each.split("=") for each in settings) == {
        "TMDB_BASE_URL": sandbox.url,
        "TMDB_IMAGE_BASE_URL": sandbox.image_url,
        "TMDB_TOKEN": "sandbox-token",
    }


def test_the_front_page_tells_the_token_that_was_chosen() -> None:
    with Sandbox(token="mine") as sandbox:
        guide = requests.get(sandbox.control_url, timeout=10).json()

    assert guide["use"] == sandbox.exports
    assert guide["use"].endswith(" TMDB_TOKEN=mine")


def test_every_example_of_the_front_page_works(sandbox: Sandbox) -> None:
    examples = requests.get(sandbox.control_url, timeout=10).json()["examples"]
    bodies = [example.split("'")[1] for example in examples if " -d " in example]

    assert len(bodies) == 5
    assert all(put(sandbox, body).ok for body in bodies)


def test_faults_are_switched_on_and_shown(sandbox: Sandbox, ask: Any) -> None:
    shown = put(sandbox, '[{"kind": 503, "times": 2}]').json()

    assert ask("/movie/550").status_code == 503
    assert shown[0]["kind"] == "503"
    assert shown[0]["left"] == 2
    assert requests.get(f"{sandbox.control_url}/faults", timeout=10).json()[0]["left"] == 1


def test_faults_are_shown_as_they_may_be_put(sandbox: Sandbox) -> None:
    shown = put(sandbox, "429:/3/movie/*:2,hang").json()
    for fault in shown:
        del fault["left"]

    assert requests.put(f"{sandbox.control_url}/faults", json=shown, timeout=10).ok


def test_putting_replaces_what_was_on(sandbox: Sandbox, ask: Any) -> None:
    put(sandbox, "503")
    put(sandbox, "429")

    assert ask("/movie/550").status_code == 429


def test_faults_are_switched_off(sandbox: Sandbox, ask: Any) -> None:
    put(sandbox, "503")
    answer = requests.delete(f"{sandbox.control_url}/faults", timeout=10)

    assert answer.json() == []
    assert ask("/movie/550").status_code == 200


@pytest.mark.parametrize("faults", ["flood", "[", "[{}]", "503:*:x", '{"kind": "503", "x": 1}'])
def test_what_is_no_fault_is_a_400_that_says_why(sandbox: Sandbox, faults: str) -> None:
    answer = put(sandbox, faults)

    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 15


def test_bytes_that_are_no_text_are_a_400(sandbox: Sandbox) -> None:
    answer = requests.put(f"{sandbox.control_url}/faults", data=b"\xff", timeout=10)

    assert answer.status_code == 400


def test_a_bad_fault_leaves_the_others_on(sandbox: Sandbox, ask: Any) -> None:
    put(sandbox, "503")
    put(sandbox, "flood")

    assert ask("/movie/550").status_code == 503


def test_calls_are_read_and_forgotten(sandbox: Sandbox, ask: Any) -> None:
    ask("/movie/popular", page=2)
    url = f"{sandbox.control_url}/calls"
    counted = requests.get(url, timeout=10).json()

    assert counted["total"] == 1
    assert counted["paths"] == {"/3/movie/popular": 1}
    assert counted["targets"] == {"/3/movie/popular?page=2": 1}
    assert requests.delete(url, timeout=10).json()["total"] == 0


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/calls")])
def test_there_is_nothing_else(sandbox: Sandbox, method: str, path: str) -> None:
    assert requests.request(method, sandbox.control_url + path, timeout=10).status_code == 404
