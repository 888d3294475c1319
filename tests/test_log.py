"""Logging: one line per event, errors on stderr, the rest on stdout."""

import json
import logging
import warnings

import pytest

from butaca import log, trace
from tests.builders import ADMIN_TOKEN


def test_json_line_contains_the_event_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
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
def test_errors_are_logged_only_on_stderr(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(log_format, "info")
    logging.getLogger("butaca.test").error("thing.failed")
    out, err = capsys.readouterr()
    assert out == ""
    assert "thing.failed" in err


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_json_line_contains_the_request_and_trace_ids(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    trace.begin("abc", TRACEPARENT)
    logging.getLogger("butaca.test").info("thing.happened")
    line = json.loads(capsys.readouterr().out)
    assert line["request_id"] == "abc"
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_text_line_contains_the_request_and_trace_ids(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("text", "info")
    trace.begin("abc", TRACEPARENT)
    logging.getLogger("butaca.test").info("thing.happened")
    out = capsys.readouterr().out
    assert "request_id=abc" in out
    assert "trace_id=4bf92f3577b34da6a3ce929d0e0e4736" in out


@pytest.mark.parametrize("value", ["\udce9", b"\xff", ValueError("no"), {1: object}, "a\nb\u2028c"])
def test_line_is_valid_json_for_any_field_value(
    value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("json", "info")
    logging.getLogger("butaca.test").info("thing.happened", extra={"value": value})
    (line,) = capsys.readouterr().out.split("\n")[:-1]
    assert json.loads(line)["value"]


def test_traceback_is_part_of_a_single_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    logging.getLogger("butaca.test").error("thing.broke", exc_info=ValueError("unexpected"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: unexpected" in json.loads(line)["exception"]


def test_event_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "warning")
    logging.getLogger("butaca.test").info("thing.happened")
    assert capsys.readouterr() == ("", "")


def test_python_warning_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
    assert "deprecated" in json.loads(capsys.readouterr().err)["event"]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_traceback_does_not_contain_local_variables(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(token: str) -> None:
        raise ValueError("unexpected")

    log.configure(log_format, "info")
    with pytest.raises(ValueError, match="unexpected") as caught:
        fail(ADMIN_TOKEN)
    logging.getLogger("butaca.test").error("thing.broke", exc_info=caught.value)
    err = capsys.readouterr().err
    assert "ValueError: unexpected" in err
    assert ADMIN_TOKEN not in err


def test_command_logs_audit_events_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log.audit_on_stderr()
    logging.getLogger("butaca.audit").info("token.issued", extra={"token_id": 3})
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["token_id"] == 3


def test_command_logs_only_audit_events(capsys: pytest.CaptureFixture[str]) -> None:
    log.audit_on_stderr()
    logging.getLogger("butaca.database").error("database.failed")
    assert capsys.readouterr() == ("", "")


def test_audit_events_are_logged_regardless_of_the_level(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("json", "error")
    logging.getLogger("butaca.audit").info("favorites.cleared")
    assert "favorites.cleared" in capsys.readouterr().out
