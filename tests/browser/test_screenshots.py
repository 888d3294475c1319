"""Screenshots of the page. `make screenshots` saves them in docs/."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

SaveScreenshot = Callable[[str], None]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LIGHT = {"color_scheme": "light"}
LEVEL = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]"
STARS = {
    "Oppenheimer": 4,
    "Dune": 5,
    "Parasite": 5,
    "Inception": 4,
    "The Dark Knight": 3,
    "Spirited Away": 5,
    "Fight Club": 0,
    "The Matrix": 4,
    "Pulp Fiction": 3,
}


def add_favorites_and_ratings(visitor: Visitor) -> None:
    for title, stars in STARS.items():
        visitor.add_favorite(title)
        visitor.rate(title, stars)
    for title in ("Oppenheimer", "Inception", "The Matrix"):
        visitor.stars(title).press("ArrowRight")
        visitor.expect_announcement(f"{title}: rated 4.5 of 5 stars.")
    for title in ("Barbie", "Forrest Gump", "The Godfather"):
        visitor.add_favorite(title)
    visitor.page.mouse.move(0, 0)


@pytest.mark.parametrize("context_options", [LIGHT], ids=["light"])
def test_popular_page_is_captured_in_light_mode(
    visitor: Visitor, context_options: dict[str, Any], save_screenshot: SaveScreenshot
) -> None:
    visitor.sign_in()
    visitor.add_favorite("Interstellar")
    visitor.rate("Interstellar", 5)
    visitor.page.evaluate("document.activeElement.blur()")
    save_screenshot("popular-light")
    assert int(visitor.page.evaluate(LEVEL)) > 240


def test_favorites_page_is_captured_in_dark_mode(
    visitor: Visitor, save_screenshot: SaveScreenshot
) -> None:
    visitor.sign_in()
    add_favorites_and_ratings(visitor)
    visitor.page.get_by_role("link", name="Favorites").click()
    visitor.page.get_by_label("Sort by").select_option("best rated")
    expect(visitor.page.locator(".card .name").first).to_have_text("Dune")
    visitor.page.evaluate("document.activeElement.blur()")
    save_screenshot("favorites-dark")
    assert int(visitor.page.evaluate(LEVEL)) < 20


def test_stale_banner_is_captured_in_dark_mode(
    visitor: Visitor, save_screenshot: SaveScreenshot
) -> None:
    visitor.stack.break_tmdb("503")
    visitor.sign_in()
    expect(visitor.stale_banner).to_contain_text("TMDB is not responding.")
    save_screenshot("stale-dark")


@pytest.mark.parametrize("context_options", [PHONE], ids=["phone"])
def test_movie_page_is_captured_on_a_phone(
    visitor: Visitor, context_options: dict[str, Any], save_screenshot: SaveScreenshot
) -> None:
    visitor.sign_in()
    visitor.add_favorite("Dune")
    visitor.rate("Dune", 4)
    visitor.page.get_by_role("link", name="Dune", exact=True).click()
    expect(visitor.page.get_by_role("heading", name="Dune", level=1)).to_be_visible()
    save_screenshot("phone")
