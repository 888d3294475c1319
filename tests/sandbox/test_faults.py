"""Every fault, over real sockets."""

import gzip
import http.client
import json
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from butaca.sandbox import KINDS, Fault, Sandbox, parse_faults
from tests.waiting import wait_until


def test_refuse_closes_the_connection_without_a_response(
    sandbox: Sandbox, send_raw_get: Any
) -> None:
    sandbox.inject(Fault("refuse"))

    assert send_raw_get("/3/movie/550").recv(1) == b""


def test_hang_never_responds(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("hang"))

    with pytest.raises(requests.ReadTimeout):
        get("/movie/550", timeout=0.05)


def test_clear_faults_ends_hanging_calls(sandbox: Sandbox, send_raw_get: Any) -> None:
    sandbox.inject(Fault("hang", times=1))
    connection = send_raw_get("/3/movie/550")
    wait_until(lambda: sandbox._handler.faults.as_json()[0]["left"] == 0)
    sandbox.clear_faults()

    assert connection.recv(1) == b""


def test_delay_responds_eventually(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("delay", seconds=0.001))

    assert get("/movie/550").json()["id"] == 550


def test_clear_faults_ends_a_delay(sandbox: Sandbox, send_raw_get: Any) -> None:
    sandbox.inject(Fault("delay", seconds=600, times=1))
    connection = send_raw_get("/3/movie/550")
    wait_until(lambda: sandbox._handler.faults.as_json()[0]["left"] == 0)
    sandbox.clear_faults()

    assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("kind", ["drip", "drip-headers"])
def test_drip_responds_eventually(sandbox: Sandbox, get: Any, kind: str) -> None:
    sandbox.inject(Fault(kind, seconds=0))

    assert get("/movie/550").json()["id"] == 550


def test_drip_sends_the_headers_and_one_byte(sandbox: Sandbox, send_raw_get: Any) -> None:
    sandbox.inject(Fault("drip", seconds=600))
    with send_raw_get("/3/authentication").makefile("rb") as stream:
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        headers = http.client.parse_headers(stream)
        first = stream.read(1)
        sandbox.clear_faults()
        rest = stream.read(int(headers["Content-Length"]) - 1)

    assert json.loads(first + rest)["status_code"] == 1


def test_drip_headers_starts_with_one_byte(sandbox: Sandbox, send_raw_get: Any) -> None:
    sandbox.inject(Fault("drip-headers", seconds=600))

    assert send_raw_get("/3/movie/550").recv(1000) == b"H"


def test_reset_happens_in_mid_body(sandbox: Sandbox, send_raw_get: Any) -> None:
    sandbox.inject(Fault("reset"))
    stream = send_raw_get("/3/movie/550").makefile("rb")

    with stream, pytest.raises(ConnectionResetError):
        stream.read()


def test_cut_body_is_shorter_than_its_content_length(sandbox: Sandbox, send_raw_get: Any) -> None:
    sandbox.inject(Fault("cut"))
    with send_raw_get("/3/movie/550").makefile("rb") as stream:
        head, _, body = stream.read().partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split()[0])

    assert 0 < len(body) < promised


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_requests_raises_an_error_for_a_broken_body(sandbox: Sandbox, get: Any, kind: str) -> None:
    sandbox.inject(Fault(kind))

    with pytest.raises(requests.RequestException):
        get("/movie/550")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("429", 429, 25),
        ("500", 500, 11),
        ("502", 502, 43),
        ("503", 503, 9),
        ("503-maintenance", 503, 46),
        ("504", 504, 24),
        ("401", 401, 7),
        ("404", 404, 34),
    ],
)
def test_error_has_its_status_and_code(
    sandbox: Sandbox, get: Any, kind: str, status: int, code: int
) -> None:
    sandbox.inject(Fault(kind))
    response = get("/movie/550")

    assert response.status_code == status
    assert response.json()["status_code"] == code
    assert response.json()["success"] is False
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(("kind", "status"), [("502-html", 502), ("504-html", 504)])
def test_gateway_error_is_html(sandbox: Sandbox, get: Any, kind: str, status: int) -> None:
    sandbox.inject(Fault(kind))
    response = get("/movie/550")

    assert response.status_code == status
    assert response.headers["Content-Type"] == "text/html"
    assert "<html>" in response.text


