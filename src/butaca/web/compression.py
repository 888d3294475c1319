"""Compresses bodies with a coding that the client accepts (RFC 9110, 12.5.3), each body once."""

import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from gzip import compress as gzip
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING

from cachetools import LRUCache, cached
from flask import Response, request
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

if sys.version_info >= (3, 14):  # pragma: no cover - the tests run on older ones, too
    from compression.zstd import compress as zstd
else:
    from backports.zstd import compress as zstd

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Coders = Mapping[str, Callable[[bytes], bytes]]

MIN_SIZE = 1024
"""In bytes. Compressing a smaller body would not save packets."""

CACHE_BYTES = 8 * 2**20
"""Bytes of compressed bodies that each process caches: two thousand pages of movies."""

# The first wins if a client prefers neither. For sizes and costs, see docs/decisions/0014.
DYNAMIC_CODERS: Coders = {
    "zstd": partial(zstd, level=4),
    "gzip": partial(gzip, compresslevel=5, mtime=0),
}
STATIC_CODERS: Coders = {
    "zstd": partial(zstd, level=12),
    "gzip": partial(gzip, compresslevel=9, mtime=0),
}
"""For bodies that do not change during the lifetime of a process."""

_TEXT = re.compile(r"text/|application/(.+\+)?(json|yaml|javascript)|image/svg\+xml")
_CODING_SUFFIX = re.compile(rf'-(?:{"|".join(DYNAMIC_CODERS)})"')


class Compression:
    """Compresses finished responses.

    A strong ETag identifies exact bytes, so a compressed body has its own: the ETag of the
    uncompressed body plus the coding.
    """

    def __init__(self, coders: Coders = DYNAMIC_CODERS, cache_bytes: float = CACHE_BYTES) -> None:
        self._coders = coders
        self._cache: LRUCache[tuple[str, str], bytes] = LRUCache(cache_bytes, getsizeof=len)
        self._compress_once = cached(self._cache, key=_cache_key, lock=Lock())(self._compress)

    def __call__(self, response: Response) -> Response:
        """Compress a response if that is possible, accepted by the client and worthwhile."""
        if not _is_compressible(response) or not (body := response.get_data()):
            return response
        vary(response, "Accept-Encoding")
        accepted = request.environ.get("HTTP_ACCEPT_ENCODING", "")
        if coding := choose_coding(accepted, is_small=len(body) < MIN_SIZE):
            self._encode(response, coding, body)
        return response

    def compress(self, tag: str, coding: str, body: bytes) -> bytes:
        """Return a compressed body. A body that has an ETag is compressed only once."""
        return self._compress_once(tag, coding, body) if tag else self._compress(tag, coding, body)

    def _encode(self, response: Response, coding: str, body: bytes) -> None:
        tag = response.headers.get("ETag", "")
        if "Content-Encoding" in response.headers or _CODING_SUFFIX.search(tag):
            return  # It is already compressed.
        if tag:
            response.headers["ETag"] = compressed_tag(tag, coding)
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            response.set_data(self.compress(tag, coding, body))
            response.headers.add("Content-Encoding", coding)

    def _compress(self, tag: str, coding: str, body: bytes) -> bytes:  # noqa: ARG002 - the cache key
        return self._coders[coding](body)


@lru_cache(maxsize=64)
def choose_coding(accepted: str, *, is_small: bool) -> str | None:
    """Return the coding for an `Accept-Encoding`, or `None` for none (RFC 9110, 12.5.3).

    A small body is compressed only if the client refuses `identity`. A client that refuses every
    coding gets the uncompressed body.
    """
    accept = parse_accept_header(accepted, Accept)
    plain, best = accept.quality("identity"), max(DYNAMIC_CODERS, key=accept.quality)
    accepts_plain = plain > 0 or accept.find("identity") < 0
    if not accept.quality(best) or (accepts_plain and (is_small or accept.quality(best) < plain)):
        return None
    return best


def compressed_tag(tag: str, coding: str) -> str:
    """Return the ETag of a compressed body, given the ETag of the uncompressed one."""
    return f'{tag[:-1]}-{coding}"'


def plain_tags(tags: str) -> str:
    """Return ETags without their codings: those of the uncompressed bodies."""
    return _CODING_SUFFIX.sub('"', tags)


def without_codings(environ: "WSGIEnvironment") -> "WSGIEnvironment":
    """Return the `If-None-Match` of a request, without codings and without other conditions.

    A client that has the response in any coding has the response.
    """
    return {
        "REQUEST_METHOD": environ["REQUEST_METHOD"],
        "HTTP_IF_NONE_MATCH": plain_tags(environ["HTTP_IF_NONE_MATCH"]),
    }


def vary(response: Response, name: str) -> None:
    """Add a request header to the `Vary` header of a response (RFC 9110, 12.5.5)."""
    others = response.headers.get("Vary")
    if others is None:
        response.headers.add("Vary", name)
    elif name not in others:
        response.headers["Vary"] = f"{others}, {name}"


def _is_compressible(response: Response) -> bool:
    # A streamed body must not wait in a compressor.
    return not response.is_streamed and _TEXT.match(response.mimetype or "") is not None


def _cache_key(tag: str, coding: str, _: bytes) -> tuple[str, str]:
    return tag, coding
