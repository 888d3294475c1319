"""The express lane: responds to repeated requests without Flask.

This is a cache of whole responses (RFC 9111) in front of the app, in this process. For responses
that differ between users, it caches how to render them. It authenticates, rate-limits, identifies,
counts and logs requests as the app does, and passes every request that it cannot handle to the
app. Flask takes longer to find a route and to build a response than all of this together.
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

from butaca import admission, trace
from butaca.core.accounts import require_role
from butaca.core.errors import DomainError
from butaca.core.models import Role, User
from butaca.web.auth import bearer_token
from butaca.web.cached_response import CachedResponse, Headers, Key
from butaca.web.compression import Compression
from butaca.web.context import RequestState, Services
from butaca.web.observability import Observer, RequestLabels
from butaca.web.protection import seconds_to_wait
from butaca.web.response_builders import FAILURE, REPLAY, Replay, cache_status

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BYTES = 6 * 2**20
"""The maximum size of the cache of each process: about 400 pages."""

MAX_KEY_LENGTH = 2048
"""In characters. Clients choose the key, and the cache does not count its memory."""

_STATUS_LINES = {each: f"{each} {each.phrase}" for each in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)}
_SINGLE_ETAG = re.compile(r'"[^",]*"')


class Express:
    """A WSGI app that responds from its cache, and passes all other requests to the Flask app."""

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
        self._cache: LRUCache[Key, CachedResponse] = LRUCache(
            MAX_BYTES, getsizeof=lambda cached: cached.size
        )
        self._lock = Lock()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Respond from the cache, or let the app respond."""
        key = _key(environ)
        if key is None:
            return self._app(environ, start_response)
        # Read once, so that a response that is fresh now is also described as fresh.
        now = self._clock()
        if (cached := self._find(key, now)) and _can_satisfy(cached, environ):
            state = self._observer.begin(environ)
            if response := self._response_for_user(cached, state, environ):
                state.freshness = response.freshness_at(now)
                return self._replay(response, state, environ, start_response)
        return self._call_app(key, environ, start_response)

    def _find(self, key: Key, now: float) -> CachedResponse | None:
        with self._lock:
            cached = self._cache.get(key)
        return cached if cached and now < cached.expires_at else None

    def _authorized(self, role: Role, environ: "WSGIEnvironment") -> User | None:
        """Return the user, or `None` if the app must reject the request."""
        try:
            token = bearer_token(environ.get("HTTP_AUTHORIZATION", ""))
            user = self._services.accounts.identify(token)
            require_role(user, role)
        except DomainError:
            return None
        return None if seconds_to_wait(self._services.rate_limiter, user, environ) else user

    def _response_for_user(
        self, cached: CachedResponse, state: RequestState, environ: "WSGIEnvironment"
    ) -> CachedResponse | None:
        """Return the response for the user, or `None` if the app must respond."""
        render = cached.replay.render
        try:
            if render:
                admission.acquire_slot(environ)
            state.user = user = self._authorized(cached.replay.role, environ)
            if user is None:
                return None
            if render is None:
                return cached
            body, headers = render(user)
        except ServiceUnavailable:
            return None
        except Exception as failure:  # noqa: BLE001 - The app reports it.
            environ[FAILURE] = failure
            return None
        return cached.with_body(body, headers, environ, self._compression)

    def _replay(
        self,
        response: CachedResponse,
        state: RequestState,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        not_modified = response.matches(environ.get("HTTP_IF_NONE_MATCH"))
        status = HTTPStatus.NOT_MODIFIED if not_modified else HTTPStatus.OK
        headers = response.not_modified_headers if not_modified else response.headers
        self._observer.end(RequestLabels("GET", response.replay.route, status), state)
        trace.end()
        per_request = [("X-Request-Id", state.request_id)]
        if freshness := state.freshness:
            per_request += [("Age", str(freshness.age)), ("Cache-Status", cache_status(freshness))]
        start_response(_STATUS_LINES[status], [*headers, *per_request])
        return [] if not_modified else [response.body or b""]

    def _call_app(
        self, key: Key, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Let the app respond, and cache its response if it can be replayed."""
        called_at = self._clock()
        started: list[Any] = []

        def start(status: str, headers: Headers, *error: Any) -> Any:
            started[:] = status, headers
            return start_response(status, headers, *error)

        parts = self._app(environ, start)
        replay: Replay | None = environ.get(REPLAY)
        if replay is None or (replay.freshness and replay.freshness.ttl <= 0):
            return parts
        status, headers = started
        body = _read(parts)
        is_full = not status.startswith("304 ")
        # A 304 lacks the headers of the content. It is cached only if it is the same for all users
        # and nothing else is cached.
        if is_full or not (replay.render or self._find(key, self._clock())):
            known_body = body if is_full else None
            self._store(key, CachedResponse.of(known_body, headers, replay, called_at))
        return [body]

    def _store(self, key: Key, cached: CachedResponse) -> None:
        with self._lock, suppress(ValueError):  # Raised if it is larger than the whole cache.
            self._cache[key] = cached


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
    return key if sum(map(len, key)) <= MAX_KEY_LENGTH else None


def _can_satisfy(cached: CachedResponse, environ: "WSGIEnvironment") -> bool:
    """Return whether a cached response can satisfy a request, conditional or not."""
    if_none_match: str | None = environ.get("HTTP_IF_NONE_MATCH")
    if cached.replay.render:
        return if_none_match is None or _SINGLE_ETAG.fullmatch(if_none_match) is not None
    return cached.body is not None if if_none_match is None else if_none_match == cached.etag


def _read(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):  # PEP 3333
            close()
