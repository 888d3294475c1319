"""Bodies in the coding that a client takes (RFC 9110, 12.5.3), the same body packed once."""

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

SMALLEST = 1024
"""Bytes. A smaller body would not take fewer packets."""

MEMORY = 8 * 2**20
"""Bytes of packed bodies that each process remembers: two thousand pages of movies."""

# The first is taken by whoever likes both as well. Sizes and costs: docs/decisions/0014.
LIVELY: Coders = {
    "zstd": partial(zstd, level=4),
    "gzip": partial(gzip, compresslevel=5, mtime=0),
}
ONCE: Coders = {
    "zstd": partial(zstd, level=12),
    "gzip": partial(gzip, compresslevel=9, mtime=0),
}
"""For what does not change while a process lives."""

_TEXT = re.compile(r"text/|application/(.+\+)?(json|yaml|javascript)|image/svg\+xml")
_CODED = re.compile(rf'-(?:{"|".join(LIVELY)})"')


class Compression:
    """What packs answers after they are made.

    A strong tag names bytes, so a packed body has its own: that of the plain one, and the coding.
    """

    def __init__(self, coders: Coders = LIVELY, memory: float = MEMORY) -> None:
        self._coders = coders
        self._packed: LRUCache[tuple[str, str], bytes] = LRUCache(memory, getsizeof=len)
        self._pack_once = cached(self._packed, key=_key, lock=Lock())(self._pack)

    def __call__(self, response: Response) -> Response:
        """Pack an answer if that may be, and the client takes it, and it is worth it."""
        if not _is_packable(response) or not (body := response.get_data()):
            return response
        vary(response, "Accept-Encoding")
        accepted = request.environ.get("HTTP_ACCEPT_ENCODING", "")
        if coding := choose(accepted, is_small=len(body) < SMALLEST):
            self._encode(response, coding, body)
        return response

    def pack(self, tag: str, coding: str, body: bytes) -> bytes:
        """Return a body in a coding; one that has a tag is packed once."""
        return self._pack_once(tag, coding, body) if tag else self._pack(tag, coding, body)

    def _encode(self, response: Response, coding: str, body: bytes) -> None:
        tag = response.headers.get("ETag", "")
        if "Content-Encoding" in response.headers or _CODED.search(tag):
            return  # It is packed already.
        if tag:
            response.headers["ETag"] = coded_tag(tag, coding)
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            response.set_data(self.pack(tag, coding, body))
            response.headers.add("Content-Encoding", coding)

    def _pack(self, tag: str, coding: str, body: bytes) -> bytes:  # noqa: ARG002 - it is the key
        return self._coders[coding](body)


@lru_cache(maxsize=64)
def choose(accepted: str, *, is_small: bool) -> str | None:
    """Return the coding for an `Accept-Encoding`, or `None` for none (RFC 9110, 12.5.3).

    What is small is packed only for those who refuse it plain; whoever refuses all, gets it plain.
    """
    asked = parse_accept_header(accepted, Accept)
    plain, best = asked.quality("identity"), max(LIVELY, key=asked.quality)
    is_plain_fine = plain > 0 or asked.find("identity") < 0
    if not asked.quality(best) or (is_plain_fine and (is_small or asked.quality(best) < plain)):
        return None
    return best


def coded_tag(tag: str, coding: str) -> str:
    """Return the tag of a body in a coding, for the tag of the plain one."""
    return f'{tag[:-1]}-{coding}"'


def plain_tags(tags: str) -> str:
    """Return the tags of plain bodies, for tags of the same bodies in whatever coding."""
    return _CODED.sub('"', tags)


def uncoded(environ: "WSGIEnvironment") -> "WSGIEnvironment":
    """Return the `If-None-Match` of a request, and no other condition, in tags of plain bodies.

    Whoever has an answer in any coding has it.
    """
    return {
        "REQUEST_METHOD": environ["REQUEST_METHOD"],
        "HTTP_IF_NONE_MATCH": plain_tags(environ["HTTP_IF_NONE_MATCH"]),
    }


def vary(response: Response, name: str) -> None:
    """Say that an answer depends on a header of the request (RFC 9110, 12.5.5)."""
    others = response.headers.get("Vary")
    if others is None:
        response.headers.add("Vary", name)
    elif name not in others:
        response.headers["Vary"] = f"{others}, {name}"


def _is_packable(response: Response) -> bool:
    # What is sent page by page must not wait in a compressor.
    return not response.is_streamed and _TEXT.match(response.mimetype or "") is not None


def _key(tag: str, coding: str, _: bytes) -> tuple[str, str]:
    return tag, coding
