"""The served contract, and the page on which users read it and try it out."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from urllib.parse import urljoin, urlsplit

import pytest
import yaml

from butaca.core.accounts import DEMO_USERS
from butaca.web import WebOptions, describe
from tests.conftest import World
from tests.contract_client import DECOMPRESS, ContractClient, decompressed

PAGE = "/docs/"
CONTRACTS = ["/openapi.json", "/openapi.yaml"]
FILES = ["favicon-32x32.png", "page.css", "start.js", "swagger-ui-bundle.js", "swagger-ui.css"]
TEXTS = [f"/docs/{name}" for name in FILES if not name.endswith(".png")]
TAGGED = [PAGE, *CONTRACTS, *(f"/docs/{name}" for name in FILES)]


class Tags(HTMLParser):
    """The tags of a page, each with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def references(page: str) -> list[str]:
    """Return what a page loads or links to: every `src` and `href`."""
    attributes = [attributes for _, attributes in Tags(page).found]
    return [each[name] or "" for each in attributes for name in ("src", "href") if name in each]


def urls_of_css(css: str) -> list[str]:
    return re.findall(r"url\(\s*[\"']?([^\"')]+)", css) + re.findall(
        r"@import\s+[\"']([^\"']+)", css
    )


def policy_of(header: str) -> dict[str, set[str]]:
    rules = (rule.split() for rule in header.split(";"))
    return {name: set(sources) for name, *sources in rules}


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/"])
def test_the_page_is_found_without_its_whole_path(path: str, anonymous: ContractClient) -> None:
    answer = anonymous.get(path, follow_redirects=True)

    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert answer.request.path == "/docs/"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_whoever_is_led_to_the_page_stays_where_they_are(
    path: str, anonymous: ContractClient
) -> None:
    answer = anonymous.get(path, headers={"Host": "evil.example"})

    assert answer.status_code == 302
    assert answer.headers["Location"] == "/docs/"


def test_every_file_of_the_page_is_served_by_us(anonymous: ContractClient) -> None:
    found = references(anonymous.get(PAGE).text)

    assert {urlsplit(each).path for each in found} == {*FILES, "/openapi.yaml"}
    for reference in found:
        where = urlsplit(urljoin(f"http://localhost{PAGE}", reference))
        assert where.netloc == "localhost"
        assert anonymous.get(f"{where.path}?{where.query}").status_code == 200


@pytest.mark.parametrize("sheet", [path for path in TEXTS if path.endswith(".css")])
def test_no_style_of_the_page_loads_from_another_host(
    sheet: str, anonymous: ContractClient
) -> None:
    urls = urls_of_css(anonymous.get(sheet).text)

    assert [url for url in urls if not url.startswith(("data:", "#"))] == []


@pytest.mark.parametrize("path", [PAGE, "/docs/start.js", "/docs/page.css"])
def test_what_is_ours_of_the_page_names_no_host(path: str, anonymous: ContractClient) -> None:
    assert "//" not in re.sub(r"^\s*//.*$", "", anonymous.get(path).text, flags=re.MULTILINE)


def test_the_page_reads_our_contract_and_asks_no_validator(anonymous: ContractClient) -> None:
    (place,) = (
        each for _, each in Tags(anonymous.get(PAGE).text).found if each.get("id") == "docs"
    )

    assert place["data-contract"] == "/openapi.json"
    assert "validatorUrl: null" in anonymous.get("/docs/start.js").text


def test_the_page_may_run_what_is_ours_and_nothing_else(anonymous: ContractClient) -> None:
    policy = policy_of(anonymous.get(PAGE).headers["Content-Security-Policy"])

    assert policy == {
        "default-src": {"'none'"},
        "base-uri": {"'none'"},
        "connect-src": {"'self'"},
        "form-action": {"'none'"},
        "frame-ancestors": {"'none'"},
        "img-src": {"'self'", "data:"},
        "script-src": {"'self'"},
        "style-src": {"'self'"},
    }


def test_the_page_has_nothing_that_its_policy_forbids(anonymous: ContractClient) -> None:
    tags = Tags(anonymous.get(PAGE).text).found

    assert [each for tag, each in tags if tag == "script" and "src" not in each] == []
    assert [tag for tag, _ in tags if tag in {"style", "base", "form", "iframe"}] == []
    names = {name for _, each in tags for name in each}
    assert [name for name in names if name == "style" or name.startswith("on")] == []


def demo_tokens(page: str) -> list[str | None]:
    return [each["data-token"] for _, each in Tags(page).found if "data-token" in each]


