"""Light and dark mode, screen sizes, and accessibility without sight or a pointer."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}

in_light_and_dark_mode = pytest.mark.parametrize(
    "context_options", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"]
)
on_a_phone = pytest.mark.parametrize("context_options", [PHONE], ids=["phone"])


@in_light_and_dark_mode
def test_lists_are_accessible(visitor: Visitor, context_options: dict[str, Any]) -> None:
    visitor.open()
    expect(visitor.page.get_by_label("Your token")).to_be_visible()
    visitor.check_accessibility()
    visitor.sign_in()
    visitor.add_favorite("Inception")
    visitor.rate("Inception", 4)
    visitor.check_accessibility()
    visitor.page.get_by_role("link", name="Favorites").click()
    visitor.expect_movies("Inception")
    visitor.check_accessibility()
    visitor.page.get_by_role("link", name="Ratings").click()
    expect(visitor.page.get_by_role("heading", name="My ratings")).to_be_visible()
    visitor.expect_movies("Inception")
    visitor.check_accessibility()
    visitor.page.get_by_role("link", name="Inception").click()
    expect(visitor.page.get_by_role("heading", name="Inception", level=1)).to_be_visible()
    visitor.check_accessibility()


@in_light_and_dark_mode
def test_error_messages_are_accessible(visitor: Visitor, context_options: dict[str, Any]) -> None:
    visitor.expected_statuses = {404, 503}
    visitor.sign_in("#/movie/999999999")
    expect(visitor.page.get_by_role("heading", name="Movie not found")).to_be_visible()
    visitor.check_accessibility()
    visitor.stack.break_tmdb("503")
    visitor.page.get_by_role("link", name="Popular", exact=True).click()
    expect(visitor.stale_banner).to_be_visible()
    visitor.heart("RRR").click()
    expect(visitor.page.get_by_role("button", name="Dismiss")).to_be_visible()
    visitor.check_accessibility()


@on_a_phone
def test_pages_fit_a_phone_of_320_pixels(visitor: Visitor, context_options: dict[str, Any]) -> None:
    visitor.sign_in()
    visitor.add_favorite("Inception")
    visitor.rate("Inception", 4)
    visitor.stars("Inception").press("ArrowRight")
    visitor.expect_announcement("Inception: rated 4.5 of 5 stars.")
    screens = {
        "Popular": "Popular now",
        "Favorites": "My favorites",
        "Ratings": "My ratings",
        "Inception": "Inception",
    }
    for link, heading in screens.items():
        visitor.page.get_by_role("link", name=link, exact=True).click()
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(visitor.heart("Inception")).to_be_visible()
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 320
    visitor.check_accessibility()


@on_a_phone
def test_favorites_and_ratings_work_by_touch(
    visitor: Visitor, context_options: dict[str, Any]
) -> None:
    visitor.sign_in()
    visitor.heart("Inception").tap()
    visitor.expect_announcement("Inception: added to favorites.")
    visitor.stars("Inception").tap()
    visitor.expect_announcement("Inception: rated 2.5 of 5 stars.")


def test_all_controls_show_focus_when_reached_by_keyboard(visitor: Visitor) -> None:
    visitor.sign_in("#/search/matrix")
    visitor.expect_movies("The Matrix")
    visitor.page.get_by_role("link", name="Skip to the movies").focus()
    reached = []
    for _ in range(10):
        visitor.page.keyboard.press("Tab")
        reached.append(visitor.page.evaluate(FOCUSED_ELEMENT))
    assert [name for name, _ in reached] == [
        "Butaca",
        "Popular",
        "Favorites",
        "Ratings",
        "Search for a movie",
        "Language of titles and descriptions",
        "Sign out",
        "The Matrix",
        "Stars for The Matrix",
        "Favorite The Matrix",
    ]
    assert all(is_seen for _, is_seen in reached)


FOCUSED_ELEMENT = """() => {
    const it = document.activeElement;
    const rings = [it, it.parentElement].map((each) => getComputedStyle(each).outlineStyle);
    const name = it.ariaLabel ?? it.labels?.[0]?.textContent ?? it.textContent.trim();
    return [name, rings.includes("solid")];
}"""


def test_reduced_motion_disables_transitions(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.page.emulate_media(reduced_motion="reduce")
    poster = visitor.page.locator(".poster").first
    assert poster.evaluate("it => getComputedStyle(it).transitionDuration") == "0s"
