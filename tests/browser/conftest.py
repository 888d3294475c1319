"""Fixtures: a real Chromium and a real `butaca dev`."""

import json
import os
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.builders import ADMIN_TOKEN, CONSUMER_TOKEN
from tests.processes import running, wait_for_line
from tests.waiting import wait_until

TIMEOUT = 10
expect.set_options(timeout=TIMEOUT * 1000)
SWITCHES = (
    "--no-sandbox",  # Chromium's sandbox needs privileges that root lacks in a container.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
FAST_SETTINGS = {
    "CACHE_TTL_SECONDS": "0.3",
    "TMDB_RETRIES": "0",
    "TMDB_COOLDOWN_SECONDS": "0.3",
    "TMDB_READ_TIMEOUT": "1",
    "RATE_LIMIT_READS": "100000/minute",
    "RATE_LIMIT_WRITES": "100000/minute",
    "LOG_LEVEL": "error",
}
"""Short times, so that cache entries expire soon, and TMDB is soon called again."""

UNSAVED_TITLES = ("Gremlins", "Tomorrowland")
"""Movies that no test stores in the library, so that changing them needs TMDB."""


@dataclass(frozen=True)
class DevStack:
    """A running `butaca dev`, with the URLs of its API, its front end and its TMDB."""

    api: str
    page: str
    sandbox: str

    @property
    def docs(self) -> str:
        return self.api.replace("/api/v1", "/docs")

    def call(
        self, method: str, path: str, body: object = None, token: str = CONSUMER_TOKEN
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.api}{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=TIMEOUT)

    def break_tmdb(self, kind: str, **more: object) -> None:
        faults = json.dumps([{"kind": kind, **more}])
        requests.put(f"{self.sandbox}/_sandbox/faults", data=faults, timeout=TIMEOUT)

    def restore_tmdb(self) -> None:
        """Remove all faults, and wait until Butaca calls TMDB again."""
        requests.delete(f"{self.sandbox}/_sandbox/faults", timeout=TIMEOUT)
        wait_until(self._calls_tmdb, seconds=30)

    def _calls_tmdb(self) -> bool:
        return "fwd=miss" in self.call("GET", "/movies/popular").headers["Cache-Status"]

    def clear_user_data(self) -> None:
        """Remove all favorites and ratings of the consumer."""
        self.call("DELETE", "/users/2/favorites", token=ADMIN_TOKEN)
        while rated := self.call("GET", "/me/ratings?page_size=100").json()["results"]:
            for rating in rated:
                self.call("DELETE", f"/me/ratings/{rating['movie']['id']}")


@contextmanager
def running_stack(folder: Path, **changes: str) -> Iterator[DevStack]:
    environment = {**FAST_SETTINGS, **changes}
    with (
        (folder / "errors.log").open("w") as errors,
        running(
            "dev", "--port", "0", environment=environment, folder=folder, stderr=errors
        ) as process,
    ):
        docs, page, sandbox = (
            re.findall(r"http://\S+", wait_for_line(process, words))[0]
            for words in ("Butaca is at", "front end", "TMDB")
        )
        wait_for_line(process, "Ctrl-C")
        yield DevStack(docs.replace("/docs", "/api/v1"), page, sandbox.removesuffix("/3"))


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevStack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: DevStack) -> DevStack:
    """A `butaca dev` with a healthy TMDB, in which the consumer has no favorites or ratings."""
    shared_stack.restore_tmdb()
    shared_stack.clear_user_data()
    return shared_stack


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium that CHROMIUM names, or else the one on the PATH."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium was not found; `make test-browser` explains how to install it."
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield chromium
        chromium.close()


