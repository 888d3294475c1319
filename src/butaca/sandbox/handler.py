"""Handling a call: counting, faults, authentication, and the response."""

from collections.abc import Mapping
from hmac import compare_digest
from threading import Event

from butaca.sandbox import control, endpoints
from butaca.sandbox.active_faults import ActiveFaults, AppliedFault
from butaca.sandbox.call import Call
from butaca.sandbox.calls import Calls
from butaca.sandbox.drawing.pictures import picture_response
from butaca.sandbox.endpoints import Source
from butaca.sandbox.fault_responses import apply_fault
from butaca.sandbox.headers import compress, with_cache_headers
from butaca.sandbox.responses import Response, error_response

PICTURES = "/t/p/"


class RequestHandler:
    """Handles every call: TMDB's endpoints, its pictures, and the control API."""

    def __init__(self, source: Source, *, token: str, latency: float) -> None:
        """Set the source of movies, the valid token, and the duration of each call in seconds."""
        self.calls = Calls()
        self.faults = ActiveFaults()
        self._source = source
        self._control = control.Control(self.faults, self.calls, token)
        self._authorization = f"Bearer {token}".encode()
        self._latency = latency

    def handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Response, AppliedFault | None]:
        """Return the response, and the fault that applies to its transmission."""
        call = Call.parse(target)
        if call.path.startswith(control.ROOT):
            host = headers.get("host", "")
            return self._control.handle(method, call.path, body, host=host), None
        if call.path.startswith(PICTURES):
            return self._picture(call.path), None
        self.calls.count(target)
        return self._handle_tmdb_call(method, call, target, headers)

    def _handle_tmdb_call(
        self, method: str, call: Call, target: str, headers: Mapping[str, str]
    ) -> tuple[Response, AppliedFault | None]:
        applied = self.faults.match(call.path)
        self._wait_latency(applied.cancelled if applied else self.faults.cancelled)
        response = self._tmdb_response(method, call, headers)
        if applied:
            response = apply_fault(response, applied.fault)
        accept_encoding = headers.get("accept-encoding", "")
        if applied and applied.fault.kind == "gzip":
            accept_encoding = ""  # The body is already compressed.
        return compress(with_cache_headers(response, target), accept_encoding), applied

    def _tmdb_response(self, method: str, call: Call, headers: Mapping[str, str]) -> Response:
        if not compare_digest(headers.get("authorization", "").encode(), self._authorization):
            return error_response(7)
        if method != "GET" or not call.path.startswith("/3/"):
            return error_response(34)
        return endpoints.handle(self._source, call, self.faults.deleted_ids)

    def _picture(self, path: str) -> Response:
        size, _, name = path.removeprefix(PICTURES).partition("/")
        return picture_response(self._source.find_picture(f"/{name}"), size)

    def _wait_latency(self, cancelled: Event) -> None:
        if self._latency:
            cancelled.wait(self._latency)
