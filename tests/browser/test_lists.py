"""Popular movies, search results, and the details of a movie."""

from playwright.sync_api import expect

from tests.browser.conftest import Stage, Visitor


def test_what_is_popular_is_shown_with_posters(visitor: Visitor) -> None:
    visitor.comes_in()
    expect(visitor.page.get_by_role("heading", name="Interstellar", level=2)).to_be_visible()
    expect(visitor.page.locator(".card")).to_have_count(20 - 1)
    visitor.page.wait_for_load_state("networkidle")
    first = visitor.page.locator(".card img").first
    assert first.evaluate("image => image.complete && image.naturalWidth > 0")


def test_a_movie_without_a_poster_has_its_title_there(visitor: Visitor) -> None:
    visitor.comes_in()
    poster = visitor.page.locator(".poster[data-title='The Tomorrow War 2']")
    expect(poster.locator("img")).to_have_count(0)
    shown = poster.evaluate("it => getComputedStyle(it, '::after').content")
    assert "The Tomorrow War 2" in shown


def test_more_brings_more_and_nothing_twice(visitor: Visitor) -> None:
    visitor.comes_in()
    names = visitor.page.locator(".card .name")
    expect(names).not_to_have_count(0)
    before = names.count()
    visitor.page.get_by_role("button", name="More movies").click()
    expect(names.nth(before + 10)).to_be_visible()
    links = visitor.page.locator(".card a").evaluate_all("all => all.map(each => each.hash)")
    assert len(set(links)) == len(links)


def test_the_end_of_a_list_is_told(visitor: Visitor) -> None:
    visitor.comes_in("#/search/fight%20club")
    expect(visitor.page.get_by_text("No more movies.")).to_be_visible()
    visitor.hears("1 movie: “fight club”. End of list.")


def test_an_empty_last_page_is_told_as_the_end(visitor: Visitor, stage: Stage) -> None:
    visitor.comes_in()
    expect(visitor.page.locator("#said")).to_have_text("20 movies: Popular now.")
    page = {"page": 2, "page_size": 20, "total_pages": 3, "total_results": 60, "results": []}
    headers = {"Access-Control-Allow-Origin": stage.page}
    visitor.page.route(
        "**/movies/popular?*page=2", lambda route: route.fulfill(json=page, headers=headers)
    )
    visitor.page.get_by_role("button", name="More movies").click()
    visitor.hears("End of list.")


def test_an_address_that_names_no_page_becomes_that_of_the_popular_movies(
    visitor: Visitor,
) -> None:
    visitor.comes_in("#/nonsense")
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()
    assert visitor.page.evaluate("location.hash") == "#/popular"


def test_the_skip_link_leads_into_the_page_that_is_shown(visitor: Visitor) -> None:
    visitor.comes_in("#/search/matrix")
    visitor.sees("The Matrix")
    visitor.page.get_by_role("link", name="Skip to the movies").press("Enter")
    expect(visitor.page.locator("main")).to_be_focused()
    assert visitor.page.evaluate("location.hash") == "#/search/matrix"
    visitor.sees("The Matrix")


def test_titles_are_in_the_language_that_is_chosen(visitor: Visitor) -> None:
    visitor.comes_in()
    visitor.page.get_by_label("Language of titles and descriptions").select_option("Español")
    expect(visitor.page.get_by_text("El club de la lucha")).to_be_visible()
    expect(visitor.page.locator(".grid")).to_have_attribute("lang", "es-ES")


def test_search_waits_until_the_word_is_typed(visitor: Visitor) -> None:
    visitor.comes_in()
    visitor.page.get_by_role("searchbox").press_sequentially("matrix")
    visitor.sees("The Matrix")
    assert [query.split("query=")[1] for query in visitor.asked("/movies/search")] == [
        "matrix&include=me&page=1"
    ]
    visitor.page.get_by_role("searchbox").fill("")
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()


def test_the_answer_to_an_earlier_word_is_broken_off(visitor: Visitor) -> None:
    visitor.comes_in()
    visitor.stage.break_tmdb("delay", paths="/3/search/*", seconds=30, times=1)
    with visitor.page.expect_request("**/search?*query=bar*"):
        visitor.page.get_by_role("searchbox").fill("bar")
    with visitor.page.expect_event("requestfailed") as failed:
        visitor.page.get_by_role("searchbox").fill("barbie")
    assert "query=bar&" in failed.value.url
    assert failed.value.failure == "net::ERR_ABORTED"
    visitor.sees("Barbie")


def test_words_that_nothing_has_are_told(visitor: Visitor) -> None:
    visitor.comes_in("#/search/zzzz")
    expect(visitor.page.locator("main")).to_contain_text("No movies match your search.")


def test_a_search_can_be_linked_to(visitor: Visitor) -> None:
    visitor.comes_in("#/search/matrix")
    visitor.sees("The Matrix")
    expect(visitor.page.get_by_role("searchbox")).to_have_value("matrix")


def test_a_movie_has_a_page_of_its_own(visitor: Visitor) -> None:
    visitor.comes_in()
    visitor.page.get_by_role("link", name="Fight Club").click()
    expect(visitor.page.get_by_role("heading", name="Fight Club", level=1)).to_be_focused()
    expect(visitor.page).to_have_title("Fight Club \N{EN DASH} Butaca")
    expect(visitor.page.locator("main")).to_contain_text("Drama · Thriller")
    expect(visitor.page.locator("main")).to_contain_text("October 15, 1999 · 2 h 19 min")
    visitor.page.go_back()
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()
