"""The responses of a failing TMDB, as far as the fault concerns the response itself."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace

from butaca.sandbox.answers import Answer, gateway_page, json_answer, refusal
from butaca.sandbox.faults import Fault

INSTEAD: Mapping[str, Answer] = {
    "429": refusal(25),
    "500": refusal(11),
    "502": refusal(43),
    "502-html": gateway_page(502, "Bad Gateway"),
    "503": refusal(9),
    "503-maintenance": refusal(46),
    "504": refusal(24),
    "504-html": gateway_page(504, "Gateway Time-out"),
    "401": refusal(7),
    "404": refusal(34),
    "deleted": refusal(34),
    "object": json_answer({}),
    "list": json_answer([]),
    "null": json_answer(None),
}


def _truncated(answer: Answer) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def _gzipped(answer: Answer) -> Answer:
    return replace(answer, body=gzip.compress(answer.body, mtime=0))


AFTERWARDS: Mapping[str, Callable[[Answer], Answer]] = {"truncated": _truncated, "gzip": _gzipped}


def spoiled(answer: Answer, fault: Fault) -> Answer:
    """Apply a fault to a response; faults of the connection do not change it."""
    if fault.kind in AFTERWARDS:
        return AFTERWARDS[fault.kind](answer)
    instead = INSTEAD.get(fault.kind, answer)
    if fault.retry_after is None:
        return instead
    return replace(instead, headers={**instead.headers, "Retry-After": str(fault.retry_after)})
