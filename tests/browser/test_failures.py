"""What users see while TMDB fails, is slow, or rejects a request."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser.conftest import DevStack, Visitor, open_visitor, running_stack


def sign_in_to_uncached_search(visitor: Visitor) -> None:
    visitor.sign_in(f"#/search/{uuid4().hex}")


def notice(visitor: Visitor, title: str) -> Locator:
    return visitor.page.locator(".notice").filter(
        has=visitor.page.get_by_role("heading", name=title)
    )


def check_again_until_fresh(visitor: Visitor) -> None:
    again = visitor.stale_banner.get_by_role("button", name="Check again")
    while visitor.stale_banner.is_visible():
        with visitor.page.expect_response("**/movies/popular?*"):
            again.click()
        visitor.page.wait_for_load_state("networkidle")


def test_stale_banner_is_shown_until_the_list_is_fresh(visitor: Visitor) -> None:
    visitor.sign_in()
    expect(visitor.heart("Inception")).to_be_visible()
    expect(visitor.stale_banner).to_be_hidden()
    visitor.stack.break_tmdb("503")
    visitor.page.get_by_role("link", name="Favorites").click()
    expect(visitor.page.get_by_role("heading", name="My favorites")).to_be_visible()
    visitor.page.get_by_role("link", name="Popular", exact=True).click()
    expect(visitor.stale_banner).to_contain_text(
        "TMDB is not responding. You are seeing its response from"
    )
    expect(visitor.heart("Inception")).to_be_visible()
    visitor.stack.restore_tmdb()
    check_again_until_fresh(visitor)
    expect(visitor.heart("Inception")).to_be_visible()


def test_focus_is_kept_when_a_stale_list_is_refreshed(visitor: Visitor) -> None:
    visitor.stack.break_tmdb("503")
    visitor.sign_in()
    expect(visitor.stale_banner).to_be_visible()
    visitor.stack.restore_tmdb()
    visitor.stack.call("PUT", "/me/ratings/27205", {"stars": 5})
    visitor.heart("Inception").focus()
    visitor.page.evaluate("document.querySelector('#stale-banner button').click()")
    expect(visitor.stale_banner).to_be_hidden()
    expect(visitor.stars("Inception")).to_have_attribute("aria-valuetext", "5 of 5 stars")
    expect(visitor.heart("Inception")).to_be_focused()


def test_stale_movie_shows_the_banner(visitor: Visitor) -> None:
    visitor.stack.call("GET", "/movies/603?language=en-US")
    visitor.stack.break_tmdb("503")
    visitor.sign_in("#/movie/603")
    expect(visitor.page.get_by_role("heading", name="The Matrix")).to_be_visible()
    expect(visitor.stale_banner).to_contain_text("TMDB is not responding.")


def test_stored_movies_can_be_changed_while_tmdb_is_down(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.add_favorite("Inception")
    visitor.stack.break_tmdb("503")
    visitor.page.get_by_role("link", name="Favorites").click()
    visitor.rate("Inception", 5)
    visitor.heart("Inception").click()
    visitor.expect_announcement("Inception: removed from favorites.")


def test_503_counts_down_and_can_then_be_retried(visitor: Visitor) -> None:
    visitor.expected_statuses = {503}
    visitor.stack.break_tmdb("503")
    sign_in_to_uncached_search(visitor)
    panel = notice(visitor, "Movie catalogue unavailable")
    expect(panel).to_contain_text("No earlier response is cached.")
    expect(panel).to_contain_text("Try again in 1 second")
    visitor.stack.restore_tmdb()
    panel.get_by_role("button", name="Try again", exact=True).click()
    expect(visitor.page.locator("main")).to_contain_text("No movies match your search.")


def test_504_shows_a_timeout_notice(visitor: Visitor) -> None:
    visitor.expected_statuses = {504}
    visitor.stack.break_tmdb("hang")
    sign_in_to_uncached_search(visitor)
    expect(notice(visitor, "Movie catalogue timed out")).to_contain_text("504")


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("truncated", "Unreadable response from the movie catalogue"),
        ("object", "Unexpected response from the movie catalogue"),
        ("401", "Movie catalogue denied access"),
    ],
)
def test_502_shows_what_is_wrong_with_tmdb(visitor: Visitor, kind: str, title: str) -> None:
    visitor.expected_statuses = {502}
    visitor.stack.break_tmdb(kind)
    sign_in_to_uncached_search(visitor)
    expect(notice(visitor, title)).to_contain_text("TMDB sent no usable response")


def test_unknown_movie_shows_a_not_found_notice(visitor: Visitor) -> None:
    visitor.expected_statuses = {404}
    visitor.sign_in("#/movie/999999999")
    expect(notice(visitor, "Movie not found")).to_contain_text("There is no movie with that ID.")


def test_invalid_search_shows_the_validation_error(visitor: Visitor) -> None:
    visitor.expected_statuses = {422}
    visitor.sign_in()
    visitor.page.get_by_role("searchbox").fill("x" * 201)
    panel = notice(visitor, "Invalid request")
    expect(panel).to_contain_text("query: Must be 1 to 200 characters")


def test_rate_limited_user_sees_how_long_to_wait(context: BrowserContext, tmp_path: Path) -> None:
    with (
        running_stack(tmp_path, RATE_LIMIT_READS="2/hour") as stack,
        open_visitor(context, stack) as visitor,
    ):
        visitor.expected_statuses = {429}
        visitor.sign_in("#/search/matrix")
        visitor.expect_movies("The Matrix")
        visitor.page.reload()
        visitor.expect_movies("The Matrix")
        visitor.page.reload()
        panel = notice(visitor, "Too many requests")
        expect(panel).to_contain_text("You have reached the request limit.")
        button = panel.get_by_role("button")
        expect(button).to_be_disabled()
        expect(button).to_have_text(re.compile("Try again in (59 minutes|1 hour)"))


def test_unreachable_api_shows_a_notice(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.page.route("**/me/favorites?*", lambda route: route.abort())
    visitor.page.get_by_role("link", name="Favorites").click()
    expect(notice(visitor, "Cannot reach Butaca")).to_contain_text("CORS_ORIGINS")
    visitor.browser_errors.remove("Failed to load resource: net::ERR_FAILED")


def test_html_error_of_a_gateway_shows_its_status(visitor: Visitor, stack: DevStack) -> None:
    visitor.expected_statuses = {502}
    visitor.sign_in()
    headers = {"Access-Control-Allow-Origin": stack.page}
    visitor.page.route(
        "**/me/favorites?*",
        lambda route: route.fulfill(status=502, body="<html>Bad Gateway", headers=headers),
    )
    visitor.page.get_by_role("link", name="Favorites").click()
    expect(notice(visitor, "Status 502")).to_be_visible()