def test_the_page_offers_the_tokens_of_the_demo_users(world: World) -> None:
    page = world.client(WebOptions(demo_users=True)).get(PAGE).text

    assert demo_tokens(page) == [token for _, token in DEMO_USERS]
    for user, token in DEMO_USERS:
        assert user.name in page
        assert user.role.value in page
        assert f"<code>{token}</code>" in page


def test_the_page_says_nothing_of_demo_users_who_are_not_let_in(anonymous: ContractClient) -> None:
    page = anonymous.get(PAGE).text

    assert demo_tokens(page) == []
    assert "emo" not in page
    assert not [token for _, token in DEMO_USERS if token in page]


@pytest.mark.parametrize("path", TAGGED)
def test_nothing_of_the_page_is_sent_twice(path: str, anonymous: ContractClient) -> None:
    first = anonymous.get(path)

    again = anonymous.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "no-cache"
    assert again.status_code == 304
    assert again.data == b""
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers.get(name) == first.headers.get(name)


def test_what_the_page_loads_is_asked_for_once(anonymous: ContractClient) -> None:
    addresses = [each for each in references(anonymous.get(PAGE).text) if "?v=" in each]

    assert len(addresses) == len(FILES)
    for address in addresses:
        kept_for = anonymous.get(f"/docs/{address}").headers["Cache-Control"]
        assert kept_for == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("version", ["", "?v=", "?v=another", "?w=1"])
def test_a_file_of_another_version_is_not_kept_for_ever(
    version: str, anonymous: ContractClient
) -> None:
    answer = anonymous.get(f"/docs/start.js{version}")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("name", "mimetype"),
    [
        ("favicon-32x32.png", "image/png"),
        ("page.css", "text/css"),
        ("start.js", "text/javascript"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
    ],
)
def test_a_file_is_declared_as_what_it_is(
    name: str, mimetype: str, anonymous: ContractClient
) -> None:
    assert anonymous.get(f"/docs/{name}").mimetype == mimetype


@pytest.mark.parametrize("coding", DECOMPRESS)
@pytest.mark.parametrize("path", [PAGE, *CONTRACTS, "/docs/start.js", "/docs/swagger-ui.css"])
def test_a_text_is_sent_packed_and_has_one_tag_for_it(
    path: str, coding: str, anonymous: ContractClient
) -> None:
    wish = {"Accept-Encoding": f"{coding}, identity;q=0"}
    plain = anonymous.get(path)

    packed = anonymous.get(path, headers=wish)
    tag = packed.headers["ETag"]
    again = anonymous.get(path, headers={**wish, "If-None-Match": tag})

    assert decompressed(packed) == plain.data
    assert tag == f'{plain.headers["ETag"][:-1]}-{coding}"'
    assert (again.status_code, again.headers["ETag"]) == (304, tag)
    assert packed.headers["Vary"] == again.headers["Vary"] == "Accept-Encoding"


def test_a_picture_is_not_packed(anonymous: ContractClient) -> None:
    answer = anonymous.get("/docs/favicon-32x32.png", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("coding", DECOMPRESS)
def test_the_page_weighs_less_than_half_a_megabyte(coding: str, anonymous: ContractClient) -> None:
    wish = {"Accept-Encoding": coding}

    weights = [len(anonymous.get(path, headers=wish).data) for path in (PAGE, *TEXTS)]

    assert sum(weights) < 500_000


def test_swagger_ui_has_what_our_start_relies_on() -> None:
    dist = files("flask_swagger_ui") / "dist"
    bundle = (dist / "swagger-ui-bundle.js").read_text()

    for name in ("opsFilter", "preauthorizeApiKey", "persistAuthorizationIfNeeded"):
        assert name in bundle
    assert "operation-filter-input" in bundle
    assert "html.dark-mode .swagger-ui" in (dist / "swagger-ui.css").read_text()


@pytest.mark.parametrize(
    "path",
    [
        "/docs/nope.js",
        "/docs/../__init__.py",
        "/docs/%2e%2e/flask_swagger_ui.py",
        "/docs/index.html",
    ],
)
def test_nothing_but_the_files_of_the_page_is_served(path: str, anonymous: ContractClient) -> None:
    assert anonymous.get(path).status_code == 404


def test_the_contract_is_served_as_json(anonymous: ContractClient) -> None:
    answer = anonymous.get("/openapi.json")

    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert answer.json == describe().spec


def test_the_contract_is_served_as_yaml(anonymous: ContractClient) -> None:
    answer = anonymous.get("/openapi.yaml")

    assert answer.status_code == 200
    assert answer.mimetype == "application/yaml"
    assert yaml.safe_load(answer.text) == describe().spec
