"""Every fault, over real sockets."""

import gzip
import http.client
import json
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from butaca.sandbox import KINDS, Fault, Sandbox, faults_from


def test_refusing_hangs_up_without_a_word(sandbox: Sandbox, dial: Any) -> None:
    sandbox.inject(Fault("refuse"))

    assert dial("/3/movie/550").recv(1) == b""


def test_hanging_never_answers(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("hang"))

    with pytest.raises(requests.ReadTimeout):
        ask("/movie/550", timeout=0.05)


def test_healing_ends_what_hangs(sandbox: Sandbox, dial: Any, until: Any) -> None:
    sandbox.inject(Fault("hang", times=1))
    connection = dial("/3/movie/550")
    until(lambda: sandbox._desk.breakage.as_json()[0]["left"] == 0)
    sandbox.clear_faults()

    assert connection.recv(1) == b""


def test_a_delay_answers_in_the_end(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("delay", seconds=0.001))

    assert ask("/movie/550").json()["id"] == 550


def test_healing_ends_a_delay(sandbox: Sandbox, dial: Any, until: Any) -> None:
    sandbox.inject(Fault("delay", seconds=600, times=1))
    connection = dial("/3/movie/550")
    until(lambda: sandbox._desk.breakage.as_json()[0]["left"] == 0)
    sandbox.clear_faults()

    assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("kind", ["drip", "drip-headers"])
def test_dripping_answers_in_the_end(sandbox: Sandbox, ask: Any, kind: str) -> None:
    sandbox.inject(Fault(kind, seconds=0))

    assert ask("/movie/550").json()["id"] == 550


def test_dripping_sends_the_headers_and_one_byte(sandbox: Sandbox, dial: Any) -> None:
    sandbox.inject(Fault("drip", seconds=600))
    with dial("/3/authentication").makefile("rb") as stream:
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        headers = http.client.parse_headers(stream)
        first = stream.read(1)
        sandbox.clear_faults()
        rest = stream.read(int(headers["Content-Length"]) - 1)

    assert json.loads(first + rest)["status_code"] == 1


def test_dripping_headers_begins_with_one_byte(sandbox: Sandbox, dial: Any) -> None:
    sandbox.inject(Fault("drip-headers", seconds=600))

    assert dial("/3/movie/550").recv(1000) == b"H"


def test_a_reset_comes_in_mid_body(sandbox: Sandbox, dial: Any) -> None:
    sandbox.inject(Fault("reset"))
    stream = dial("/3/movie/550").makefile("rb")

    with stream, pytest.raises(ConnectionResetError):
        stream.read()


def test_a_cut_body_is_shorter_than_promised(sandbox: Sandbox, dial: Any) -> None:
    sandbox.inject(Fault("cut"))
    with dial("/3/movie/550").makefile("rb") as stream:
        head, _, body = stream.read().partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split()[0])

    assert 0 < len(body) < promised


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_requests_calls_a_broken_body_an_error(sandbox: Sandbox, ask: Any, kind: str) -> None:
    sandbox.inject(Fault(kind))

    with pytest.raises(requests.RequestException):
        ask("/movie/550")


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
def test_an_error_has_its_status_and_its_code(
    sandbox: Sandbox, ask: Any, kind: str, status: int, code: int
) -> None:
    sandbox.inject(Fault(kind))
    answer = ask("/movie/550")

    assert answer.status_code == status
    assert answer.json()["status_code"] == code
    assert answer.json()["success"] is False
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(("kind", "status"), [("502-html", 502), ("504-html", 504)])
def test_a_gateway_answers_in_html(sandbox: Sandbox, ask: Any, kind: str, status: int) -> None:
    sandbox.inject(Fault(kind))
    answer = ask("/movie/550")

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert "<html>" in answer.text


