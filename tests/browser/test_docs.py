"""The documentation page of the API, as users read it and try it out."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor


@pytest.mark.parametrize("look", [{"color_scheme": "light"}], ids=["light"])
def test_a_route_is_tried_out_with_the_demo_token(
    visitor: Visitor, look: dict[str, Any], keep_picture: Callable[[str], None]
) -> None:
    page = visitor.page
    page.goto(visitor.stage.docs)
    expect(page.get_by_role("heading", name="Butaca")).to_be_visible()
    whose = page.get_by_role("button", name="consumer")
    whose.click()
    expect(whose).to_have_attribute("aria-pressed", "true")
    route = page.locator(".opblock").filter(has_text="Get the current user")
    keep_picture("docs")
    route.locator(".opblock-summary-control").click()
    route.get_by_role("button", name="Execute").click()
    answer = route.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text('"name": "consumer"')


def test_an_operation_is_found_by_a_word_of_its_summary(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(visitor.stage.docs)
    page.get_by_label("Search operations").fill("update a rating")
    expect(page.locator(".opblock")).to_have_count(1)
    expect(page.locator(".opblock")).to_contain_text("/api/v1/me/ratings/{movie_id}")
