"""What the express lane keeps: answers as they went out, but for what differs each time."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from butaca.core.models import Freshness, Source
from butaca.web.answers import Told, tag_of
from butaca.web.compression import SMALLEST, Compression, choose, coded_tag, plain_tags

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]

_HEADERS_SIZE = 4096
"""Bytes that the headers of an answer take here."""

_EACH_TIME = {"Age", "Cache-Status", "Date", "X-Request-Id"}
_OF_BODY = {"Content-Encoding", "Content-Language", "Content-Length", "ETag", "Link"}
_OF_CONTENT = {"Content-Encoding", "Content-Language", "Content-Length", "Content-Type"}


class Key(NamedTuple):
    """All of a request that an answer depends on, but for who asks."""

    path: str
    query: str
    accept_encoding: str
    origin: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that is good for whoever asks; or would be, once it has a body for them."""

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
        if told.anew:
            body, headers = None, _without(_OF_BODY, headers)
        return cls(body, headers, _without(_OF_CONTENT, headers), tag, told, since)

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        return self.told.size + len(self.body or b"") + _HEADERS_SIZE

    @property
    def until(self) -> float:
        """Until when it may be told again, by the clock of the lane."""
        return self.since + self.told.freshness.ttl if self.told.freshness else math.inf

    def matches(self, asked: str | None) -> bool:
        """Tell whether an `If-None-Match` has its tag, that of whatever coding."""
        return asked is not None and plain_tags(asked) == plain_tags(self.tag)

    def freshness_at(self, now: float) -> Freshness | None:
        """Return how fresh it is now."""
        if (then := self.told.freshness) is None:
            return None
        seconds = now - self.since
        return Freshness(Source.HIT, then.age + int(seconds), then.ttl - math.ceil(seconds))

    def with_body(
        self,
        body: bytes,
        of_body: Mapping[str, str],
        environ: "WSGIEnvironment",
        compression: Compression,
    ) -> "Kept":
        """Return the answer to a request that has this body, and the headers that go with it."""
        own = list(of_body.items())
        tag = f'"{tag_of(body)}"'
        accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
        if coding := choose(accepted, is_small=len(body) < SMALLEST):
            if plain_tags(environ.get("HTTP_IF_NONE_MATCH", "")) != tag:
                body = compression.pack(tag, coding, body)
            tag = coded_tag(tag, coding)
            own.append(("Content-Encoding", coding))
        own += [("Content-Length", str(len(body))), ("ETag", tag)]
        return replace(
            self,
            body=body,
            headers=[*self.headers, *own],
            bare_headers=[*self.bare_headers, *_without(_OF_CONTENT, own)],
            tag=tag,
        )


def _without(names: Collection[str], headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name not in names]
