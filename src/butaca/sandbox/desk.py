"""The handling of a call: counting, faults, authentication, and the response."""

from collections.abc import Mapping
from hmac import compare_digest
from threading import Event

from butaca.sandbox import control, endpoints
from butaca.sandbox.answers import Answer, refusal
from butaca.sandbox.breakage import Breakage, Strike
from butaca.sandbox.call import Call
from butaca.sandbox.calls import Calls
from butaca.sandbox.drawing.pictures import picture_answer
from butaca.sandbox.dressing import compressed, dressed
from butaca.sandbox.endpoints import Source
from butaca.sandbox.spoiled import spoiled

PICTURES = "/t/p/"


class FrontDesk:
    """Handles every call: TMDB's endpoints, its pictures, and the control API."""

    def __init__(self, source: Source, *, token: str, latency: float) -> None:
        """Set the source of movies, the valid token, and the duration of each call in seconds."""
        self.calls = Calls()
        self.breakage = Breakage()
        self._source = source
        self._control = control.Control(self.breakage, self.calls, token)
        self._authorization = f"Bearer {token}".encode()
        self._latency = latency

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, Strike | None]:
        """Return the response, and the fault that applies to its transmission."""
        call = Call.to(target)
        if call.path.startswith(control.ROOT):
            host = headers.get("host", "")
            return self._control.answer(method, call.path, body, host=host), None
        if call.path.startswith(PICTURES):
            return self._picture(call.path), None
        self.calls.count(target)
        return self._struck(method, target, headers)

    def _struck(
        self, method: str, target: str, headers: Mapping[str, str]
    ) -> tuple[Answer, Strike | None]:
        call = Call.to(target)
        strike = self.breakage.strike(call.path)
        self._take_time(strike.over if strike else self.breakage.over)
        answer = self._tmdb(method, call, headers)
        if strike:
            answer = spoiled(answer, strike.fault)
        accepted = "" if strike and strike.fault.kind == "gzip" else headers.get("accept-encoding")
        return compressed(dressed(answer, target), accepted or ""), strike

    def _tmdb(self, method: str, call: Call, headers: Mapping[str, str]) -> Answer:
        if not compare_digest(headers.get("authorization", "").encode(), self._authorization):
            return refusal(7)
        if method != "GET" or not call.path.startswith("/3/"):
            return refusal(34)
        return endpoints.answer(self._source, call, self.breakage.deleted)

    def _picture(self, path: str) -> Answer:
        size, _, name = path.removeprefix(PICTURES).partition("/")
        return picture_answer(self._source.find_picture(f"/{name}"), size)

    def _take_time(self, over: Event) -> None:
        if self._latency:
            over.wait(self._latency)