@dataclass
class Visitor:
    """A user at a page, with the requests, errors and warnings of the browser."""

    page: Page
    stack: DevStack
    expected_statuses: set[int] = field(default_factory=set)
    """Status codes that the browser may report as errors."""
    requests: list[Request] = field(default_factory=list)
    browser_errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT * 1000)
        self.page.on("request", self._record_request)
        self.page.on("pageerror", lambda error: self.browser_errors.append(str(error)))
        self.page.on("console", self._record_message)

    def _record_request(self, request: Request) -> None:
        self.requests.append(request)

    def _record_message(self, message: ConsoleMessage) -> None:
        failed_request = re.search(r"responded with a status of (\d+)", message.text)
        if failed_request and int(failed_request[1]) in self.expected_statuses:
            return
        if message.type in {"error", "warning"}:
            self.browser_errors.append(message.text)

    def open(self, route: str = "") -> None:
        self.page.goto(f"{self.stack.page}/{route}")

    def sign_in(self, route: str = "") -> None:
        """Open the page and sign in with the token that is filled in."""
        self.open(route)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("banner")).to_be_visible()

    def expect_movies(self, *names: str) -> None:
        """Expect exactly these movies in the grid, in this order."""
        expect(self.page.locator(".card .name")).to_have_text(list(names))

    def heart(self, title: str) -> Locator:
        return self.page.get_by_role("button", name=f"Favorite {title}", exact=True)

    def stars(self, title: str) -> Locator:
        return self.page.get_by_role("slider", name=f"Stars for {title}", exact=True)

    def add_favorite(self, title: str) -> None:
        assert title not in UNSAVED_TITLES
        self.heart(title).click()
        self.expect_announcement(f"{title}: added to favorites.")

    def rate(self, title: str, stars: int) -> None:
        assert title not in UNSAVED_TITLES
        self.stars(title).press(str(stars))
        self.expect_announcement(f"{title}: rated {stars} of 5 stars.")

    def expect_announcement(self, text: str) -> None:
        expect(self.page.locator("#announcement")).to_have_text(text)

    @property
    def stale_banner(self) -> Locator:
        return self.page.get_by_role("complementary", name="Freshness")

    def query_strings(self, path: str) -> list[str]:
        """Return the query strings of all GETs of an API path, in order."""
        urls = [urlsplit(each.url) for each in self.requests if each.method == "GET"]
        return [url.query for url in urls if url.path == f"/api/v1{path}"]

    def check_accessibility(self, *disabled_rules: str) -> None:
        """Check the page with axe, except for the named rules."""
        rules = {name: {"enabled": False} for name in disabled_rules}
        found = Axe().run(self.page, options={"rules": rules})
        assert found.violations_count == 0, found.generate_report()


@pytest.fixture
def context_options() -> dict[str, Any]:
    """Options of the browser context, for tests to override."""
    return {}


@pytest.fixture
def context(browser: Browser, context_options: dict[str, Any]) -> Iterator[BrowserContext]:
    """A new browser context."""
    viewport = {"width": 1280, "height": 860}
    context = browser.new_context(
        **{"viewport": viewport, "color_scheme": "dark", **context_options}
    )
    yield context
    context.close()


@pytest.fixture
def visitor(context: BrowserContext, stack: DevStack) -> Iterator[Visitor]:
    """A user whose browser must report no errors and contact no other host."""
    with open_visitor(context, stack) as visitor:
        yield visitor


@contextmanager
def open_visitor(context: BrowserContext, stack: DevStack) -> Iterator[Visitor]:
    visitor = Visitor(context.new_page(), stack)
    yield visitor
    assert visitor.browser_errors == []
    assert {urlsplit(each.url).hostname for each in visitor.requests} == {"127.0.0.1"}


@pytest.fixture
def save_screenshot(visitor: Visitor) -> Callable[[str], None]:
    """Return a function that saves a screenshot to the folder SCREENSHOTS, if it is set."""

    def save(name: str) -> None:
        visitor.page.wait_for_load_state("networkidle")
        visitor.page.evaluate("document.fonts.ready")
        if folder := os.environ.get("SCREENSHOTS"):
            chromium = visitor.page.context.new_cdp_session(visitor.page)
            screenshot = chromium.send("Page.captureScreenshot", {"format": "webp", "quality": 82})
            Path(folder, f"{name}.webp").write_bytes(b64decode(screenshot["data"]))

    return save
