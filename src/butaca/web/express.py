"""The express lane: what was told before, and is fresh or read anew, is told again without Flask.

A cache of whole answers (RFC 9111) in front of the app, in this process; of what is not the same
for all it keeps how to write it. It asks who calls and how often, names, counts and logs, as the
app does; whatever it cannot answer so, the app answers. Flask itself takes longer to find a route
and to build an answer than all of this.
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
from butaca.core.accounts import permit
from butaca.core.errors import Refusal
from butaca.core.models import Role, User
from butaca.web.answers import FAILURE, TOLD, Told, cache_status
from butaca.web.auth import bearer_token
from butaca.web.compression import Compression
from butaca.web.context import Services, Visit
from butaca.web.kept import Headers, Kept, Key
from butaca.web.observability import Kind, Observer
from butaca.web.protection import seconds_to_wait

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MEMORY = 6 * 2**20
"""Bytes that each process remembers: some 400 pages."""

LONGEST_KEY = 2048
"""Characters: what anybody may make longer would take more memory than is counted."""

_STATUS_LINES = {each: f"{each} {each.phrase}" for each in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)}
_ONE_TAG = re.compile(r'"[^",]*"')


class Express:
    """A WSGI app that answers out of its memory what it may, and passes on the rest."""

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
        self._kept: LRUCache[Key, Kept] = LRUCache(MEMORY, getsizeof=lambda kept: kept.size)
        self._lock = Lock()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer from memory, or as the app does."""
        key = _key(environ)
        if key is None:
            return self._app(environ, start_response)
        now = self._clock()  # Once: what is fresh when it is found is told as fresh.
        if (kept := self._find(key, now)) and _asks_for(kept, environ):
            visit = self._observer.begin(environ)
            if own := self._own(kept, visit, environ):
                visit.freshness = own.freshness_at(now)
                return self._replay(own, visit, environ, start_response)
        return self._learn(key, environ, start_response)

    def _find(self, key: Key, now: float) -> Kept | None:
        with self._lock:
            kept = self._kept.get(key)
        return kept if kept and now < kept.until else None

    def _let_in(self, role: Role, environ: "WSGIEnvironment") -> User | None:
        """Return who calls; nobody, where the app has something to say to them."""
        try:
            token = bearer_token(environ.get("HTTP_AUTHORIZATION", ""))
            user = self._services.accounts.identify(token)
            permit(user, role)
        except Refusal:
            return None
        return None if seconds_to_wait(self._services.rate_limiter, user, environ) else user

    def _own(self, kept: Kept, visit: Visit, environ: "WSGIEnvironment") -> Kept | None:
        """Return the answer to whoever asks; nothing, where the app has something else to say."""
        anew = kept.told.anew
        try:
            if anew:
                admission.enter(environ)
            visit.user = user = self._let_in(kept.told.role, environ)
            if user is None:
                return None
            if anew is None:
                return kept
            body, headers = anew(user)
        except ServiceUnavailable:
            return None
        except Exception as failure:  # noqa: BLE001 - Whatever it is, the app tells it.
            environ[FAILURE] = failure
            return None
        return kept.with_body(body, headers, environ, self._compression)

    def _replay(
        self,
        kept: Kept,
        visit: Visit,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        has_it = kept.matches(environ.get("HTTP_IF_NONE_MATCH"))
        status = HTTPStatus.NOT_MODIFIED if has_it else HTTPStatus.OK
        headers = kept.bare_headers if has_it else kept.headers
        self._observer.end(Kind("GET", kept.told.route, status), visit)
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
        told: Told | None = environ.get(TOLD)
        if told is None or (told.freshness and told.freshness.ttl <= 0):
            return parts
        status, headers = answered
        body = _whole(parts)
        has_it = status.startswith("304 ")
        if not has_it or not (told.anew or self._find(key, self._clock())):
            self._keep(key, Kept.of(None if has_it else body, headers, told, since))
        return [body]

    def _keep(self, key: Key, kept: Kept) -> None:
        with self._lock, suppress(ValueError):  # Larger than all of the memory.
            self._kept[key] = kept


def _key(environ: "WSGIEnvironment") -> Key | None:
    """Return what an answer depends on; nothing, where it is none for the lane."""
    if environ["REQUEST_METHOD"] != "GET" or "HTTP_AUTHORIZATION" not in environ:
        return None
    key = Key(
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ.get("HTTP_ACCEPT_ENCODING", ""),
        environ.get("HTTP_ORIGIN", ""),
    )
    return key if sum(map(len, key)) <= LONGEST_KEY else None


def _asks_for(kept: Kept, environ: "WSGIEnvironment") -> bool:
    """Tell whether a request asks for this answer, or whether it is still this one."""
    asked: str | None = environ.get("HTTP_IF_NONE_MATCH")
    if kept.told.anew:
        return asked is None or _ONE_TAG.fullmatch(asked) is not None
    return kept.body is not None if asked is None else asked == kept.tag


def _whole(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):  # PEP 3333
            close()