@pytest.mark.parametrize("wait", [2, 86_400, "soon", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_retry_after_says_whatever_it_is_told_to(sandbox: Sandbox, ask: Any, wait: Any) -> None:
    sandbox.inject(Fault("429", retry_after=wait))

    assert ask("/movie/550").headers["Retry-After"] == str(wait)


def test_truncated_json_cannot_be_read(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("truncated"))
    answer = ask("/movie/550")

    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(("kind", "content"), [("object", {}), ("list", []), ("null", None)])
def test_json_of_the_wrong_kind_is_a_200(
    sandbox: Sandbox, ask: Any, kind: str, content: object
) -> None:
    sandbox.inject(Fault(kind))
    answer = ask("/movie/550")

    assert answer.status_code == 200
    assert answer.json() == content


def test_gzip_comes_unannounced(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("gzip"))
    answer = ask("/movie/550")

    assert "Content-Encoding" not in answer.headers
    assert json.loads(gzip.decompress(answer.content))["id"] == 550


@pytest.mark.parametrize("path", ["/movie/550", "/movie/550/translations"])
def test_a_deleted_movie_is_gone(sandbox: Sandbox, ask: Any, path: str) -> None:
    sandbox.inject(Fault("deleted", ids=(550,)))

    assert ask(path).json()["status_code"] == 34
    assert ask("/movie/603").status_code == 200
    assert ask("/movie/popular").status_code == 200


def test_a_deleted_movie_is_marked_among_the_changes(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("deleted", ids=(550, 157336)))
    changes = ask("/movie/changes").json()["results"]
    adult = [one["adult"] for one in changes if one["id"] in (550, 157336)]

    assert adult == [None, None]


def test_a_fault_concerns_its_paths_only(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("503", paths="/3/search/*"))

    assert ask("/search/movie", query="x").status_code == 503
    assert ask("/movie/550").status_code == 200


def test_a_fault_strikes_so_many_times(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("503", times=2))

    assert [ask("/movie/550").status_code for _ in range(3)] == [503, 503, 200]


def test_the_first_fault_that_concerns_a_call_strikes(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("429", times=1), Fault("503"))

    assert [ask("/movie/550").status_code for _ in range(2)] == [429, 503]


@pytest.mark.parametrize(("probability", "seen"), [(0, {200}), (1, {503}), (0.5, {200, 503})])
def test_a_fault_strikes_with_its_probability(
    sandbox: Sandbox, ask: Any, probability: float, seen: set[int]
) -> None:
    sandbox.inject(Fault("503", probability=probability))

    assert {ask("/movie/550").status_code for _ in range(30)} == seen


def test_healing_switches_everything_off(sandbox: Sandbox, ask: Any) -> None:
    sandbox.inject(Fault("503"), Fault("deleted", ids=(550,)))
    sandbox.clear_faults()

    assert ask("/movie/550").status_code == 200


def test_pictures_and_switches_never_fail(sandbox: Sandbox) -> None:
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
def test_a_fault_that_makes_no_sense_says_why(fault: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        faults_from(json.dumps([fault]))


def test_faults_are_read_from_json() -> None:
    text = '[{"kind": 429, "times": 2, "retry_after": 1}, {"kind": "deleted", "ids": [550]}]'

    assert faults_from(text) == (
        Fault("429", times=2, retry_after=1),
        Fault("deleted", ids=(550,)),
    )


def test_one_fault_needs_no_list() -> None:
    assert faults_from('{"kind": "hang"}') == (Fault("hang"),)


def test_faults_are_read_from_the_short_form() -> None:
    assert faults_from("429:/3/movie/popular:2, drip ,503::1") == (
        Fault("429", paths="/3/movie/popular", times=2),
        Fault("drip"),
        Fault("503", times=1),
    )


def test_nothing_is_no_fault() -> None:
    assert faults_from("") == faults_from("  ,") == faults_from("[]") == ()


@pytest.mark.parametrize("text", ["503:*:two", "503:*:-1", "[", "nothing:*"])
def test_what_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ .* .*"):
        faults_from(text)


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
def test_a_fault_survives_being_written_and_read(fault: Fault) -> None:
    assert faults_from(json.dumps([fault.as_json()])) == (fault,)
