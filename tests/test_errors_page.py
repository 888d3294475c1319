"""The page on errors documents every problem code, and no others."""

import re
from pathlib import Path

import pytest

from butaca.web import problems
from butaca.web.inputs import MAX_BODY_SIZE
from butaca.web.responses import ALL

PAGE = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d{3}) \| `([a-z-]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = {code: (int(status), when, advice) for status, code, when, advice in ROW.findall(PAGE)}
RETRY_AFTER = {
    problem_type.code
    for response in ALL
    if "Retry-After" in response.headers
    for problem_type in response.problem_types
}


def test_every_problem_code_is_listed_once_with_its_status() -> None:
    listed = [(int(status), code) for status, code, _, _ in ROW.findall(PAGE)]

    assert sorted(listed) == sorted(
        (problem_type.status, problem_type.code) for problem_type in problems.ALL
    )


def test_rows_are_ordered_by_status() -> None:
    statuses = [status for status, _, _ in ROWS.values()]

    assert statuses == sorted(statuses)


@pytest.mark.parametrize("code", ROWS)
def test_advice_mentions_retry_after_if_the_response_has_it(code: str) -> None:
    assert ("`Retry-After`" in ROWS[code][2]) == (code in RETRY_AFTER)


def test_code_pattern_of_other_statuses_is_documented() -> None:
    assert f"`{problems.type_for_status(416).code}`" in PAGE


def test_documented_body_limit_is_the_real_one() -> None:
    assert f"{MAX_BODY_SIZE // 1024} KiB" in ROWS["content-too-large"][1]


def test_page_mentions_no_unknown_code() -> None:
    table_and_text = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", PAGE))

    assert table_and_text <= {problem_type.code for problem_type in problems.ALL}
