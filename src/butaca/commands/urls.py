"""URLs on the command line, such as https://butaca.example/api/v1."""

import click

from butaca.urls import is_http_url


class HttpUrl(click.ParamType[str]):
    """An http or https URL; trailing slashes are removed."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Validate a URL, and remove trailing slashes."""
        if not is_http_url(value):
            self.fail(f"{value!r} is not a URL such as https://butaca.example.", param, ctx)
        return value.rstrip("/")
