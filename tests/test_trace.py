"""The IDs of a request in the log and upstream (W3C Trace Context)."""

import re
import threading

import pytest

from butaca import trace

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MADE = re.compile(r"[0-9a-f]{32}")
WELL_FORMED = [
    f"00-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{SPAN_ID}-00",
    f"00-{TRACE_ID}-{SPAN_ID}-ff",
    f"01-{TRACE_ID}-{SPAN_ID}-01",
    f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-will-be-like",
]
MALFORMED = [
    "",
    " ",
    "00",
    TRACE_ID,
    f"00-{TRACE_ID}-{SPAN_ID}",
    f"00-{TRACE_ID}-{SPAN_ID}-1",
    f"00-{TRACE_ID}-{SPAN_ID}-01-",
    f"00-{TRACE_ID}-{SPAN_ID}-01-more",
    f"cc-{TRACE_ID}-{SPAN_ID}-01.more",
    f"ff-{TRACE_ID}-{SPAN_ID}-01",
    f"0-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{'0' * 32}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
    f"00-{TRACE_ID[1:]}-{SPAN_ID}-01",
    f"00-{TRACE_ID}x-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{SPAN_ID}-0g",
    f"00_{TRACE_ID}_{SPAN_ID}_01",
    f"00-{TRACE_ID}-{SPAN_ID}-01\n",
    f" 00-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{SPAN_ID}-01,00-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{'٣' * 32}-{SPAN_ID}-01",
    "x" * 100_000,
]


@pytest.mark.parametrize("traceparent", WELL_FORMED)
def test_a_trace_goes_on(traceparent: str) -> None:
    assert trace.begin("mine", traceparent).trace_id == TRACE_ID


@pytest.mark.parametrize("traceparent", MALFORMED)
def test_what_is_malformed_begins_a_trace_anew(traceparent: str) -> None:
    begun = trace.begin("mine", traceparent)
    assert begun.trace_id != TRACE_ID
    assert MADE.fullmatch(begun.trace_id)
    assert not begun.is_sampled


@pytest.mark.parametrize(
    ("flags", "onward"), [("00", "00"), ("01", "01"), ("fe", "00"), ("ff", "01")]
)
def test_only_the_flag_that_we_know_goes_on(flags: str, onward: str) -> None:
    begun = trace.begin("mine", f"00-{TRACE_ID}-{SPAN_ID}-{flags}")
    assert begun.onward().endswith(f"-{onward}")


def test_each_call_upstream_is_a_span_of_its_own() -> None:
    begun = trace.begin("mine", WELL_FORMED[0])
    onward = {begun.onward() for _ in range(100)}
    assert len(onward) == 100
    for each in onward:
        assert re.fullmatch(rf"00-{TRACE_ID}-(?!{SPAN_ID})[0-9a-f]{{16}}-01", each)


def test_what_begins_a_trace_is_called_by_it() -> None:
    begun = trace.begin(None, "")
    assert begun.request_id == begun.trace_id


def test_two_requests_of_one_trace_have_names_of_their_own() -> None:
    first, second = (trace.begin(None, WELL_FORMED[0]) for _ in range(2))
    assert len({first.request_id, second.request_id, TRACE_ID}) == 3


def test_no_id_is_of_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "getrandbits", lambda bits: 0)
    begun = trace.begin(None, "")
    assert begun.trace_id == "0" * 31 + "1"
    assert begun.onward() == f"00-{begun.trace_id}-{'0' * 15}1-00"


def test_another_thread_works_for_nobody() -> None:
    trace.begin("mine", "")
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(trace.current()))
    thread.start()
    thread.join()
    assert seen == [None]
    trace.end()
    assert trace.current() is None
