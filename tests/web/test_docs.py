"""The served contract, and the documentation page that shows it."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from urllib.parse import urljoin, urlsplit

import pytest
import yaml

from butaca.core.accounts import DEMO_USERS
from butaca.web import WebOptions, describe
from tests.conftest import FakeBackend
from tests.contract_client import DECOMPRESS, ContractClient, decompressed

PAGE = "/docs/"
CONTRACTS = ["/openapi.json", "/openapi.yaml"]
FILES = ["favicon-32x32.png", "page.css", "start.js", "swagger-ui-bundle.js", "swagger-ui.css"]
TEXTS = [f"/docs/{name}" for name in FILES if not name.endswith(".png")]
CONDITIONAL = [PAGE, *CONTRACTS, *(f"/docs/{name}" for name in FILES)]


class Tags(HTMLParser):
    """Collects the HTML tags of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def references(page: str) -> list[str]:
    """Return every `src` and `href` of a page."""
    attributes = [attributes for _, attributes in Tags(page).found]
    return [each[name] or "" for each in attributes for name in ("src", "href") if name in each]


def urls_of_css(css: str) -> list[str]:
    return re.findall(r"url\(\s*[\"']?([^\"')]+)", css) + re.findall(
        r"@import\s+[\"']([^\"']+)", css
    )


def policy_of(header: str) -> dict[str, set[str]]:
    directives = (directive.split() for directive in header.split(";"))
    return {name: set(sources) for name, *sources in directives}


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/"])
def test_short_paths_redirect_to_the_page(path: str, anonymous: ContractClient) -> None:
    response = anonymous.get(path, follow_redirects=True)

    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert response.request.path == "/docs/"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_redirect_does_not_use_the_host_header(path: str, anonymous: ContractClient) -> None:
    response = anonymous.get(path, headers={"Host": "evil.example"})

    assert response.status_code == 302
    assert response.headers["Location"] == "/docs/"


def test_every_file_of_the_page_is_served_from_the_same_host(anonymous: ContractClient) -> None:
    found = references(anonymous.get(PAGE).text)

    assert {urlsplit(each).path for each in found} == {*FILES, "/openapi.yaml"}
    for reference in found:
        url = urlsplit(urljoin(f"http://localhost{PAGE}", reference))
        assert url.netloc == "localhost"
        assert anonymous.get(f"{url.path}?{url.query}").status_code == 200


@pytest.mark.parametrize("sheet", [path for path in TEXTS if path.endswith(".css")])
def test_stylesheets_load_nothing_from_another_host(sheet: str, anonymous: ContractClient) -> None:
    urls = urls_of_css(anonymous.get(sheet).text)

    assert [url for url in urls if not url.startswith(("data:", "#"))] == []


@pytest.mark.parametrize("path", [PAGE, "/docs/start.js", "/docs/page.css"])
def test_own_files_of_the_page_contain_no_absolute_url(
    path: str, anonymous: ContractClient
) -> None:
    assert "//" not in re.sub(r"^\s*//.*$", "", anonymous.get(path).text, flags=re.MULTILINE)


def test_page_loads_the_contract_and_uses_no_online_validator(anonymous: ContractClient) -> None:
    (element,) = (
        each for _, each in Tags(anonymous.get(PAGE).text).found if each.get("id") == "docs"
    )

    assert element["data-contract"] == "/openapi.json"
    assert "validatorUrl: null" in anonymous.get("/docs/start.js").text


def test_policy_allows_only_files_of_the_same_host(anonymous: ContractClient) -> None:
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


def test_page_contains_nothing_that_its_policy_forbids(anonymous: ContractClient) -> None:
    tags = Tags(anonymous.get(PAGE).text).found

    assert [each for tag, each in tags if tag == "script" and "src" not in each] == []
    assert [tag for tag, _ in tags if tag in {"style", "base", "form", "iframe"}] == []
    names = {name for _, each in tags for name in each}
    assert [name for name in names if name == "style" or name.startswith("on")] == []


