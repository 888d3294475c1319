"""The log: one line per event, errors on stderr, the rest on stdout."""

import json
import logging
import warnings

import pytest

from butaca import log, trace


def test_a_line_is_json_with_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    logging.getLogger("butaca.test").info("thing.happened", extra={"user_id": 2})
    line = json.loads(capsys.readouterr().out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "thing.happened",
        "level": "info",
        "logger": "butaca.test",
        "user_id": 2,
    }


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_errors_go_to_stderr_alone(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(log_format, "info")
    logging.getLogger("butaca.test").error("thing.failed")
    out, err = capsys.readouterr()
    assert out == ""
    assert "thing.failed" in err


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_line_names_its_request_and_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    trace.begin("abc", TRACEPARENT)
    logging.getLogger("butaca.test").info("thing.happened")
    line = json.loads(capsys.readouterr().out)
    assert line["request_id"] == "abc"
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_line_of_text_names_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("text", "info")
    trace.begin("abc", TRACEPARENT)
    logging.getLogger("butaca.test").info("thing.happened")
    out = capsys.readouterr().out
    assert "request_id=abc" in out
    assert "trace_id=4bf92f3577b34da6a3ce929d0e0e4736" in out


@pytest.mark.parametrize("odd", ["\udce9", b"\xff", ValueError("no"), {1: object}, "a\nb\u2028c"])
def test_a_line_is_json_whatever_is_said(odd: object, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    logging.getLogger("butaca.test").info("thing.happened", extra={"odd": odd})
    (line,) = capsys.readouterr().out.split("\n")[:-1]
    assert json.loads(line)["odd"]


def test_a_traceback_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    logging.getLogger("butaca.test").error("thing.broke", exc_info=ValueError("unexpected"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: unexpected" in json.loads(line)["exception"]


def test_what_is_below_the_level_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "warning")
    logging.getLogger("butaca.test").info("thing.happened")
    assert capsys.readouterr() == ("", "")


def test_a_warning_of_python_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    assert "old ways" in json.loads(capsys.readouterr().err)["event"]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_local_variable(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(token: str) -> None:
        raise ValueError("unexpected")

    log.configure(log_format, "info")
    with pytest.raises(ValueError, match="unexpected") as caught:
        fail("abcdef" + "1234567890")
    logging.getLogger("butaca.test").error("thing.broke", exc_info=caught.value)
    err = capsys.readouterr().err
    assert "ValueError: unexpected" in err
    assert "abcdef1234567890" not in err


def test_a_command_tells_its_audit_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log.audit_on_stderr()
    logging.getLogger("butaca.audit").info("token.issued", extra={"token_id": 3})
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["token_id"] == 3


def test_a_command_tells_nothing_else_by_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    log.audit_on_stderr()
    logging.getLogger("butaca.database").error("database.failed")
    assert capsys.readouterr() == ("", "")


def test_the_audit_is_told_whatever_else_is(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "error")
    logging.getLogger("butaca.audit").info("favorites.cleared")
    assert "favorites.cleared" in capsys.readouterr().out
