"""The documentation page of the API, as users read it and try it out."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visitor

SWAGGER_UI_RULES = (
    "heading-order",
    "label",
    "landmark-unique",
    "nested-interactive",
    "region",
    "scrollable-region-focusable",
    "select-name",
)
"""Rules of axe that the markup of Swagger UI breaks."""

PHONES = {
    f"{width}": {"viewport": {"width": width, "height": 800}, "has_touch": True, "is_mobile": True}
    for width in (320, 390)
}


def open_operation(visitor: Visitor, summary: str) -> Locator:
    """Open an operation of the page, and return it."""
    route = visitor.page.locator(".opblock").filter(has_text=summary)
    route.locator(".opblock-summary-control").click()
    expect(route.get_by_role("button", name="Execute")).to_be_visible()
    return route


def execute(visitor: Visitor, summary: str) -> Locator:
    """Open an operation, execute it as it is filled in, and return the response."""
    route = open_operation(visitor, summary)
    route.get_by_role("button", name="Execute").click()
    response = route.locator(".live-responses-table .response")
    expect(response).to_be_visible()
    return response


@pytest.mark.parametrize("context_options", [{"color_scheme": "light"}], ids=["light"])
def test_operation_is_executed_with_the_demo_token(
    visitor: Visitor, context_options: dict[str, Any], save_screenshot: Callable[[str], None]
) -> None:
    page = visitor.page
    page.goto(visitor.stack.docs)
    expect(page.get_by_role("heading", name="Butaca")).to_be_visible()
    user_button = page.get_by_role("button", name="consumer")
    user_button.click()
    expect(user_button).to_have_attribute("aria-pressed", "true")
    save_screenshot("docs")
    response = execute(visitor, "Get the current user")
    expect(response.locator(".response-col_status")).to_contain_text("200")
    expect(response).to_contain_text('"name": "consumer"')


def test_search_finds_an_operation_by_its_summary(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(visitor.stack.docs)
    page.get_by_label("Search operations").fill("update a rating")
    expect(page.locator(".opblock")).to_have_count(1)
    expect(page.locator(".opblock")).to_contain_text("/api/v1/me/ratings/{movie_id}")


def test_operation_is_executed_with_its_prefilled_parameters(visitor: Visitor) -> None:
    visitor.page.goto(visitor.stack.docs)
    visitor.page.get_by_role("button", name="consumer").click()
    response = execute(visitor, "Search movies by title")
    expect(response.locator(".response-col_status")).to_contain_text("200")
    expect(response).to_contain_text('"title": "Fight Club"')
    assert visitor.query_strings("/movies/search") == ["page=1&query=fight"]
    assert "if-none-match" not in visitor.requests[-1].headers


def test_every_parameter_shows_its_description(visitor: Visitor) -> None:
    visitor.page.goto(visitor.stack.docs)
    summaries = visitor.page.locator(".opblock-summary-control")
    expect(summaries).not_to_have_count(0)
    for summary in summaries.all():
        summary.click()
    expect(visitor.page.get_by_role("button", name="Execute")).to_have_count(summaries.count())
    rows = visitor.page.locator("tr[data-param-in]")
    assert rows.count() > 30
    for row in rows.all():
        expect(row.locator(".renderedMarkdown")).to_have_text(re.compile(r"\w"))


def test_schemas_are_listed_on_request(visitor: Visitor) -> None:
    visitor.page.goto(visitor.stack.docs)
    schemas = visitor.page.locator(".models .json-schema-2020-12")
    expect(visitor.page.get_by_role("button", name="Schemas")).to_be_visible()
    expect(schemas).to_have_count(0)
    visitor.page.get_by_role("button", name="Schemas").click()
    expect(schemas).not_to_have_count(0)


@pytest.mark.parametrize("context_options", PHONES.values(), ids=PHONES)
def test_operation_fits_the_width_of_a_phone(
    visitor: Visitor, context_options: dict[str, Any]
) -> None:
    page, width = visitor.page, context_options["viewport"]["width"]
    page.goto(visitor.stack.docs)
    page.get_by_role("button", name="consumer").click()
    for part in (".opblock-tag small", ".operation-filter-input"):
        box = page.locator(part).first.bounding_box()
        assert box
        assert box["width"] > width - 70
    response = execute(visitor, "Rate a movie")
    expect(response).to_contain_text('"stars"')
    expect(page.get_by_text("$response.body").first).to_be_hidden()
    execute(visitor, "Search movies by title")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for part in (".response-col_description", ".parameters-col_description", ".header-col"):
        shown = [each for each in page.locator(part).all() if each.is_visible()]
        boxes = [each.bounding_box() for each in shown]
        assert boxes
        assert all(box and box["width"] > width * 0.6 for box in boxes)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible_in_light_and_dark_mode(visitor: Visitor, scheme: str) -> None:
    page = visitor.page
    page.goto(visitor.stack.docs)
    page.get_by_role("button", name="consumer").click()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    lightness = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]"
    assert (int(page.evaluate(lightness)) < 50) == (scheme == "dark")
    expect(page.locator("html.dark-mode")).to_have_count(int(scheme == "dark"))
    execute(visitor, "Rate a movie")
    execute(visitor, "Search movies by title")
    for each in ("Add a movie", "Remove a movie", "Update a rating"):
        open_operation(visitor, each)
    page.get_by_role("button", name="Schemas").click()
    visitor.check_accessibility(*SWAGGER_UI_RULES)