def demo_tokens(page: str) -> list[str | None]:
    return [each["data-token"] for _, each in Tags(page).found if "data-token" in each]


def test_page_offers_the_tokens_of_enabled_demo_users(backend: FakeBackend) -> None:
    page = backend.client(WebOptions(demo_users=True)).get(PAGE).text

    assert demo_tokens(page) == [token for _, token in DEMO_USERS]
    for user, token in DEMO_USERS:
        assert user.name in page
        assert user.role.value in page
        assert f"<code>{token}</code>" in page


def test_page_does_not_mention_disabled_demo_users(anonymous: ContractClient) -> None:
    page = anonymous.get(PAGE).text

    assert demo_tokens(page) == []
    assert "emo" not in page
    assert not [token for _, token in DEMO_USERS if token in page]


@pytest.mark.parametrize("path", CONDITIONAL)
def test_matching_etag_is_answered_with_304(path: str, anonymous: ContractClient) -> None:
    first = anonymous.get(path)

    not_modified = anonymous.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "no-cache"
    assert not_modified.status_code == 304
    assert not_modified.data == b""
    for name in ("ETag", "Cache-Control", "Vary"):
        assert not_modified.headers.get(name) == first.headers.get(name)


def test_versioned_files_are_immutable(anonymous: ContractClient) -> None:
    urls = [each for each in references(anonymous.get(PAGE).text) if "?v=" in each]

    assert len(urls) == len(FILES)
    for url in urls:
        cache_control = anonymous.get(f"/docs/{url}").headers["Cache-Control"]
        assert cache_control == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("version", ["", "?v=", "?v=another", "?w=1"])
def test_file_without_the_current_version_is_revalidated(
    version: str, anonymous: ContractClient
) -> None:
    response = anonymous.get(f"/docs/start.js{version}")

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-cache"


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
def test_file_has_its_media_type(name: str, mimetype: str, anonymous: ContractClient) -> None:
    assert anonymous.get(f"/docs/{name}").mimetype == mimetype


@pytest.mark.parametrize("coding", DECOMPRESS)
@pytest.mark.parametrize("path", [PAGE, *CONTRACTS, "/docs/start.js", "/docs/swagger-ui.css"])
def test_text_is_compressed_with_its_own_etag(
    path: str, coding: str, anonymous: ContractClient
) -> None:
    headers = {"Accept-Encoding": f"{coding}, identity;q=0"}
    plain = anonymous.get(path)

    compressed = anonymous.get(path, headers=headers)
    tag = compressed.headers["ETag"]
    not_modified = anonymous.get(path, headers={**headers, "If-None-Match": tag})

    assert decompressed(compressed) == plain.data
    assert tag == f'{plain.headers["ETag"][:-1]}-{coding}"'
    assert (not_modified.status_code, not_modified.headers["ETag"]) == (304, tag)
    assert compressed.headers["Vary"] == not_modified.headers["Vary"] == "Accept-Encoding"


def test_image_is_not_compressed(anonymous: ContractClient) -> None:
    response = anonymous.get("/docs/favicon-32x32.png", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


@pytest.mark.parametrize("coding", DECOMPRESS)
def test_compressed_page_is_smaller_than_500_kb(coding: str, anonymous: ContractClient) -> None:
    headers = {"Accept-Encoding": coding}

    sizes = [len(anonymous.get(path, headers=headers).data) for path in (PAGE, *TEXTS)]

    assert sum(sizes) < 500_000


def test_swagger_ui_contains_what_start_js_uses() -> None:
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
def test_only_the_files_of_the_page_are_served(path: str, anonymous: ContractClient) -> None:
    assert anonymous.get(path).status_code == 404


def test_contract_is_served_as_json(anonymous: ContractClient) -> None:
    response = anonymous.get("/openapi.json")

    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.json == describe().spec


def test_contract_is_served_as_yaml(anonymous: ContractClient) -> None:
    response = anonymous.get("/openapi.yaml")

    assert response.status_code == 200
    assert response.mimetype == "application/yaml"
    assert yaml.safe_load(response.text) == describe().spec
