"""Signing in and out."""

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.builders import CONSUMER_TOKEN


def test_the_demo_token_is_there_already(visitor: Visitor) -> None:
    visitor.goes_to()
    expect(visitor.page.get_by_label("Your token")).to_have_value(CONSUMER_TOKEN)


def test_a_bad_token_is_told_and_asked_for_again(visitor: Visitor) -> None:
    visitor.may_fail = {401}
    visitor.goes_to()
    visitor.page.get_by_label("Your token").fill("not-mine")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(
        visitor.page.get_by_role("alert").filter(has_text="unknown, expired or revoked")
    ).to_be_visible()
    expect(visitor.page.get_by_label("Your token")).to_be_focused()
    expect(visitor.page.get_by_label("Your token")).to_have_value("not-mine")
    assert visitor.page.evaluate("getSelection().toString()") == "not-mine"
    visitor.page.get_by_label("Your token").fill(CONSUMER_TOKEN)
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()


def test_a_token_that_is_revoked_meanwhile_leads_back_to_the_entrance(visitor: Visitor) -> None:
    visitor.may_fail = {401}
    visitor.comes_in()
    visitor.page.evaluate("sessionStorage.setItem('butaca-token', 'revoked')")
    visitor.heart("Inception").click()
    expect(
        visitor.page.get_by_role("alert").filter(has_text="unknown, expired or revoked")
    ).to_be_visible()


def test_the_token_outlives_a_reload_and_not_leaving(visitor: Visitor) -> None:
    visitor.comes_in()
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()
    visitor.page.get_by_role("button", name="Sign out").click()
    expect(visitor.page.get_by_role("heading", name="Take your seat")).to_be_visible()
    assert visitor.page.evaluate("sessionStorage.length + localStorage.length") == 0
    assert visitor.page.context.cookies() == []
