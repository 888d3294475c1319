"""URLs on the command line, such as https://butaca.example/api/v1."""

from urllib.parse import urlsplit

import click


class HttpUrl(click.ParamType[str]):
    """An http or https URL, without slashes at its end."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a URL, and strip the slashes at its end."""
        if not _is_http(value):
            self.fail(f"{value!r} is not a URL such as https://butaca.example.", param, ctx)
        return value.rstrip("/")


def _is_http(text: str) -> bool:
    try:
        url = urlsplit(text)
        is_whole = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:  # An invalid port or IPv6 address.
        return False
    return is_whole and text.isprintable() and not set(text) & set(" ;,?#\"'<>\\")
