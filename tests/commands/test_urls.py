"""Validation of URLs on the command line."""

import click
import pytest

from butaca.commands.urls import HttpUrl


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/api/v1",
        "https://butaca.example",
        "HTTPS://butaca.example/api/v1",
        "http://[::1]:8000/api/v1",
        "http://localhost:65535",
    ],
)
def test_valid_url_is_unchanged(text: str) -> None:
    assert HttpUrl().convert(text, None, None) == text


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_trailing_slashes_are_removed(slashes: str) -> None:
    url = "https://butaca.example/api/v1"
    assert HttpUrl().convert(url + slashes, None, None) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "butaca.example",
        "127.0.0.1:8000",
        "/api/v1",
        "ftp://butaca.example",
        "https://",
        "https:///api/v1",
        "http://butaca.example:0",
        "http://butaca.example:65536",
        "http://butaca.example:port",
        "http://[::1",
        "http://butaca.example/?page=1",
        "http://butaca.example/#top",
        "http://butaca.example; script-src *",
        "http://butaca.example\n",
    ],
)
def test_invalid_url_is_rejected(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is not a URL such as https://butaca\.example\."):
        HttpUrl().convert(text, None, None)
