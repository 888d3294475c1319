"""The contract as it is served, and a page to read and try it on."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
import yaml

from butaca.web import describe
from tests.contract_client import ContractClient


class References(HTMLParser):
    """What a page loads: every `src` and `href`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"src", "href"}]


def urls_of_css(css: str) -> list[str]:
    return re.findall(r"url\(\s*[\"']?([^\"')]+)", css) + re.findall(
        r"@import\s+[\"']([^\"']+)", css
    )


def policy_of(header: str) -> dict[str, set[str]]:
    rules = (rule.split() for rule in header.split(";"))
    return {name: set(sources) for name, *sources in rules}


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_is_found_with_and_without_a_slash(path: str, anonymous: ContractClient) -> None:
    answer = anonymous.get(path, follow_redirects=True)

    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert answer.request.path == "/docs/"


def test_every_file_of_the_page_is_served_by_us(anonymous: ContractClient) -> None:
    references = References(anonymous.get("/docs/").text).found

    assert len(references) >= 5
    for reference in references:
        where = urlsplit(urljoin("http://localhost/docs/", reference))
        assert where.netloc == "localhost"
        assert anonymous.get(where.path).status_code == 200


def test_no_style_of_the_page_loads_from_another_host(anonymous: ContractClient) -> None:
    sheets = [
        reference
        for reference in References(anonymous.get("/docs/").text).found
        if reference.endswith(".css")
    ]

    assert sheets
    for sheet in sheets:
        urls = urls_of_css(anonymous.get(sheet).text)
        assert [url for url in urls if not url.startswith(("data:", "#"))] == []


def test_the_page_names_no_other_host(anonymous: ContractClient) -> None:
    page = anonymous.get("/docs/").text

    hosts = {urlsplit(url).netloc for url in re.findall(r"(?:https?:)?//[\w.:-]+[^\s\"'<]*", page)}
    assert hosts <= {"localhost", ""}


def test_the_page_reads_our_contract_and_asks_no_validator(anonymous: ContractClient) -> None:
    page = anonymous.get("/docs/").text

    found = re.search(r"user_config = (\{.*?\});", page)
    assert found is not None
    config = json.loads(found[1])
    assert config["url"] == "/openapi.json"
    assert config["validatorUrl"] is None


@pytest.mark.parametrize("path", ["/docs/", "/docs/swagger-ui-bundle.js", "/docs/index.css"])
def test_the_page_may_run_what_is_ours_and_nothing_else(
    path: str, anonymous: ContractClient
) -> None:
    policy = policy_of(anonymous.get(path).headers["Content-Security-Policy"])

    assert policy["default-src"] == {"'none'"}
    assert policy["connect-src"] == {"'self'"}
    assert policy["script-src"] == {"'self'", "'unsafe-inline'"}
    assert policy["style-src"] == {"'self'", "'unsafe-inline'"}
    assert policy["frame-ancestors"] == {"'none'"}


@pytest.mark.parametrize(
    "path", ["/docs/nope.js", "/docs/../__init__.py", "/docs/%2e%2e/flask_swagger_ui.py"]
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
