"""Fixtures: a real Chromium in front of a real `butaca dev`."""

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
QUICK = {
    "CACHE_TTL_SECONDS": "0.3",
    "TMDB_RETRIES": "0",
    "TMDB_COOLDOWN_SECONDS": "0.3",
    "TMDB_READ_TIMEOUT": "1",
    "RATE_LIMIT_READS": "100000/minute",
    "RATE_LIMIT_WRITES": "100000/minute",
    "LOG_LEVEL": "error",
}
"""Short times, so that tests need not wait: entries soon expire, and TMDB is soon retried."""

NEVER_KEPT = ("Gremlins", "Tomorrowland")
"""Movies that are never stored in the library of the stage, so that a test can depend on TMDB."""


@dataclass(frozen=True)
class Stage:
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

    def heal_tmdb(self) -> None:
        """Heal TMDB, and wait until Butaca calls it again."""
        requests.delete(f"{self.sandbox}/_sandbox/faults", timeout=TIMEOUT)
        while "fwd=miss" not in self.call("GET", "/movies/popular").headers["Cache-Status"]:
            continue

    def forget_all(self) -> None:
        """Remove all favorites and ratings of the consumer."""
        self.call("DELETE", "/users/2/favorites", token=ADMIN_TOKEN)
        while rated := self.call("GET", "/me/ratings?page_size=100").json()["results"]:
            for rating in rated:
                self.call("DELETE", f"/me/ratings/{rating['movie']['id']}")


@contextmanager
def staged(folder: Path, **changes: str) -> Iterator[Stage]:
    environment = {**QUICK, **changes}
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
        yield Stage(docs.replace("/docs", "/api/v1"), page, sandbox.removesuffix("/3"))


@pytest.fixture(scope="session")
def the_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def stage(the_stage: Stage) -> Stage:
    """A `butaca dev` with a healthy TMDB and no favorites or ratings of the consumer."""
    the_stage.heal_tmdb()
    the_stage.forget_all()
    return the_stage


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium that CHROMIUM names, or else the one on the PATH."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "There is no Chromium; `make test-browser` says how to get one."
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield chromium
        chromium.close()


@dataclass
class Visitor:
    """A user at a page, with the requests, errors and warnings of the browser."""

    page: Page
    stage: Stage
    may_fail: set[int] = field(default_factory=set)
    """Statuses that the browser may report as errors."""
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT * 1000)
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def _listen(self, message: ConsoleMessage) -> None:
        foreseen = re.search(r"responded with a status of (\d+)", message.text)
        if foreseen and int(foreseen[1]) in self.may_fail:
            return
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def goes_to(self, address: str = "") -> None:
        self.page.goto(f"{self.stage.page}/{address}")

    def comes_in(self, address: str = "") -> None:
        """Open the page and sign in with the token that is filled in."""
        self.goes_to(address)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("banner")).to_be_visible()

    def sees(self, *names: str) -> None:
        """Expect exactly these movies in the grid, in this order."""
        expect(self.page.locator(".card .name")).to_have_text(list(names))

    def heart(self, title: str) -> Locator:
        return self.page.get_by_role("button", name=f"Favorite {title}", exact=True)

    def stars(self, title: str) -> Locator:
        return self.page.get_by_role("slider", name=f"Stars for {title}", exact=True)

    def keeps(self, title: str) -> None:
        assert title not in NEVER_KEPT
        self.heart(title).click()
        self.hears(f"{title}: added to favorites.")

    def rates(self, title: str, stars: int) -> None:
        assert title not in NEVER_KEPT
        self.stars(title).press(str(stars))
        self.hears(f"{title}: rated {stars} of 5 stars.")

    def hears(self, text: str) -> None:
        expect(self.page.locator("#said")).to_have_text(text)

    @property
    def banner(self) -> Locator:
        return self.page.get_by_role("complementary", name="Freshness")

    def asked(self, path: str) -> list[str]:
        """Return the query strings of all GETs of an API path, in order."""
        urls = [urlsplit(each.url) for each in self.requests if each.method == "GET"]
        return [url.query for url in urls if url.path == f"/api/v1{path}"]

    def finds_nothing_wrong(self, *but: str) -> None:
        """Check the page with axe, except for the named rules."""
        rules = {name: {"enabled": False} for name in but}
        found = Axe().run(self.page, options={"rules": rules})
        assert found.violations_count == 0, found.generate_report()


@pytest.fixture
def look() -> dict[str, Any]:
    """Options of the browser context, for tests to override."""
    return {}


@pytest.fixture
def context(browser: Browser, look: dict[str, Any]) -> Iterator[BrowserContext]:
    """A new browser context."""
    wide = {"width": 1280, "height": 860}
    context = browser.new_context(**{"viewport": wide, "color_scheme": "dark", **look})
    yield context
    context.close()


@pytest.fixture
def visitor(context: BrowserContext, stage: Stage) -> Iterator[Visitor]:
    """A user whose browser may report no errors and contact no other host."""
    with visiting(context, stage) as visitor:
        yield visitor


@contextmanager
def visiting(context: BrowserContext, stage: Stage) -> Iterator[Visitor]:
    visitor = Visitor(context.new_page(), stage)
    yield visitor
    assert visitor.complaints == []
    assert {urlsplit(each.url).hostname for each in visitor.requests} == {"127.0.0.1"}


@pytest.fixture
def keep_picture(visitor: Visitor) -> Callable[[str], None]:
    """Return a function that saves a screenshot to the folder SCREENSHOTS, if it is set."""

    def keep(name: str) -> None:
        visitor.page.wait_for_load_state("networkidle")
        visitor.page.evaluate("document.fonts.ready")
        if folder := os.environ.get("SCREENSHOTS"):
            chromium = visitor.page.context.new_cdp_session(visitor.page)
            taken = chromium.send("Page.captureScreenshot", {"format": "webp", "quality": 82})
            Path(folder, f"{name}.webp").write_bytes(b64decode(taken["data"]))

    return keep
