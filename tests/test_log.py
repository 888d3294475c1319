"""The log: one line per event, errors on stderr, the rest on stdout."""

import json
import logging
import warnings

import pytest
from structlog.contextvars import bound_contextvars

from butaca import log


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


def test_a_line_names_its_request(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    with bound_contextvars(request_id="abc"):
        logging.getLogger("butaca.test").info("thing.happened")
    assert json.loads(capsys.readouterr().out)["request_id"] == "abc"


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


def test_the_audit_is_told_whatever_else_is(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "error")
    logging.getLogger("butaca.audit").info("favorites.cleared")
    assert "favorites.cleared" in capsys.readouterr().out
