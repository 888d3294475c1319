"""The express lane: answers repeated requests without Flask.

This is a cache of whole responses (RFC 9111) in front of the app, in this process. For responses
that differ between users, it caches how to write them. It authenticates, limits, identifies,
counts and logs requests as the app does, and passes on every request that it cannot answer. Flask
takes longer to find a route and to build a response than all of this together.
"""

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache
from werkzeug.exceptions import ServiceUnavailable

from butaca import admission
from butaca.core.accounts import require_role
from butaca.core.errors import Refusal
from butaca.core.models import Role, User
from butaca.web.answers import FAILURE, REPLAY, Replay, cache_status
from butaca.web.auth import bearer_token
from butaca.web.cached_response import CachedResponse, Headers, Key
from butaca.web.compression import Compression
from butaca.web.context import RequestState, Services
from butaca.web.observability import Observer, RequestLabels
from butaca.web.protection import seconds_to_wait

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MEMORY = 6 * 2**20
"""Bytes that each process caches: about 400 pages."""

LONGEST_KEY = 2048
"""In characters. A longer key, which clients could send, would use memory that is not counted."""

_STATUS_LINES = {each: f"{each} {each.phrase}" for each in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)}
_ONE_TAG = re.compile(r'"[^",]*"')


class Express:
    """A WSGI app that answers requests from its cache, and passes the rest to the app."""

    def __init__(
        self,
        app: "WSGIApplication",
        services: Services,
        observer: Observer,
        compression: Compression,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._services = services
        self._observer = observer
        self._compression = compression
        self._clock = clock
        self._kept: LRUCache[Key, CachedResponse] = LRUCache(
            MEMORY, getsizeof=lambda kept: kept.size
        )
        self._lock = Lock()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer from the cache, or let the app answer."""
        key = _key(environ)
        if key is None:
            return self._app(environ, start_response)
        # Read once, so that a response that is fresh when found is also described as fresh.
        now = self._clock()
        if (kept := self._find(key, now)) and _asks_for(kept, environ):
            visit = self._observer.begin(environ)
            if own := self._own(kept, visit, environ):
                visit.freshness = own.freshness_at(now)
                return self._replay(own, visit, environ, start_response)
        return self._learn(key, environ, start_response)

    def _find(self, key: Key, now: float) -> CachedResponse | None:
        with self._lock:
            kept = self._kept.get(key)
        return kept if kept and now < kept.until else None

    def _authorized(self, role: Role, environ: "WSGIEnvironment") -> User | None:
        """Return the user, or `None` if the app must refuse the request."""
        try:
            token = bearer_token(environ.get("HTTP_AUTHORIZATION", ""))
            user = self._services.accounts.identify(token)
            require_role(user, role)
        except Refusal:
            return None
        return None if seconds_to_wait(self._services.rate_limiter, user, environ) else user

    def _own(
        self, kept: CachedResponse, visit: RequestState, environ: "WSGIEnvironment"
    ) -> CachedResponse | None:
        """Return the response for the user, or `None` if the app must answer."""
        render = kept.replay.render
        try:
            if render:
                admission.acquire_slot(environ)
            visit.user = user = self._authorized(kept.replay.role, environ)
            if user is None:
                return None
            if render is None:
                return kept
            body, headers = render(user)
        except ServiceUnavailable:
            return None
        except Exception as failure:  # noqa: BLE001 - The app reports it.
            environ[FAILURE] = failure
            return None
        return kept.with_body(body, headers, environ, self._compression)

    def _replay(
        self,
        kept: CachedResponse,
        visit: RequestState,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        has_it = kept.matches(environ.get("HTTP_IF_NONE_MATCH"))
        status = HTTPStatus.NOT_MODIFIED if has_it else HTTPStatus.OK
        headers = kept.bare_headers if has_it else kept.headers
        self._observer.end(RequestLabels("GET", kept.replay.route, status), visit)
        each_time = [("X-Request-Id", visit.request_id)]
        if freshness := visit.freshness:
            each_time += [("Age", str(freshness.age)), ("Cache-Status", cache_status(freshness))]
        start_response(_STATUS_LINES[status], [*headers, *each_time])
        return [] if has_it else [kept.body or b""]

    def _learn(
        self, key: Key, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        since = self._clock()
        answered: list[Any] = []

        def start(status: str, headers: Headers, *error: Any) -> Any:
            answered[:] = status, headers
            return start_response(status, headers, *error)

        parts = self._app(environ, start)
        replay: Replay | None = environ.get(REPLAY)
        if replay is None or (replay.freshness and replay.freshness.ttl <= 0):
            return parts
        status, headers = answered
        body = _whole(parts)
        has_it = status.startswith("304 ")
        if not has_it or not (replay.render or self._find(key, self._clock())):
            self._keep(key, CachedResponse.of(None if has_it else body, headers, replay, since))
        return [body]

    def _keep(self, key: Key, kept: CachedResponse) -> None:
        with self._lock, suppress(ValueError):  # It is larger than the whole cache.
            self._kept[key] = kept


def _key(environ: "WSGIEnvironment") -> Key | None:
    """Return the cache key of a request, or `None` if the express lane does not handle it."""
    if environ["REQUEST_METHOD"] != "GET" or "HTTP_AUTHORIZATION" not in environ:
        return None
    key = Key(
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ.get("HTTP_ACCEPT_ENCODING", ""),
        environ.get("HTTP_ORIGIN", ""),
    )
    return key if sum(map(len, key)) <= LONGEST_KEY else None


def _asks_for(kept: CachedResponse, environ: "WSGIEnvironment") -> bool:
    """Return whether a cached response can answer a request, conditional or not."""
    asked: str | None = environ.get("HTTP_IF_NONE_MATCH")
    if kept.replay.render:
        return asked is None or _ONE_TAG.fullmatch(asked) is not None
    return kept.body is not None if asked is None else asked == kept.tag


def _whole(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):  # PEP 3333
            close()