@pytest.mark.parametrize("wait", [2, 86_400, "soon", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_retry_after_is_sent_unchanged(sandbox: Sandbox, get: Any, wait: Any) -> None:
    sandbox.inject(Fault("429", retry_after=wait))

    assert get("/movie/550").headers["Retry-After"] == str(wait)


def test_truncated_json_cannot_be_parsed(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("truncated"))
    response = get("/movie/550")

    assert response.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        response.json()


@pytest.mark.parametrize(("kind", "content"), [("object", {}), ("list", []), ("null", None)])
def test_json_of_the_wrong_type_has_status_200(
    sandbox: Sandbox, get: Any, kind: str, content: object
) -> None:
    sandbox.inject(Fault(kind))
    response = get("/movie/550")

    assert response.status_code == 200
    assert response.json() == content


def test_gzip_omits_the_content_encoding_header(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("gzip"))
    response = get("/movie/550")

    assert "Content-Encoding" not in response.headers
    assert json.loads(gzip.decompress(response.content))["id"] == 550


@pytest.mark.parametrize("path", ["/movie/550", "/movie/550/translations"])
def test_deleted_movie_returns_404(sandbox: Sandbox, get: Any, path: str) -> None:
    sandbox.inject(Fault("deleted", ids=(550,)))

    assert get(path).json()["status_code"] == 34
    assert get("/movie/603").status_code == 200
    assert get("/movie/popular").status_code == 200


def test_deleted_movie_is_marked_in_the_changes(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("deleted", ids=(550, 157336)))
    changes = get("/movie/changes").json()["results"]
    adult = [one["adult"] for one in changes if one["id"] in (550, 157336)]

    assert adult == [None, None]


def test_fault_applies_only_to_its_paths(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("503", paths="/3/search/*"))

    assert get("/search/movie", query="x").status_code == 503
    assert get("/movie/550").status_code == 200


def test_fault_applies_as_many_times_as_requested(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("503", times=2))

    assert [get("/movie/550").status_code for _ in range(3)] == [503, 503, 200]


def test_first_matching_fault_applies(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("429", times=1), Fault("503"))

    assert [get("/movie/550").status_code for _ in range(2)] == [429, 503]


@pytest.mark.parametrize(("probability", "seen"), [(0, {200}), (1, {503}), (0.5, {200, 503})])
def test_fault_applies_with_its_probability(
    sandbox: Sandbox, get: Any, probability: float, seen: set[int]
) -> None:
    sandbox.inject(Fault("503", probability=probability))

    assert {get("/movie/550").status_code for _ in range(30)} == seen


def test_clear_faults_removes_all_faults(sandbox: Sandbox, get: Any) -> None:
    sandbox.inject(Fault("503"), Fault("deleted", ids=(550,)))
    sandbox.clear_faults()

    assert get("/movie/550").status_code == 200


def test_faults_do_not_affect_pictures_and_control_requests(sandbox: Sandbox) -> None:
    sandbox.inject(Fault("503"))

    assert requests.get(sandbox.control_url, timeout=10).ok
    assert requests.get(f"{sandbox.image_url}/w342/550-poster.svg", timeout=10).ok


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "flood"}, "unknown kind of fault 'flood'; known: refuse, hang"),
        ({"kind": "503", "times": 0}, "times must be 1 or more"),
        ({"kind": "503", "probability": 1.1}, "probability must be from 0 to 1"),
        ({"kind": "drip", "seconds": -1}, "seconds must be 0 or more"),
        ({"kind": "drip", "seconds": float("nan")}, "seconds must be 0 or more"),
        ({"kind": "429", "retry_after": "1\r\nX: y"}, "retry_after must be one line"),
        ({"kind": "deleted"}, "ids belong to the kind 'deleted', which needs them"),
        ({"kind": "503", "ids": [550]}, "ids belong to the kind 'deleted'"),
        ({"kind": "503", "path": "/"}, "unknown field 'path' of a fault; known: kind, paths"),
        ({"kind": "503", "times": "2"}, "field 'times' of a fault cannot be '2'"),
        ({"kind": "503", "times": True}, "field 'times' of a fault cannot be True"),
        ({"kind": "503", "times": [2]}, r"field 'times' of a fault cannot be \[2\]"),
        ({"kind": "deleted", "ids": ["550"]}, r"field 'ids' of a fault cannot be \['550'\]"),
        ({"kind": "deleted", "ids": 550}, "field 'ids' of a fault cannot be 550"),
        ({"paths": "*"}, "a fault is an object with a kind"),
        (503, "a fault is an object with a kind, not 503"),
    ],
)
def test_invalid_fault_raises_an_error_with_a_reason(fault: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_faults(json.dumps([fault]))


def test_faults_are_parsed_from_json() -> None:
    text = '[{"kind": 429, "times": 2, "retry_after": 1}, {"kind": "deleted", "ids": [550]}]'

    assert parse_faults(text) == (
        Fault("429", times=2, retry_after=1),
        Fault("deleted", ids=(550,)),
    )


def test_single_fault_needs_no_list() -> None:
    assert parse_faults('{"kind": "hang"}') == (Fault("hang"),)


def test_faults_are_parsed_from_the_short_form() -> None:
    assert parse_faults("429:/3/movie/popular:2, drip ,503::1") == (
        Fault("429", paths="/3/movie/popular", times=2),
        Fault("drip"),
        Fault("503", times=1),
    )


def test_empty_input_has_no_faults() -> None:
    assert parse_faults("") == parse_faults("  ,") == parse_faults("[]") == ()


@pytest.mark.parametrize("text", ["503:*:two", "503:*:-1", "[", "nothing:*"])
def test_unparsable_input_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ .* .*"):
        parse_faults(text)


@given(
    st.builds(
        Fault,
        kind=st.sampled_from(sorted(set(KINDS) - {"deleted"})),
        paths=st.text(),
        times=st.none() | st.integers(1),
        probability=st.floats(0, 1),
        seconds=st.floats(0, 1e9),
        retry_after=st.none() | st.integers() | st.just("soon"),
    )
)
def test_fault_survives_a_json_round_trip(fault: Fault) -> None:
    assert parse_faults(json.dumps([fault.as_json()])) == (fault,)
