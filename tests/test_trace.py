"""Request IDs, trace IDs and `traceparent` (W3C Trace Context)."""

import re
import threading

import pytest

from butaca import trace

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RANDOM_ID = re.compile(r"[0-9a-f]{32}")
WELL_FORMED = [
    f"00-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{SPAN_ID}-00",
    f"00-{TRACE_ID}-{SPAN_ID}-ff",
    f"01-{TRACE_ID}-{SPAN_ID}-01",
    f"cc-{TRACE_ID}-{SPAN_ID}-01-fields-of-a-future-version",
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
def test_well_formed_traceparent_continues_the_trace(traceparent: str) -> None:
    assert trace.begin("abc", traceparent).trace_id == TRACE_ID


@pytest.mark.parametrize("traceparent", MALFORMED)
def test_malformed_traceparent_starts_a_new_trace(traceparent: str) -> None:
    current = trace.begin("abc", traceparent)
    assert current.trace_id != TRACE_ID
    assert RANDOM_ID.fullmatch(current.trace_id)
    assert not current.is_sampled


@pytest.mark.parametrize(
    ("flags", "sent_flags"), [("00", "00"), ("01", "01"), ("fe", "00"), ("ff", "01")]
)
def test_only_the_sampled_flag_is_passed_on(flags: str, sent_flags: str) -> None:
    current = trace.begin("abc", f"00-{TRACE_ID}-{SPAN_ID}-{flags}")
    assert current.new_traceparent().endswith(f"-{sent_flags}")


def test_each_upstream_call_has_its_own_span_id() -> None:
    current = trace.begin("abc", WELL_FORMED[0])
    traceparents = {current.new_traceparent() for _ in range(100)}
    assert len(traceparents) == 100
    for each in traceparents:
        assert re.fullmatch(rf"00-{TRACE_ID}-(?!{SPAN_ID})[0-9a-f]{{16}}-01", each)


def test_trace_id_serves_as_request_id_of_a_new_trace() -> None:
    current = trace.begin(None, "")
    assert current.request_id == current.trace_id


def test_requests_of_one_trace_have_different_request_ids() -> None:
    first, second = (trace.begin(None, WELL_FORMED[0]) for _ in range(2))
    assert len({first.request_id, second.request_id, TRACE_ID}) == 3


def test_ids_are_never_all_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "getrandbits", lambda bits: 0)
    current = trace.begin(None, "")
    assert current.trace_id == "0" * 31 + "1"
    assert current.new_traceparent() == f"00-{current.trace_id}-{'0' * 15}1-00"


def test_trace_is_set_only_in_its_own_thread_until_it_ends() -> None:
    trace.begin("abc", "")
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(trace.current()))
    thread.start()
    thread.join()
    assert seen == [None]
    trace.end()
    assert trace.current() is None
