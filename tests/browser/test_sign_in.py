"""Signing in and out."""

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.builders import CONSUMER_TOKEN


def test_demo_token_is_prefilled(visitor: Visitor) -> None:
    visitor.open()
    expect(visitor.page.get_by_label("Your token")).to_have_value(CONSUMER_TOKEN)


def test_rejected_token_can_be_corrected(visitor: Visitor) -> None:
    visitor.expected_statuses = {401}
    visitor.open()
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


def test_revoked_token_leads_back_to_the_sign_in_page(visitor: Visitor) -> None:
    visitor.expected_statuses = {401}
    visitor.sign_in()
    visitor.page.evaluate("sessionStorage.setItem('butaca-token', 'revoked')")
    visitor.heart("Inception").click()
    expect(
        visitor.page.get_by_role("alert").filter(has_text="unknown, expired or revoked")
    ).to_be_visible()


def test_token_survives_a_reload_but_not_signing_out(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", name="Popular now")).to_be_visible()
    visitor.page.get_by_role("button", name="Sign out").click()
    expect(visitor.page.get_by_role("heading", name="Take your seat")).to_be_visible()
    assert visitor.page.evaluate("sessionStorage.length + localStorage.length") == 0
    assert visitor.page.context.cookies() == []
