"""Validation of URLs in settings and command-line arguments."""

from collections.abc import Collection
from urllib.parse import urlsplit


def is_http_url(text: str) -> bool:
    """Return whether a text is an http or https URL to append a path to.

    It must be safe to embed in a header or HTML, and have no query and no fragment.
    """
    is_safe = text.isprintable() and not set(text) & set(" ;,?#\"'<>\\")
    return is_safe and is_url(text, {"http", "https"})


def is_url(text: str, schemes: Collection[str]) -> bool:
    """Return whether a text is a URL with one of these schemes, a host, and no invalid port."""
    try:
        url = urlsplit(text)
        return url.scheme in schemes and bool(url.hostname) and url.port != 0
    except ValueError:  # An invalid port or IPv6 address.
        return False
