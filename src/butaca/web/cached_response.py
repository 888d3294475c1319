"""The cached responses of the express lane, without the parts that differ between requests."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from butaca.core.models import Freshness, Source
from butaca.web.compression import (
    MIN_SIZE,
    Compression,
    choose_coding,
    compressed_tag,
    plain_tags,
)
from butaca.web.response_builders import Replay, etag_for

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]

_HEADERS_SIZE = 4096
"""An estimate of the bytes that the headers of a cached response take."""

_PER_REQUEST_HEADERS = {"Age", "Cache-Status", "Date", "X-Request-Id"}
_BODY_HEADERS = {"Content-Encoding", "Content-Language", "Content-Length", "ETag", "Link"}
_CONTENT_HEADERS = {"Content-Encoding", "Content-Language", "Content-Length", "Content-Type"}


class Key(NamedTuple):
    """The parts of a request that its response depends on, except the user."""

    path: str
    query: str
    accept_encoding: str
    origin: str


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response that is the same for all users, or one whose body is rendered for each user."""

    body: bytes | None
    """`None` if the body differs between users, or if the app responded with a 304."""

    headers: Headers
    not_modified_headers: Headers
    """The headers of a 304."""

    etag: str
    replay: Replay
    created_at: float
    """When the freshness in `replay` was determined, by the clock of the express lane."""

    @classmethod
    def of(
        cls, body: bytes | None, headers: Headers, replay: Replay, created_at: float
    ) -> "CachedResponse":
        """Return the cached form of a response."""
        etag = dict(headers)["ETag"]
        headers = _without(_PER_REQUEST_HEADERS, headers)
        if replay.render:
            body, headers = None, _without(_BODY_HEADERS, headers)
        return cls(body, headers, _without(_CONTENT_HEADERS, headers), etag, replay, created_at)

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        return self.replay.size + len(self.body or b"") + _HEADERS_SIZE

    @property
    def expires_at(self) -> float:
        """When it stops being fresh, by the clock of the express lane."""
        return self.created_at + self.replay.freshness.ttl if self.replay.freshness else math.inf

    def matches(self, if_none_match: str | None) -> bool:
        """Return whether an `If-None-Match` contains its ETag, in any content coding."""
        return if_none_match is not None and plain_tags(if_none_match) == plain_tags(self.etag)

    def freshness_at(self, now: float) -> Freshness | None:
        """Return its freshness now, or `None` if it does not age."""
        if (original := self.replay.freshness) is None:
            return None
        elapsed = now - self.created_at
        return Freshness(Source.HIT, original.age + int(elapsed), original.ttl - math.ceil(elapsed))

    def with_body(
        self,
        body: bytes,
        body_headers: Mapping[str, str],
        environ: "WSGIEnvironment",
        compression: Compression,
    ) -> "CachedResponse":
        """Return the response to a request, with this body and the headers that depend on it."""
        added = list(body_headers.items())
        etag = f'"{etag_for(body)}"'
        accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
        if coding := choose_coding(accepted, is_small=len(body) < MIN_SIZE):
            if plain_tags(environ.get("HTTP_IF_NONE_MATCH", "")) != etag:
                body = compression.compress(etag, coding, body)
            etag = compressed_tag(etag, coding)
            added.append(("Content-Encoding", coding))
        added += [("Content-Length", str(len(body))), ("ETag", etag)]
        return replace(
            self,
            body=body,
            headers=[*self.headers, *added],
            not_modified_headers=[*self.not_modified_headers, *_without(_CONTENT_HEADERS, added)],
            etag=etag,
        )


def _without(names: Collection[str], headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name not in names]
