"""Popular movies, search results, and the details of a movie."""

from playwright.sync_api import expect

from tests.browser.conftest import DevStack, Visitor


def test_popular_movies_are_shown_with_posters(visitor: Visitor) -> None:
    visitor.sign_in()
    expect(visitor.page.get_by_role("heading", name="Interstellar", level=2)).to_be_visible()
    expect(visitor.page.locator(".card")).to_have_count(20 - 1)
    visitor.page.wait_for_load_state("networkidle")
    first = visitor.page.locator(".card img").first
    assert first.evaluate("image => image.complete && image.naturalWidth > 0")


def test_title_replaces_a_missing_poster(visitor: Visitor) -> None:
    visitor.sign_in()
    poster = visitor.page.locator(".poster[data-title='The Tomorrow War 2']")
    expect(poster.locator("img")).to_have_count(0)
    shown = poster.evaluate("it => getComputedStyle(it, '::after').content")
    assert "The Tomorrow War 2" in shown


def test_next_page_adds_movies_without_duplicates(visitor: Visitor) -> None:
    visitor.sign_in()
    names = visitor.page.locator(".card .name")
    expect(names).not_to_have_count(0)
    before = names.count()
    visitor.page.get_by_role("button", name="More movies").click()
    expect(names.nth(before + 10)).to_be_visible()
    links = visitor.page.locator(".card a").evaluate_all("all => all.map(each => each.hash)")
    assert len(set(links)) == len(links)


def test_end_of_a_list_is_announced(visitor: Visitor) -> None:
    visitor.sign_in("#/search/fight%20club")
    expect(visitor.page.get_by_text("No more movies.")).to_be_visible()
    visitor.expect_announcement("1 movie: “fight club”. End of list.")


def test_empty_page_is_announced_as_the_end(visitor: Visitor, stack: DevStack) -> None:
    visitor.sign_in()
    expect(visitor.page.locator("#announcement")).to_have_text("20 movies: Popular now.")
    page = {"page": 2, "page_size": 20, "total_pages": 3, "total_results": 60, "results": []}
    headers = {"Access-Control-Allow-Origin": stack.page}
    visitor.page.route(
        "**/movies/popular?*page=2", lambda route: route.fulfill(json=page, headers=headers)
    )
    visitor.page.get_by_role("button", name="More movies").click()
    visitor.expect_announcement("End of list.")


def test_unknown_route_redirects_to_popular_movies(
    visitor: Visitor,
) -> None:
    visitor.sign_in("#/nonsense")
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()
    assert visitor.page.evaluate("location.hash") == "#/popular"


def test_skip_link_focuses_the_current_page(visitor: Visitor) -> None:
    visitor.sign_in("#/search/matrix")
    visitor.expect_movies("The Matrix")
    visitor.page.get_by_role("link", name="Skip to the movies").press("Enter")
    expect(visitor.page.locator("main")).to_be_focused()
    assert visitor.page.evaluate("location.hash") == "#/search/matrix"
    visitor.expect_movies("The Matrix")


def test_titles_are_in_the_selected_language(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.page.get_by_label("Language of titles and descriptions").select_option("Español")
    expect(visitor.page.get_by_text("El club de la lucha")).to_be_visible()
    expect(visitor.page.locator(".grid")).to_have_attribute("lang", "es-ES")


def test_search_is_debounced(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.page.get_by_role("searchbox").press_sequentially("matrix")
    visitor.expect_movies("The Matrix")
    assert [query.split("query=")[1] for query in visitor.query_strings("/movies/search")] == [
        "matrix&include=me&page=1"
    ]
    visitor.page.get_by_role("searchbox").fill("")
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()


def test_new_search_aborts_the_previous_request(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.stack.break_tmdb("delay", paths="/3/search/*", seconds=30, times=1)
    with visitor.page.expect_request("**/search?*query=bar*"):
        visitor.page.get_by_role("searchbox").fill("bar")
    with visitor.page.expect_event("requestfailed") as failed:
        visitor.page.get_by_role("searchbox").fill("barbie")
    assert "query=bar&" in failed.value.url
    assert failed.value.failure == "net::ERR_ABORTED"
    visitor.expect_movies("Barbie")


def test_search_without_results_shows_a_hint(visitor: Visitor) -> None:
    visitor.sign_in("#/search/zzzz")
    expect(visitor.page.locator("main")).to_contain_text("No movies match your search.")


def test_search_can_be_opened_by_url(visitor: Visitor) -> None:
    visitor.sign_in("#/search/matrix")
    visitor.expect_movies("The Matrix")
    expect(visitor.page.get_by_role("searchbox")).to_have_value("matrix")


def test_movie_link_opens_its_details(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.page.get_by_role("link", name="Fight Club").click()
    expect(visitor.page.get_by_role("heading", name="Fight Club", level=1)).to_be_focused()
    expect(visitor.page).to_have_title("Fight Club \N{EN DASH} Butaca")
    expect(visitor.page.locator("main")).to_contain_text("Drama · Thriller")
    expect(visitor.page.locator("main")).to_contain_text("October 15, 1999 · 2 h 19 min")
    visitor.page.go_back()
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()
