"""Hearts and stars, and the lists and files of them."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import UNSAVED_TITLES, Visitor


def test_heart_adds_and_removes_a_favorite(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.add_favorite("Inception")
    visitor.page.reload()
    expect(visitor.heart("Inception")).to_have_attribute("aria-pressed", "true")
    visitor.page.get_by_role("link", name="Favorites").click()
    visitor.expect_movies("Inception")
    visitor.heart("Inception").click()
    visitor.expect_announcement("Inception: removed from favorites.")
    visitor.page.reload()
    expect(visitor.page.locator("main")).to_contain_text("No favorites yet.")


def test_heart_works_by_keyboard(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.heart("Dune").press("Space")
    visitor.expect_announcement("Dune: added to favorites.")


def test_last_of_several_quick_clicks_wins(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.stack.break_tmdb("delay", paths="/3/movie/438631*", seconds=0.3)
    for _ in range(5):
        visitor.heart("Dune").click()
    visitor.expect_announcement("Dune: added to favorites.")
    expect(visitor.heart("Dune")).to_have_attribute("aria-pressed", "true")
    assert visitor.stack.call("GET", "/me/favorites").json()["total_results"] == 1


def test_failed_favorite_is_reverted_with_a_message(visitor: Visitor) -> None:
    visitor.expected_statuses = {503}
    title = UNSAVED_TITLES[0]
    visitor.sign_in(f"#/search/{title}")
    visitor.expect_movies(title)
    visitor.stack.break_tmdb("503")
    visitor.heart(title).click()
    message = visitor.page.get_by_role("alert").filter(has_text=f"{title}: change not saved.")
    expect(message).to_contain_text("The movie catalogue cannot be reached right now. Try again in")
    expect(visitor.heart(title)).to_have_attribute("aria-pressed", "false")
    visitor.page.get_by_role("button", name="Dismiss").click()
    expect(message).to_be_hidden()


def test_arrow_keys_rate_in_half_stars(visitor: Visitor) -> None:
    visitor.sign_in()
    stars = visitor.stars("Inception")
    expect(stars).to_have_attribute("aria-valuetext", "not rated")
    visitor.rate("Inception", 4)
    stars.press("ArrowRight")
    visitor.expect_announcement("Inception: rated 4.5 of 5 stars.")
    expect(stars).to_have_attribute("aria-valuetext", "4.5 of 5 stars")
    assert visitor.stack.call("GET", "/me/ratings/27205").json()["stars"] == 4.5


def test_zero_stars_differ_from_not_rated(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.stars("Inception").press("ArrowLeft")
    visitor.expect_announcement("Inception: rated 0 of 5 stars.")
    visitor.page.reload()
    expect(visitor.stars("Inception")).to_have_attribute("aria-valuetext", "0 of 5 stars")
    visitor.page.mouse.move(0, 0)
    card = visitor.page.locator(".card").filter(has_text="Inception")
    drawn = "it => getComputedStyle(it, '::before').maskImage"
    assert "star-outline.svg" in card.locator(".slider").evaluate(drawn)
    expect(card.locator(".clear")).to_contain_text("0")
    visitor.page.get_by_role("button", name="Remove 0-star rating for Inception").click()
    visitor.expect_announcement("Inception: rating removed.")
    visitor.page.reload()
    expect(visitor.stars("Inception")).to_have_attribute("aria-valuetext", "not rated")
    assert visitor.stack.call("GET", "/me/ratings/27205").status_code == 404


def test_delete_key_removes_a_rating(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.rate("Inception", 3)
    visitor.stars("Inception").press("Delete")
    visitor.expect_announcement("Inception: rating removed.")
    expect(visitor.stars("Inception")).to_be_focused()


def test_click_selects_half_stars(visitor: Visitor) -> None:
    visitor.sign_in()
    box = visitor.stars("Inception").bounding_box()
    assert box
    for stars, place in ((0, 0.2), (0.5, 0.75), (1, 1.25), (3.5, 3.75), (4, 4.25), (5, 5.25)):
        x, y = box["width"] * place / 5.5, box["height"] / 2
        visitor.stars("Inception").click(position={"x": x, "y": y})
        visitor.expect_announcement(f"Inception: rated {stars} of 5 stars.")


def test_failed_rating_is_reverted_with_a_message(visitor: Visitor) -> None:
    visitor.expected_statuses = {503}
    title = UNSAVED_TITLES[1]
    visitor.sign_in(f"#/search/{title}")
    visitor.expect_movies(title)
    visitor.stack.break_tmdb("503")
    visitor.stars(title).press("5")
    message = visitor.page.get_by_role("alert").filter(has_text=f"{title}: change not saved.")
    expect(message).to_be_visible()
    expect(visitor.stars(title)).to_have_attribute("aria-valuetext", "not rated")


def test_favorites_are_translated_and_sorted_by_date_and_rating(visitor: Visitor) -> None:
    visitor.sign_in()
    for title in ("Fight Club", "Inception", "The Matrix", "Dune"):
        visitor.add_favorite(title)
    for title, stars in (("Fight Club", 3), ("Inception", 0), ("The Matrix", 5)):
        visitor.rate(title, stars)
    visitor.page.get_by_label("Language of titles and descriptions").select_option("Español")
    visitor.page.get_by_role("link", name="Favorites").click()
    visitor.expect_movies("Duna", "Origen", "El club de la lucha", "Matrix")
    visitor.page.get_by_label("Sort by").select_option("best rated")
    visitor.expect_movies("Matrix", "El club de la lucha", "Origen", "Duna")
    expect(visitor.page.get_by_label("Sort by")).to_be_focused()
    visitor.page.get_by_label("Sort by").select_option("oldest first")
    visitor.expect_movies("Matrix", "El club de la lucha", "Origen", "Duna")
    visitor.page.get_by_label("Sort by").select_option("worst rated")
    visitor.expect_movies("Origen", "El club de la lucha", "Matrix", "Duna")


def test_ratings_list_favorites_and_other_movies(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.page.get_by_role("link", name="Ratings").click()
    expect(visitor.page.locator("main")).to_contain_text("No ratings yet.")
    visitor.page.get_by_role("link", name="Popular", exact=True).click()
    visitor.rate("Inception", 5)
    visitor.rate("Dune", 2)
    visitor.add_favorite("Dune")
    visitor.page.get_by_role("link", name="Ratings").click()
    expect(visitor.page.get_by_role("heading", name="My ratings")).to_be_visible()
    visitor.expect_movies("Dune", "Inception")
    visitor.expect_announcement("2 movies: My ratings. End of list.")
    expect(visitor.stars("Inception")).to_have_attribute("aria-valuetext", "5 of 5 stars")
    expect(visitor.heart("Inception")).to_have_attribute("aria-pressed", "false")
    expect(visitor.heart("Dune")).to_have_attribute("aria-pressed", "true")
    visitor.page.get_by_label("Sort by").select_option("best rated")
    visitor.expect_movies("Inception", "Dune")
    expect(visitor.page.get_by_label("Sort by")).to_be_focused()
    assert (
        visitor.query_strings("/me/ratings")[-1]
        == "language=en-US&sort=-rating%2C-release_date&page=1"
    )


def test_export_saves_a_file(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.rate("Inception", 5)
    visitor.page.get_by_role("link", name="Favorites").click()
    texts = {}
    for name in ("JSON", "CSV"):
        with visitor.page.expect_download() as saved:
            visitor.page.get_by_role("button", name=f"Export as {name}").click()
        visitor.expect_announcement(f"Exported: {saved.value.suggested_filename}.")
        assert saved.value.suggested_filename.startswith("butaca-export-20")
        assert saved.value.suggested_filename.endswith(f".{name.lower()}")
        texts[name] = Path(saved.value.path()).read_text()
    assert [each["title"] for each in json.loads(texts["JSON"])["movies"]] == ["Inception"]
    assert texts["CSV"].splitlines()[1].startswith("27205,Inception,2010,5,")


@pytest.mark.parametrize(
    ("name", "content_type", "body"),
    [
        ("JSON", "application/json", '{"movies":['),
        ("CSV", "text/csv", 'tmdbID,Title\r\n"This export was interrupted'),
    ],
    ids=["json", "csv"],
)
def test_incomplete_export_is_not_saved(
    visitor: Visitor, name: str, content_type: str, body: str
) -> None:
    visitor.sign_in("#/favorites")
    headers = {"Access-Control-Allow-Origin": visitor.stack.page}
    visitor.page.route(
        "**/me/export?*",
        lambda route: route.fulfill(body=body, content_type=content_type, headers=headers),
    )
    visitor.page.get_by_role("button", name=f"Export as {name}").click()
    message = visitor.page.get_by_role("alert").filter(has_text="Export failed.")
    expect(message).to_contain_text("The file is incomplete. Try again.")
