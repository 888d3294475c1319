"""What the express lane keeps: answers as they went out, but for what differs each time."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from butaca.core.models import Freshness, Source
from butaca.web.answers import Told, tag_of
from butaca.web.compression import SMALLEST, Compression, choose, coded_tag

Headers = list[tuple[str, str]]

_HEADERS_SIZE = 4096
"""Bytes that the headers of an answer take here."""

_EACH_TIME = {"Age", "Cache-Status", "Date", "X-Request-Id"}
_OF_BYTES = {"Content-Encoding", "Content-Length", "ETag"}
_OF_CONTENT = {"Content-Encoding", "Content-Length", "Content-Type"}


class Key(NamedTuple):
    """All of a request that an answer depends on, but for who asks."""

    path: str
    query: str
    accept_encoding: str
    origin: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that is good for whoever asks; or would be, once their marks are in it."""

    body: bytes | None
    """Nothing, where the app has said no more than that a client has it already."""

    headers: Headers
    bare_headers: Headers
    """Those of a 304."""

    tag: str
    told: Told
    since: float
    """When it was as fresh as it was told, by the clock of the lane."""

    @classmethod
    def of(cls, body: bytes | None, headers: Headers, told: Told, since: float) -> "Kept":
        """Return what is kept of an answer."""
        tag = dict(headers)["ETag"]
        headers = _without(_EACH_TIME, headers)
        if told.unmarked:
            body, headers = None, _without(_OF_BYTES, headers)
        return cls(body, headers, _without(_OF_CONTENT, headers), tag, told, since)

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        text = self.told.unmarked.size if self.told.unmarked else len(self.body or b"")
        return text + _HEADERS_SIZE

    def freshness_at(self, now: float) -> Freshness:
        """Return how fresh it is now."""
        seconds, then = now - self.since, self.told.freshness
        return Freshness(Source.HIT, then.age + int(seconds), then.ttl - math.ceil(seconds))

    def marked(self, text: str, accept_encoding: str, compression: Compression) -> "Kept":
        """Return the answer that has this text, which is marked by now."""
        body = text.encode()
        tag = f'"{tag_of(body)}"'
        headers = list(self.headers)
        if coding := choose(accept_encoding, is_small=len(body) < SMALLEST):
            body, tag = compression.pack(tag, coding, body), coded_tag(tag, coding)
            headers.append(("Content-Encoding", coding))
        headers += [("Content-Length", str(len(body))), ("ETag", tag)]
        bare = [*self.bare_headers, ("ETag", tag)]
        return replace(self, body=body, headers=headers, bare_headers=bare, tag=tag)


def _without(names: Collection[str], headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name not in names]
