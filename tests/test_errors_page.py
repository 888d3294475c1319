"""The page on errors documents every problem, and no other."""

import re
from pathlib import Path

import pytest

from butaca.web import problems
from butaca.web.inputs import MAX_BODY
from butaca.web.responses import ALL

PAGE = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d{3}) \| `([a-z-]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = {code: (int(status), when, advice) for status, code, when, advice in ROW.findall(PAGE)}
RETRY_AFTER = {kind.code for bad in ALL if "Retry-After" in bad.headers for kind in bad.kinds}


def test_every_code_is_there_once_with_its_status_and_no_other() -> None:
    told = [(int(status), code) for status, code, _, _ in ROW.findall(PAGE)]

    assert sorted(told) == sorted((kind.status, kind.code) for kind in problems.ALL)


def test_the_rows_are_in_the_order_of_statuses() -> None:
    statuses = [status for status, _, _ in ROWS.values()]

    assert statuses == sorted(statuses)


@pytest.mark.parametrize("code", ROWS)
def test_a_client_is_told_to_wait_for_retry_after_where_there_is_one(code: str) -> None:
    assert ("`Retry-After`" in ROWS[code][2]) == (code in RETRY_AFTER)


def test_a_status_without_a_code_of_its_own_is_told_of_too() -> None:
    assert f"`{problems.type_for_status(416).code}`" in PAGE


def test_the_largest_body_is_the_real_one() -> None:
    assert f"{MAX_BODY // 1024} KiB" in ROWS["content-too-large"][1]


def test_no_other_code_is_named_anywhere_on_the_page() -> None:
    table_and_text = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", PAGE))

    assert table_and_text <= {kind.code for kind in problems.ALL}
