"""The cached responses of the express lane, without the parts that differ each time."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from butaca.core.models import Freshness, Source
from butaca.web.answers import Replay, tag_of
from butaca.web.compression import (
    MIN_SIZE,
    Compression,
    choose_coding,
    compressed_tag,
    plain_tags,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]

_HEADERS_SIZE = 4096
"""An estimate of the bytes that the headers of a cached response take."""

_EACH_TIME = {"Age", "Cache-Status", "Date", "X-Request-Id"}
_OF_BODY = {"Content-Encoding", "Content-Language", "Content-Length", "ETag", "Link"}
_OF_CONTENT = {"Content-Encoding", "Content-Language", "Content-Length", "Content-Type"}


class Key(NamedTuple):
    """Everything in a request that a response depends on, except the user."""

    path: str
    query: str
    accept_encoding: str
    origin: str


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response that is the same for all users, or lacks only the body for a user."""

    body: bytes | None
    """`None` if the body differs between users, or if the app answered with a 304."""

    headers: Headers
    bare_headers: Headers
    """The headers of a 304."""

    tag: str
    replay: Replay
    since: float
    """When the freshness in `replay` was determined, by the clock of the express lane."""

    @classmethod
    def of(
        cls, body: bytes | None, headers: Headers, replay: Replay, since: float
    ) -> "CachedResponse":
        """Return the cached form of a response."""
        tag = dict(headers)["ETag"]
        headers = _without(_EACH_TIME, headers)
        if replay.render:
            body, headers = None, _without(_OF_BODY, headers)
        return cls(body, headers, _without(_OF_CONTENT, headers), tag, replay, since)

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        return self.replay.size + len(self.body or b"") + _HEADERS_SIZE

    @property
    def until(self) -> float:
        """When it stops being usable, by the clock of the express lane."""
        return self.since + self.replay.freshness.ttl if self.replay.freshness else math.inf

    def matches(self, asked: str | None) -> bool:
        """Return whether an `If-None-Match` has its ETag, in any coding."""
        return asked is not None and plain_tags(asked) == plain_tags(self.tag)

    def freshness_at(self, now: float) -> Freshness | None:
        """Return its freshness now, or `None` if it does not age."""
        if (then := self.replay.freshness) is None:
            return None
        seconds = now - self.since
        return Freshness(Source.HIT, then.age + int(seconds), then.ttl - math.ceil(seconds))

    def with_body(
        self,
        body: bytes,
        of_body: Mapping[str, str],
        environ: "WSGIEnvironment",
        compression: Compression,
    ) -> "CachedResponse":
        """Return the response to a request, with this body and the headers that depend on it."""
        own = list(of_body.items())
        tag = f'"{tag_of(body)}"'
        accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
        if coding := choose_coding(accepted, is_small=len(body) < MIN_SIZE):
            if plain_tags(environ.get("HTTP_IF_NONE_MATCH", "")) != tag:
                body = compression.compress(tag, coding, body)
            tag = compressed_tag(tag, coding)
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
